// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/chat/chat"
)

// TestBehindTheProxy runs the sample as its README says: as a process, with the
// proxy beside it.
func TestBehindTheProxy(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "samples/chat")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=memory"}}
	t.Cleanup(s.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seeWhatHappens(t, chat.NewRoomsClient(conn))
}

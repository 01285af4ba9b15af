// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/account/bank"
)

// TestBehindTheProxy runs the sample as its README says: as a process, with the
// proxy beside it, and both are restarted in between.
func TestBehindTheProxy(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "samples/account")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"DATA_DIR=" + t.TempDir()}}
	t.Cleanup(s.Kill)

	client := bank.NewAccountsClient(startBoth(t, s))
	do(t, client, deposit(500), withdraw(120))
	if err := withdraw(381)(t.Context(), client); status.Code(err) != codes.Unknown || status.Convert(err).Message() != "there are only 380 in the account" {
		t.Errorf("a withdrawal of too much: %v", err)
	}
	holds(t, client, 380)

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	client = bank.NewAccountsClient(startBoth(t, s))
	holds(t, client, 380)
	for range 100 {
		do(t, client, deposit(1))
	}
	s.Kill()
	client = bank.NewAccountsClient(startBoth(t, s))
	holds(t, client, 480)
	do(t, client, withdraw(480), closeIt)
	s.Kill()
	client = bank.NewAccountsClient(startBoth(t, s))
	holds(t, client, 0)
	do(t, client, deposit(7))
	holds(t, client, 7)
}

// do makes calls that none may refuse.
func do(t *testing.T, client bank.AccountsClient, calls ...func(context.Context, bank.AccountsClient) error) {
	t.Helper()
	for _, call := range calls {
		if err := call(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
}

func startBoth(t *testing.T, s *stage.Stage) *grpc.ClientConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

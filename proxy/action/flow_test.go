// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
)

// roomFor is how many messages of 16 KiB may be under way between the function
// and the client: in the windows of two connections, and the few that are
// being handed on.
const (
	size    = 16 << 10
	roomFor = 24
	many    = 1000
)

func TestSlowClientSlowsTheFunction(t *testing.T) {
	var sent atomic.Int64
	flood := says(strings.Repeat("x", size))
	f := &function{out: func(_ *command, s outStream) error {
		for range many {
			if err := s.Send(flood); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	}}
	play(t, f, func(t *testing.T, r *rig) {
		s, err := r.GreetInAllLanguages(t.Context(), request("a"))
		must(t, err)
		synctest.Wait()
		if n := sent.Load(); n == 0 || n > roomFor {
			t.Errorf("the function could send %d messages before the client read one", n)
		}
		for i := range many {
			if got := heard(s); len(got) != size {
				t.Fatalf("message %d: %.40q", i, got)
			}
			if i == many/2 {
				synctest.Wait()
				if n := sent.Load() - many/2; n > roomFor {
					t.Errorf("the function is %d messages ahead", n)
				}
			}
		}
		want(t, "end", heard(s), "EOF")
		if n := r.stats.Replies.Load(); n != many {
			t.Errorf("counted %d replies", n)
		}
	})
}

func TestSlowFunctionSlowsTheClient(t *testing.T) {
	goOn := make(chan struct{})
	f := &function{in: func(s inStream) error {
		<-goOn
		n := -1 // the first has no payload
		for {
			if _, err := s.Recv(); err != nil {
				break
			}
			n++
		}
		return s.SendAndClose(says(strings.Repeat("x", n)))
	}}
	play(t, f, func(t *testing.T, r *rig) {
		goOn = make(chan struct{}) // of the bubble
		s, err := r.GreetAll(t.Context())
		must(t, err)
		var sent atomic.Int64
		go func() {
			for range many {
				if s.Send(request(strings.Repeat("x", size))) != nil {
					return
				}
				sent.Add(1)
			}
		}()
		synctest.Wait()
		if n := sent.Load(); n == 0 || n > roomFor {
			t.Errorf("the client could send %d messages before the function read one", n)
		}
		close(goOn)
		synctest.Wait()
		got, err := s.CloseAndRecv()
		want(t, "reply", said(got, err), strings.Repeat("x", many))
	})
}

// TestCallsDontHoldEachOtherUp has a call that nobody reads beside others that go
// on, over the same connections.
func TestCallsDontHoldEachOtherUp(t *testing.T) {
	flood := says(strings.Repeat("x", size))
	f := &function{
		out: func(_ *command, s outStream) error {
			for {
				if err := s.Send(flood); err != nil {
					return err
				}
			}
		},
		unary: func(_ context.Context, c *command) (*response, error) { return says(nameOf(c)), nil },
	}
	play(t, f, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			_, err := r.GreetInAllLanguages(ctx, request("a"))
			must(t, err)
		}
		synctest.Wait()
		for range 10 {
			got, err := r.Greet(t.Context(), request(strings.Repeat("y", size)), grpc.WaitForReady(true))
			want(t, "reply", said(got, err), strings.Repeat("y", size))
		}
		cancel()
	})
}

// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// stubborn is a function that never answers, and counts the calls of which it
// has heard that nobody waits for them any more.
func stubborn(ended chan<- string) *function {
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		ended <- ctx.Err().Error()
		return ctx.Err()
	}
	return &function{
		unary: func(ctx context.Context, _ *command) (*response, error) { return nil, wait(ctx) },
		in:    func(s inStream) error { return wait(s.Context()) },
		out:   func(_ *command, s outStream) error { return wait(s.Context()) },
		both:  func(s twoStream) error { return wait(s.Context()) },
	}
}

// each opens a call of every shape, and returns what waits for its end.
func (r *rig) each(ctx context.Context, t *testing.T) []func() string {
	t.Helper()
	unary := make(chan string, 1)
	go func() { unary <- said(r.Greet(ctx, request("a"))) }()
	in, err := r.GreetAll(ctx)
	must(t, err)
	out, err := r.GreetInAllLanguages(ctx, request("a"))
	must(t, err)
	two, err := r.GreetEach(ctx)
	must(t, err)
	synctest.Wait()
	return []func() string{
		func() string { return <-unary },
		func() string { return said(in.CloseAndRecv()) },
		func() string { return heard(out) },
		func() string { return heard(two) },
	}
}

func TestClientThatGoesAwayCancelsTheFunction(t *testing.T) {
	ended := make(chan string, 4)
	play(t, stubborn(ended), func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		ends := r.each(ctx, t)
		cancel()
		for _, end := range ends {
			want(t, "client", end(), "Canceled: context canceled")
		}
		synctest.Wait()
		if len(ended) != 4 {
			t.Errorf("the function has heard of %d calls", len(ended))
		}
		if told := r.told(); len(told) > 0 {
			t.Errorf("function was told %q", told)
		}
	})
}

func TestDeadlineEndsTheCall(t *testing.T) {
	ended := make(chan string, 4)
	play(t, stubborn(ended), func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, end := range r.each(ctx, t) {
			if got := end(); !strings.HasPrefix(got, "DeadlineExceeded: ") {
				t.Errorf("client got %q", got)
			}
		}
		synctest.Wait()
		if len(ended) != 4 {
			t.Errorf("the function has heard of %d calls", len(ended))
		}
	})
}

// TestFunctionThatNeverAnswers has a client without a deadline, which can be
// helped only if it waits for one reply to one message.
func TestFunctionThatNeverAnswers(t *testing.T) {
	ended := make(chan string, 4)
	play(t, stubborn(ended), func(t *testing.T, r *rig) {
		got, err := r.Greet(t.Context(), request("a"))
		want(t, "client", said(got, err), "DeadlineExceeded: greet.Greeter/Greet was not answered within 1h0m0s: deadline exceeded")
	})
}

func TestFailureEndsTheCall(t *testing.T) {
	ended := make(chan error, 1)
	f := &function{
		unary: func(context.Context, *command) (*response, error) { return fails("no"), nil },
		in:    func(s inStream) error { return s.SendAndClose(fails("no")) },
		out: func(_ *command, s outStream) error {
			err := errors.Join(s.Send(says("a")), s.Send(fails("no")), s.Send(says("b")))
			<-s.Context().Done()
			return err
		},
		both: func(s twoStream) error {
			if err := s.Send(fails("no")); err != nil {
				return err
			}
			for {
				if _, err := s.Recv(); err != nil {
					ended <- err
					return err
				}
			}
		},
	}
	play(t, f, func(t *testing.T, r *rig) {
		ends := r.each(t.Context(), t)
		want(t, "unary", ends[0](), "Unknown: no")
		want(t, "streamed in", ends[1](), "Unknown: no")
		want(t, "streamed out", ends[2](), "a")
		want(t, "streamed out", ends[2](), "Unknown: no")
		want(t, "streamed", ends[3](), "Unknown: no")
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("the function's stream ended with %v, want it canceled", err)
		}
		if calls, failed := r.stats.Calls.Load(), r.stats.Failed.Load(); calls != 4 || failed != 4 {
			t.Errorf("counted %d calls, %d failed", calls, failed)
		}
	})
}

func TestStatusOfTheFunction(t *testing.T) {
	own := status.Error(codes.NotFound, "gone")
	f := &function{
		unary: func(context.Context, *command) (*response, error) { return nil, own },
		in:    func(inStream) error { return own },
		out: func(_ *command, s outStream) error {
			if err := s.Send(says("a")); err != nil {
				return err
			}
			return own
		},
		both: func(twoStream) error { return own },
	}
	play(t, f, func(t *testing.T, r *rig) {
		ends := r.each(t.Context(), t)
		want(t, "streamed out", ends[2](), "a")
		for _, end := range ends {
			want(t, "client", end(), "NotFound: gone")
		}
		if told := r.told(); len(told) != 4 || !strings.Contains(strings.Join(told, "\n"), "Greeter/GreetAll: user function ended the stream: NotFound: gone") {
			t.Errorf("function was told %q", told)
		}
	})
}

func TestFunctionThatDies(t *testing.T) {
	play(t, stubborn(make(chan string, 9)), func(t *testing.T, r *rig) {
		two, err := r.GreetEach(t.Context())
		must(t, err)
		ends := r.each(t.Context(), t)
		r.server.Stop()
		for _, end := range ends {
			if got := end(); !strings.HasPrefix(got, "Unavailable: ") || !strings.Contains(got, entity.ErrUnknownOutcome.Error()) {
				t.Errorf("client got %q", got)
			}
		}
		heard(two)
		want(t, "trailer", strings.Join(two.Trailer().Get("kairn-outcome"), " "), "unknown")
		synctest.Wait()

		two, err = r.GreetEach(t.Context()) // there is nobody any more
		must(t, err)
		for _, got := range []string{heard(two), said(r.Greet(t.Context(), request("a")))} {
			if !strings.HasPrefix(got, "Unavailable: ") || strings.Contains(got, entity.ErrUnknownOutcome.Error()) {
				t.Errorf("client got %q", got)
			}
		}
		want(t, "trailer", strings.Join(two.Trailer().Get("kairn-outcome"), " "), "")
	})
}

func TestStreamedInWithoutAnAnswer(t *testing.T) {
	f := &function{in: func(s inStream) error { return nil }}
	play(t, f, func(t *testing.T, r *rig) {
		in, err := r.GreetAll(t.Context())
		must(t, err)
		got := said(in.CloseAndRecv())
		if !strings.HasPrefix(got, "Internal: ") || !strings.Contains(got, "GreetAll before it answered") {
			t.Errorf("client got %q", got)
		}
		if told := r.told(); len(told) != 1 {
			t.Errorf("function was told %q", told)
		}
	})
}

func TestStreamedInAnsweredTwice(t *testing.T) {
	f := &function{in: func(s inStream) error { return errors.Join(s.SendMsg(says("a")), s.SendMsg(says("b"))) }}
	play(t, f, func(t *testing.T, r *rig) {
		in, err := r.GreetAll(t.Context())
		must(t, err)
		got := said(in.CloseAndRecv())
		if !strings.HasPrefix(got, "Internal: ") || !strings.Contains(got, "answered twice") {
			t.Errorf("client got %q", got)
		}
		if told := r.told(); len(told) != 1 {
			t.Errorf("function was told %q", told)
		}
	})
}

func TestStreamThatTheFunctionEndsFirst(t *testing.T) {
	f := &function{both: func(s twoStream) error { return s.Send(says("a")) }}
	play(t, f, func(t *testing.T, r *rig) {
		two, err := r.GreetEach(t.Context())
		must(t, err)
		want(t, "message", heard(two), "a")
		want(t, "end", heard(two), "EOF")
		if err := two.Send(request("a")); !errors.Is(err, io.EOF) {
			t.Errorf("the client could send: %v", err)
		}
	})
}

func TestMessageThatCannotBeRead(t *testing.T) {
	bad := &emptypb.Empty{}
	bad.ProtoReflect().SetUnknown([]byte{0x0a, 0x01, 0xff}) // a failure of one byte that ends in the middle
	f := &function{both: func(s twoStream) error { return errors.Join(s.SendMsg(bad), s.Send(says("a"))) }}
	play(t, f, func(t *testing.T, r *rig) {
		two, err := r.GreetEach(t.Context())
		must(t, err)
		if got := heard(two); !strings.HasPrefix(got, "Internal: ") {
			t.Errorf("client got %q", got)
		}
		if told := r.told(); len(told) != 1 || !strings.Contains(told[0], "malformed") {
			t.Errorf("function was told %q", told)
		}
	})
}

// TestNothingIsLeftOfCallsThatEnded has the function end calls whose clients
// have not, on connections that stay.
func TestNothingIsLeftOfCallsThatEnded(t *testing.T) {
	f := &function{
		in:   func(s inStream) error { return s.SendAndClose(says("a")) },
		both: func(s twoStream) error { return s.Send(fails("no")) },
	}
	play(t, f, func(t *testing.T, r *rig) {
		for range 10 {
			_, err := r.GreetAll(t.Context())
			must(t, err)
			_, err = r.GreetEach(t.Context())
			must(t, err)
		}
		synctest.Wait()
		if n := r.stats.Calls.Load(); n != 20 {
			t.Errorf("%d calls have ended", n)
		}
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, left := range []string{"action.(*streamed)", "serve.(*GRPC).stream(", "serve.(*client)"} {
			if strings.Contains(string(stacks), left) {
				t.Errorf("a goroutine is left in %s", left)
			}
		}
	})
}

// TestLargeMessages has messages that are larger than all windows, and one that
// is larger than the proxy takes.
func TestLargeMessages(t *testing.T) {
	f := &function{both: func(s twoStream) error {
		for {
			c, err := s.Recv()
			if err != nil {
				return err
			}
			text := nameOf(c)
			if text == "too large" {
				text = strings.Repeat("x", 13<<20)
			}
			if c.GetPayload() == nil {
				continue
			}
			if err := s.Send(says(text)); err != nil {
				return err
			}
		}
	}}
	play(t, f, func(t *testing.T, r *rig) {
		two, err := r.GreetEach(t.Context())
		must(t, err)
		large := strings.Repeat("y", 3<<20)
		for range 2 {
			must(t, two.Send(request(large)))
			if got := heard(two); got != large {
				t.Fatalf("got %d bytes: %.80q", len(got), got)
			}
		}
		must(t, two.Send(request("too large")))
		if got := heard(two); !strings.HasPrefix(got, "ResourceExhausted: ") {
			t.Errorf("client got %.80q", got)
		}
		if told := r.told(); len(told) != 1 || !strings.Contains(told[0], "larger than max") {
			t.Errorf("function was told %q", told)
		}
	})
}

// TestSubmittedCalls looks at calls that no client's goroutine carries out: at
// most two at once in these tests.
func TestSubmittedCalls(t *testing.T) {
	ended := make(chan string, 4)
	play(t, stubborn(ended), func(t *testing.T, r *rig) {
		done := make(chan error, 3)
		gone := make(chan struct{})
		submit := func(c entity.Call) {
			c.Service, c.Command = greet.Greeter_ServiceDesc.ServiceName, "Greet"
			r.calls.Submit(&route.Entity{Type: route.Action}, "", &instance.Command{Call: c, Done: func(o entity.Outcome) { done <- o.Err }})
		}
		submit(entity.Call{Done: gone})
		submit(entity.Call{Deadline: time.Now().Add(time.Minute)})
		submit(entity.Call{})
		if err := <-done; !errors.Is(err, entity.ErrOverloaded) {
			t.Errorf("third call: %v", err)
		}
		synctest.Wait()
		close(gone)
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("call that nobody waits for: %v", err)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call with a deadline: %v", err)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// A liar is a function that does what a fuzzer thinks of in calls that begin while
// the fuzzer has something to say, and is honest in all others.
type liar struct{ script *livetest.Script }

func (l *liar) function() *function {
	return &function{
		unary: func(_ context.Context, c *command) (out *response, err error) {
			err = l.converse(once(c), func(m *response) error { out = m; return nil }, true)
			return out, err
		},
		in: func(s inStream) error {
			return l.converse(s.Recv, func(m *response) error { return s.SendMsg(m) }, true)
		},
		out: func(c *command, s outStream) error {
			return l.converse(once(c), s.Send, false)
		},
		both: func(s twoStream) error { return l.converse(s.Recv, s.Send, false) },
	}
}

// once returns c, and then that there is no more.
func once(c *command) func() (*command, error) {
	return func() (*command, error) {
		next := c
		if c = nil; next == nil {
			return nil, io.EOF
		}
		return next, nil
	}
}

// converse answers each message, and the end of them, as the script says. Single
// is whether the client wants one reply.
func (l *liar) converse(recv func() (*command, error), send func(*response) error, single bool) error {
	lying := l.script.More()
	for {
		m, err := recv()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		do, said := livetest.Honest, []byte(nil)
		if lying {
			var ok bool
			if do, said, ok = l.script.Next(); !ok {
				do = livetest.Ends
			}
		}
		switch {
		case do == livetest.Ends:
			return nil
		case do == livetest.Breaks:
			return status.Error(codes.DataLoss, "broken")
		case do == livetest.Says:
			err = errors.Join(err, send(raw(said)))
		case single == (m == nil) && (single || m.GetPayload() != nil):
			err = errors.Join(err, send(says("honest")))
		}
		if err != nil { // the client says no more, or hears no more
			return nil //nolint:nilerr // how it ended is for the other side to say
		}
	}
}

// raw is a response that is encoded as data, whatever that is.
func raw(data []byte) *response {
	m := &response{}
	m.ProtoReflect().SetUnknown(data)
	return m
}

// FuzzFunction has a function do anything at all in calls of all shapes: each of
// its clients comes to an end, a call that has begun before notices nothing, and
// when the function has come to its senses all calls work.
func FuzzFunction(f *testing.F) {
	said := func(m *response) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{0, byte(len(data))}, data...)
	}
	effect := says("with effects")
	effect.SideEffects = []*cloudstate.SideEffect{greets("Greet", "x", true), greets("GreetEach", "x", false), fills("x")}
	f.Add([]byte{3, 3, 3, 3, 3, 3, 3, 3})
	f.Add([]byte{1, 2, 3, 1, 2, 3})
	f.Add([]byte{0, 0, 0, 1, 0xff, 0, 2, 0x0a, 0x01})
	for _, m := range []*response{says("twice"), fails("no"), forwards("Greet", "x"), forwards("GreetEach", "x"), effect} {
		f.Add(append(said(m), append(said(m), said(says("more"))...)...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		l := &liar{livetest.NewScript(nil)}
		play(t, l.function(), func(t *testing.T, r *rig) {
			bystander, err := r.GreetEach(t.Context())
			must(t, err)
			must(t, bystander.Send(request("a")))
			want(t, "bystander", heard(bystander), "honest")
			l.script = livetest.NewScript(script)
			for range 3 {
				r.converse(t)
			}
			l.script.End()
			for _, got := range r.converse(t) {
				want(t, "afterwards", got, "honest")
			}
			must(t, bystander.Send(request("a")))
			want(t, "bystander", heard(bystander), "honest")
			must(t, bystander.CloseSend())
			want(t, "bystander", heard(bystander), "EOF")
		})
	})
}

// converse has a call of each shape, and returns what came first in each.
func (r *rig) converse(t *testing.T) []string {
	unary := said(r.Greet(t.Context(), request("a")))
	in, err := r.GreetAll(t.Context())
	must(t, err)
	_ = in.Send(request("a")) // if the call has ended by then, the end says why
	single := said(in.CloseAndRecv())
	out, err := r.GreetInAllLanguages(t.Context(), request("a"))
	must(t, err)
	two, err := r.GreetEach(t.Context())
	must(t, err)
	_ = two.Send(request("a")) // likewise
	_ = two.CloseSend()
	return []string{unary, single, drain(out), drain(two)}
}

// drain returns what comes first of a stream, after its end.
func drain(s interface {
	Recv() (*greet.Greeting, error)
},
) (first string) {
	for first = ""; ; {
		g, err := s.Recv()
		if first == "" {
			first = said(g, err)
		}
		if err != nil {
			return first
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// A diary is what a function has done, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, " ")
}

// with returns m with side effects.
func with(m *response, effects ...*cloudstate.SideEffect) *response {
	m.SideEffects = effects
	return m
}

// TestWhatAStreamLeadsTo has each response of a stream lead to other calls, which
// take their time.
func TestWhatAStreamLeadsTo(t *testing.T) {
	var d diary
	gates := map[string]chan struct{}{}
	f := &function{
		unary: func(_ context.Context, c *command) (*response, error) {
			name := nameOf(c)
			d.write(name)
			if gate := gates[name]; gate != nil {
				<-gate
			}
			return says("to " + name), nil
		},
		out: func(_ *command, s outStream) error {
			return errors.Join(
				s.Send(with(forwards("Greet", "f"), greets("Greet", "1", true), fills("cart"), greets("Greet", "2", true))),
				s.Send(with(&response{}, greets("Greet", "3", true))),
				s.Send(with(says("b"), greets("Greet", "4", false))),
			)
		},
	}
	play(t, f, func(t *testing.T, r *rig) {
		for _, name := range []string{"1", "2", "3", "4", "f"} {
			gates[name] = make(chan struct{})
		}
		s, err := r.GreetInAllLanguages(t.Context(), request("a"))
		must(t, err)
		for _, step := range []struct{ so, open string }{
			{"1", "1"}, {"1 2", "2"}, {"1 2 f", "f"}, {"1 2 f 3", "3"},
		} {
			synctest.Wait()
			want(t, "called", d.read(), step.so)
			close(gates[step.open])
		}
		want(t, "instead of the forward", heard(s), "to f")
		want(t, "reply", heard(s), "b") // nothing for the one without, and not after its effect
		want(t, "end", heard(s), "EOF")
		synctest.Wait()
		want(t, "called", d.read(), "1 2 f 3 4")
		want(t, "carts", strings.Join(r.filled, ", "), "GetCart cart")
		close(gates["4"])
		synctest.Wait()
		if effects, failed, forwards := r.routed.Effects.Load(), r.routed.EffectsFailed.Load(), r.routed.Forwards.Load(); effects != 5 || failed != 0 || forwards != 1 {
			t.Errorf("counted %d effects, %d failed, %d forwards", effects, failed, forwards)
		}
	})
}

func TestEffectsOfAFailureRun(t *testing.T) {
	var d diary
	f := &function{
		unary: func(_ context.Context, c *command) (*response, error) {
			d.write(nameOf(c))
			return says(""), nil
		},
		both: func(s twoStream) error { return s.Send(with(fails("no"), greets("Greet", "1", true))) },
	}
	play(t, f, func(t *testing.T, r *rig) {
		s, err := r.GreetEach(t.Context())
		must(t, err)
		want(t, "client", heard(s), "Unknown: no")
		want(t, "called", d.read(), "1")
	})
}

func TestEntityAsTargetAndUnaryForward(t *testing.T) {
	f := &function{
		unary: func(_ context.Context, c *command) (*response, error) {
			if nameOf(c) == "last" {
				return with(says("here"), fills("x")), nil
			}
			return forwards("Greet", "last"), nil
		},
		in: func(s inStream) error {
			return s.SendAndClose(&response{Response: &cloudstate.ActionResponse_Forward{Forward: &cloudstate.Forward{
				ServiceName: shop.ShoppingCart_ServiceDesc.ServiceName, CommandName: "GetCart",
				Payload: packed(&shop.GetCartRequest{UserId: "y"}),
			}}})
		},
	}
	play(t, f, func(t *testing.T, r *rig) {
		got, err := r.Greet(t.Context(), request("first"))
		want(t, "unary", said(got, err), "here")
		in, err := r.GreetAll(t.Context())
		must(t, err)
		got, err = in.CloseAndRecv()
		want(t, "streamed in", said(got, err), "")
		if !slices.Equal(r.filled, []string{"GetCart x", "GetCart y"}) {
			t.Errorf("carts got %q", r.filled)
		}
		if told := r.told(); len(told) != 1 || !strings.Contains(told[0], "replies with type.googleapis.com/"+string((&shop.Cart{}).ProtoReflect().Descriptor().FullName())) {
			t.Errorf("function was told %q", told)
		}
	})
}

// TestTargetsThatAreRefused has responses that lead to what can't be called.
func TestTargetsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ method, want string }{
		"streamed": {"GreetEach", "greet.Greeter/GreetEach is streamed, forwarded from greet.Greeter/GreetInAllLanguages: not implemented"},
		"unknown":  {"Nothing", "there is no method Nothing of service greet.Greeter, forwarded from greet.Greeter/GreetInAllLanguages: not implemented"},
	} {
		t.Run(name, func(t *testing.T) {
			canceled := false
			f := &function{out: func(_ *command, s outStream) error {
				err := errors.Join(s.Send(with(says("a"), greets(tt.method, "", true))), s.Send(forwards(tt.method, "")))
				<-s.Context().Done()
				canceled = true
				return err
			}}
			play(t, f, func(t *testing.T, r *rig) {
				s, err := r.GreetInAllLanguages(t.Context(), request("a"))
				must(t, err)
				want(t, "reply", heard(s), "a")
				want(t, "client", heard(s), "Unimplemented: "+tt.want)
				synctest.Wait()
				if !canceled {
					t.Error("the function's stream goes on")
				}
				effect := strings.Replace(tt.want, "forwarded from", "side effect of", 1)
				if told := r.told(); !slices.Equal(told, []string{effect, tt.want}) {
					t.Errorf("function was told %q", told)
				}
				if n := r.routed.EffectsFailed.Load(); n != 1 {
					t.Errorf("counted %d failed effects", n)
				}
			})
		})
	}
}

func TestLoopOfForwardsFromAStream(t *testing.T) {
	f := &function{
		unary: func(context.Context, *command) (*response, error) { return forwards("Greet", "again"), nil },
		both:  func(s twoStream) error { return s.Send(forwards("Greet", "first")) },
	}
	play(t, f, func(t *testing.T, r *rig) {
		s, err := r.GreetEach(t.Context())
		must(t, err)
		if got := heard(s); !strings.HasPrefix(got, "FailedPrecondition: ") || !strings.Contains(got, entity.ErrLoop.Error()) {
			t.Errorf("client got %q", got)
		}
	})
}

// TestClientThatGoesAwayDuringAnEffect checks that the effects which the
// function has asked for are carried out all the same, and the forward is not.
func TestClientThatGoesAwayDuringAnEffect(t *testing.T) {
	var d diary
	gate := make(chan struct{})
	f := &function{
		unary: func(_ context.Context, c *command) (*response, error) {
			d.write(nameOf(c))
			if nameOf(c) == "1" {
				<-gate
			}
			return says(""), nil
		},
		both: func(s twoStream) error {
			return s.Send(with(forwards("Greet", "f"), greets("Greet", "1", true), greets("Greet", "2", true)))
		},
	}
	play(t, f, func(t *testing.T, r *rig) {
		gate = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		s, err := r.GreetEach(ctx)
		must(t, err)
		synctest.Wait()
		cancel()
		want(t, "client", heard(s), "Canceled: context canceled")
		synctest.Wait()
		close(gate)
		synctest.Wait()
		want(t, "called", d.read(), "1 2")
	})
}

func TestWrongTypeIsReportedOnceForAStream(t *testing.T) {
	wrong := says("")
	wrong.GetReply().Payload = packed(&shop.Cart{})
	f := &function{out: func(_ *command, s outStream) error {
		return errors.Join(s.Send(wrong), s.Send(wrong), s.Send(says("a")))
	}}
	play(t, f, func(t *testing.T, r *rig) {
		s, err := r.GreetInAllLanguages(t.Context(), request("a"))
		must(t, err)
		for _, text := range []string{"", "", "a", "EOF"} {
			want(t, "message", heard(s), text)
		}
		if told := r.told(); len(told) != 1 || !strings.HasPrefix(told[0], "Warning: greet.Greeter/GreetInAllLanguages replied with ") {
			t.Errorf("function was told %q", told)
		}
	})
}

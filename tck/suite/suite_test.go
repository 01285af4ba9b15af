// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/intercept"
	"github.com/kairn-dev/kairn/tck/report"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/suite"
)

const service = "test.Service"

// A world is a function that a script plays, and a proxy that each test writes.
type world struct {
	t      *testing.T
	fn     *script.Function
	target *suite.Target
	direct cloudstate.EventSourcedClient // the proxy's way to the function, by the interceptor
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log := exchange.NewLog()
	spec := &cloudstate.EntitySpec{Entities: []*cloudstate.Entity{{ServiceName: service}}}
	w := &world{t: t, fn: script.New(spec)}
	function := w.serve(w.fn.Serve)
	between := intercept.New(log, function)
	w.direct = cloudstate.NewEventSourcedClient(w.serve(between.Serve))
	w.target = &suite.Target{Log: log, Spec: spec, Function: function, Between: between}
	return w
}

func (w *world) serve(f func(context.Context, net.Listener) error) *grpc.ClientConn {
	w.t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := f(ctx, lis); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { conn.Close(); cancel(); work.Wait() })
	return conn
}

// A proxy is a function that plays one: it is called with the key of the
// instance, which is what a client's call consists of here.
type proxy func(ctx context.Context, key string) error

func (p proxy) Invoke(ctx context.Context, key string, _, _ any, _ ...grpc.CallOption) error {
	return p(ctx, key)
}

func (p proxy) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("not needed")
}

func (w *world) run(cases ...suite.Case) []report.Result {
	for i := range cases {
		cases[i].Number = string(rune('1' + i))
	}
	return (&suite.Run{Target: w.target}).Cases(w.t.Context(), cases)
}

func (w *world) want(r report.Result, s report.Status, reason string) {
	w.t.Helper()
	if r.Status != s || !strings.Contains(r.Reason, reason) {
		w.t.Errorf("case %s is %s (%s), want %s (%s)", r.Number, r.Status, r.Reason, s, reason)
	}
}

func initial(key string) *cloudstate.EventSourcedStreamIn {
	return &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: service, EntityId: key},
	}}
}

func crash(text string) *cloudstate.EventSourcedStreamOut {
	return &cloudstate.EventSourcedStreamOut{Message: &cloudstate.EventSourcedStreamOut_Failure{
		Failure: &cloudstate.Failure{Description: text},
	}}
}

func TestACaseRunsOnlyIfTheTargetHasWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	passes := func(*suite.T) {}
	all := w.run(
		suite.Case{Kind: suite.Model, Services: []string{service}, Run: passes},
		suite.Case{Kind: suite.Model, Services: []string{service, "test.Other"}, Run: passes},
		suite.Case{Kind: suite.Proxy, Run: passes},
	)
	w.want(all[0], report.Passed, "")
	w.want(all[1], report.Pending, "the function does not have test.Other")
	w.want(all[2], report.Pending, "the proxy was not given")
	w.target.Function, w.target.Proxy = nil, proxy(nil)
	all = w.run(suite.Case{Kind: suite.Model, Run: passes}, suite.Case{Kind: suite.Proxy, HTTP: true, Run: passes})
	w.want(all[0], report.Pending, "the function was not given")
	w.want(all[1], report.Pending, "the proxy was given without an HTTP address")
}

func TestAFailedCaseShowsTheDifferenceAndTheExchange(t *testing.T) {
	w := newWorld(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := w.fn.EventSourced.Next(t.Context(), "a")
		if err != nil || s.Send(crash("two")) != nil {
			t.Error("the stream was not there")
			return
		}
		<-s.Gone()
	}()
	conn, err := grpc.NewClient(w.target.Function.(*grpc.ClientConn).Target(),
		append(exchange.Record(w.target.Log, exchange.SuiteToFunction), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.target.Function = conn
	all := w.run(suite.Case{Kind: suite.Model, Run: func(t *suite.T) {
		s := suite.Open(t, cloudstate.NewEventSourcedClient(t.Function).Handle)
		s.Send(initial("a"))
		s.Expect(crash("one"))
		t.Fatalf("not reached")
	}})
	<-done
	w.want(all[0], report.Failed, `"two"`)
	for _, part := range []string{"suite > function", "function > suite", `"two"`, `"a"`} {
		if !strings.Contains(all[0].Exchange, part) {
			t.Errorf("the exchange has no %s:\n%s", part, all[0].Exchange)
		}
	}
}

// open opens a stream as the proxy.
func (w *world) open(ctx context.Context, key string) (cloudstate.EventSourced_HandleClient, error) {
	s, err := w.direct.Handle(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	return s, s.Send(initial(key))
}

// calls is a case that calls one instance, expects a stream for it with an init,
// and nothing else.
func calls(t *suite.T) {
	key := t.Key()
	if err := t.Invoke(key, nil, nil); err != nil {
		t.Fatalf("call: %v", err)
	}
	t.Connection(cloudstate.EventSourced_Handle_FullMethodName, service, key).FromProxy(initial(key))
}

func TestWhatACaseDoesNotExpectIsHeldAgainstIt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		proxy  func(w *world) proxy
		status report.Status
		reason string
	}{
		{"nothing else", func(w *world) proxy {
			return func(ctx context.Context, key string) error {
				_, err := w.open(ctx, key)
				return errors.Join(err, w.seen(ctx, 1))
			}
		}, report.Passed, ""},
		{"another message", func(w *world) proxy {
			return func(ctx context.Context, key string) error {
				s, err := w.open(ctx, key)
				return errors.Join(err, s.Send(initial("again")), w.seen(ctx, 2))
			}
		}, report.Failed, `"again"`},
		{"another stream", func(w *world) proxy {
			return func(ctx context.Context, key string) error {
				_, err := w.open(ctx, key)
				_, err2 := w.open(ctx, "other")
				return errors.Join(err, err2, w.seen(ctx, 2))
			}
		}, report.Failed, `"other"`},
		{"a half-close", func(w *world) proxy {
			return func(ctx context.Context, key string) error {
				s, err := w.open(ctx, key)
				return errors.Join(err, s.CloseSend(), w.seen(ctx, 2))
			}
		}, report.Failed, "ends"},
		{"a stream for another instance", func(w *world) proxy {
			return func(ctx context.Context, key string) error {
				_, err := w.open(ctx, "other than "+key)
				return errors.Join(err, w.seen(ctx, 1))
			}
		}, report.Failed, "has not opened a stream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.target.Proxy = tt.proxy(w)
			all := w.run(suite.Case{Kind: suite.Proxy, Run: calls})
			w.want(all[0], tt.status, tt.reason)
		})
	}
}

// seen waits until the interceptor has recorded that many things.
func (w *world) seen(ctx context.Context, n int) error {
	for {
		from := w.target.Log.Mark()
		if len(w.target.Log.Between(exchange.Mark{}, from)) >= n {
			return nil
		}
		if err := w.target.Log.Wait(ctx, from); err != nil {
			return err
		}
	}
}

func TestWhatComesAfterACaseIsHeldAgainstItToo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		late   func(s cloudstate.EventSourced_HandleClient) error
		status report.Status
		reason string
	}{
		{"another message", func(s cloudstate.EventSourced_HandleClient) error { return s.Send(initial("again")) }, report.Failed, "after the case was over"},
		{"passivation", func(s cloudstate.EventSourced_HandleClient) error { return s.CloseSend() }, report.Passed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			var streams []cloudstate.EventSourced_HandleClient
			w.target.Proxy = proxy(func(ctx context.Context, key string) error {
				s, err := w.open(ctx, key)
				if streams = append(streams, s); len(streams) == 2 {
					return errors.Join(err, tt.late(streams[0]), w.seen(ctx, 3))
				}
				return err
			})
			all := w.run(suite.Case{Kind: suite.Proxy, Run: calls}, suite.Case{Kind: suite.Proxy, Run: calls})
			w.want(all[0], tt.status, tt.reason)
			w.want(all[1], report.Passed, "")
		})
	}
}

func TestABarrierIsMadeAndNotHeldAgainstTheCase(t *testing.T) {
	w := newWorld(t)
	var keys []string
	w.target.Proxy = proxy(func(ctx context.Context, key string) error {
		keys = append(keys, key)
		_, err := w.open(ctx, key)
		return errors.Join(err, w.seen(ctx, len(keys)))
	})
	barrier := suite.Barrier{Service: service, Call: func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error {
		return proxy.Invoke(ctx, key, nil, nil)
	}}
	r := suite.Run{Target: w.target, Barriers: []suite.Barrier{{Service: "test.Other"}, barrier}}
	all := r.Cases(t.Context(), []suite.Case{{Kind: suite.Proxy, Run: calls}})
	w.want(all[0], report.Passed, "")
	if len(keys) < 2 || keys[1] == keys[0] || keys[len(keys)-1] != keys[1] {
		t.Errorf("called %q, want a call by the case and then some of the barrier", keys)
	}
}

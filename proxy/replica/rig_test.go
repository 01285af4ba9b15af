// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/replica"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
)

// The limits that tests run with, unless they say otherwise.
const (
	idle  = 30 * time.Second
	grace = 5 * time.Second
)

func limits() exchange.Limits {
	return exchange.Limits{
		Waiting: 100, Outstanding: 32, Streams: 100, Lingering: 4, Sends: 3, Buffer: 4, BufferBytes: 1 << 20,
		Answer: time.Minute, Cancel: 5 * time.Second, Stall: 10 * time.Second, Hold: time.Second,
	}
}

// counters is the entity that tests speak to.
var (
	counters = &route.Entity{Service: "test.Counters", Type: route.CRDT, Name: "test.Counters/counters"}
	monitor  = &route.Method{Service: "test.Counters", Name: "Monitor", Entity: counters, InputURL: textURL, ServerStreams: true}
)

// A rig is a Set and a function that the test plays.
type rig struct {
	t   testing.TB
	fn  *function
	set *replica.Set

	mu       sync.Mutex // protects reported
	reported []string
}

// bubble runs f with a rig in a bubble, and checks that nothing is left of it.
func bubble(t *testing.T, f func(*rig), options ...func(*replica.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, fn: &function{streams: make(chan *stream, 100)}}
		cfg := replica.Config{
			Self: "self", Function: r.fn, Limits: limits(), Idle: idle, Grace: grace,
			Report: func(s string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.reported = append(r.reported, s)
			},
		}
		for _, o := range options {
			o(&cfg)
		}
		r.set = replica.New(slog.New(slog.DiscardHandler), cfg)
		f(r)
		if err := r.set.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
		if a := r.set.Active(); len(a) > 0 {
			t.Errorf("still awake: %v", a)
		}
	})
}

// reports returns how many reports the function got, since the last time.
func (r *rig) reports() int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.reported)
	r.reported = nil
	return n
}

// accept takes the next stream, and checks how it begins.
func (r *rig) accept(id string, d *cloudstate.CrdtDelta) side {
	r.t.Helper()
	s := side{<-r.fn.streams, r.t}
	s.expect(initial(id, d))
	return s
}

// A call is a command whose outcome may come.
type call struct {
	t   testing.TB
	out chan entity.Outcome
	n   atomic.Int32
}

func (r *rig) submit(id, name string) *call {
	c := &call{t: r.t, out: make(chan entity.Outcome, 2)}
	r.set.Submit(counters, id, &instance.Command{
		Call:    entity.Call{Service: counters.Service, Command: name, Payload: []byte("p")},
		TypeURL: textURL, Arrived: time.Now(),
		Done: func(o entity.Outcome) {
			if c.n.Add(1) > 1 {
				r.t.Errorf("%s has more than one outcome, now %+v", name, o)
			}
			c.out <- o
		},
	})
	return c
}

func (c *call) replied(text string) entity.Outcome {
	c.t.Helper()
	o := <-c.out
	if o.Err != nil || string(o.Reply.Value) != text {
		c.t.Errorf("reply %q, error %v, want reply %q", o.Reply.Value, o.Err, text)
	}
	return o
}

func (c *call) failed(want error) {
	c.t.Helper()
	_ = c.failure(want) // it reports what is wrong
}

// failure waits until the call has failed, and returns the whole error.
func (c *call) failure(want error) error {
	c.t.Helper()
	o := <-c.out
	if !errors.Is(o.Err, want) {
		c.t.Errorf("error %v, want %v", o.Err, want)
	}
	return o.Err
}

func (c *call) pending() {
	c.t.Helper()
	synctest.Wait()
	if len(c.out) > 0 {
		c.t.Errorf("has the outcome %+v already", <-c.out)
	}
}

// A following is a streamed call.
type following struct {
	t      testing.TB
	cancel context.CancelFunc
	got    chan entity.Outcome
	end    chan error
}

// monitor opens a streamed call. Its client takes room outcomes at most that the
// test has not looked at.
func (r *rig) monitor(id string, room int) *following {
	ctx, cancel := context.WithCancel(r.t.Context())
	f := &following{t: r.t, cancel: cancel, got: make(chan entity.Outcome, room), end: make(chan error, 1)}
	c := entity.Call{Service: counters.Service, Command: "Monitor", Done: ctx.Done()}
	go func() {
		f.end <- r.set.Stream(ctx, monitor, id, c, func(o entity.Outcome) error {
			f.got <- o
			return o.Err
		})
	}()
	return f
}

func (f *following) next(text string) {
	f.t.Helper()
	if o := <-f.got; string(o.Reply.Value) != text || o.Err != nil {
		f.t.Errorf("got %q, %v, want %q", o.Reply.Value, o.Err, text)
	}
}

// effects checks that the next outcome has these effects, and nothing else.
func (f *following) effects(names ...string) {
	f.t.Helper()
	o := <-f.got
	var got []string
	for _, e := range o.Effects {
		got = append(got, e.Command)
	}
	if !o.None || !slices.Equal(got, names) {
		f.t.Errorf("got %+v, want effects %v", o, names)
	}
}

func (f *following) quiet() {
	f.t.Helper()
	synctest.Wait()
	if len(f.got) > 0 {
		f.t.Errorf("client got %+v", <-f.got)
	}
}

func (f *following) ended(want error) {
	f.t.Helper()
	if err := <-f.end; !errors.Is(err, want) {
		f.t.Errorf("ended with %v, want %v", err, want)
	}
}

// other is a member that counts, too.
type other struct {
	data crdt.Data
	view *crdt.View
}

func newOther() *other {
	o := &other{}
	o.view, _ = o.data.Open(crdt.NewMembers("other"))
	return o
}

func (o *other) apply(t testing.TB, d *cloudstate.CrdtDelta) *crdt.Data {
	t.Helper()
	if err := o.data.Apply(o.view, d, "other", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return &o.data
}

func key(id string) entity.Key { return entity.Key{Entity: counters.Name, ID: id} }

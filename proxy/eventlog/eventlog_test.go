// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventlog"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

const text = `syntax = "proto3"; package x;
	import "cloudstate/eventing.proto"; import "cloudstate/entity_key.proto";
	message K { string id = 1 [(cloudstate.entity_key) = true]; } message A {}
	service Log { rpc Do(K) returns (A); }
	service S { rpc Take(A) returns (A) `

const consumed = `{ option (cloudstate.eventing).in = { event_log: "p" }; }`

// A rig is all that brings events to the consumer x.S, which a test plays.
type rig struct {
	t        *testing.T
	store    *memstore.Store
	lane     *lane.Lane
	pump     *outbox.Pump
	backfill *eventlog.Backfill
	stats    outbox.Stats
	known    atomic.Pointer[route.Catalogue]

	mu    sync.Mutex // protects what follows
	got   []string
	md    entity.Metadata
	fails map[string]int // how often an event is refused; by what it is
}

// Tell notes an event.
func (r *rig) Tell(_ context.Context, m *route.Method, source entity.Key, call entity.Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := source.ID + string(call.Payload)
	r.got, r.md = append(r.got, what), call.Metadata
	if m.InputURL != "type.googleapis.com/x.A" {
		r.t.Errorf("%s has type %s", what, m.InputURL)
	}
	if r.fails[what] > 0 {
		r.fails[what]--
		return &entity.Refusal{Description: "no"}
	}
	return nil
}

// run brings up what a process has, over s, until the test calls the function.
func run(t *testing.T, s *memstore.Store, c *route.Catalogue) (*rig, func()) {
	t.Helper()
	member, err := s.Join(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r := &rig{t: t, store: s, fails: map[string]int{}}
	r.lane = lane.New(log, lane.Config{Store: s, Member: member, MaxWrites: 64, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
	laneOf := func(entity.Key) *lane.Lane { return r.lane }
	r.known.Store(c)
	known := func() (*route.Catalogue, error) { return r.known.Load(), nil }
	r.backfill = eventlog.NewBackfill(log, eventlog.BackfillConfig{States: s, Rows: r.stats.Rows.Load, Catalogue: known, Pause: time.Second})
	r.pump = outbox.New(log, outbox.Config{
		Rows: s, Lane: laneOf, Member: member, MinPause: time.Second, MaxPause: time.Minute, MaxTries: 3, MaxRows: 100, Stats: &r.stats,
		Calls:   eventlog.New(eventlog.Config{Journal: s, Methods: r, Time: time.Second, AtOnce: 1, Catalogue: known}),
		Waiting: r.backfill.Wake,
	})
	r.backfill.Outbox = r.pump
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	ready := make(chan struct{})
	close(ready)
	work.Go(func() { _ = r.lane.Run(ctx) })
	work.Go(func() { _ = r.pump.Run(ctx, ready) })
	work.Go(func() { _ = r.backfill.Run(ctx) })
	return r, func() { end(); work.Wait() }
}

// emit stores events with a notice of them, if told.
func (r *rig) emit(key entity.Key, told bool, first entity.Seq, n int) {
	w := entity.Write{Key: key}
	for i := range n {
		seq := first + entity.Seq(i)
		w.Events = append(w.Events, entity.Event{Seq: seq, Payload: entity.Payload{TypeURL: "type.googleapis.com/x.A", Value: fmt.Append(nil, seq)}})
	}
	if told {
		w.Outbox = []entity.OutboxRow{{
			ID: r.pump.Next(), Source: key, Kind: entity.EventNotice, After: first - 1, Seq: first + entity.Seq(n) - 1,
			Target: entity.Target{Service: "x.S"},
		}}
	}
	stored := make(chan error)
	r.lane.Join(&lane.Chain{Verdict: func(err error) { stored <- err }}, w)
	if err := <-stored; err != nil {
		r.t.Fatal(err)
	}
	for _, row := range w.Outbox {
		r.pump.Send(row, nil)
	}
}

func (r *rig) want(events ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, events) {
		r.t.Errorf("got events %q, want %q", r.got, events)
	}
	r.got = nil
}

func catalogue(t *testing.T, option string) *route.Catalogue {
	t.Helper()
	if option == "" {
		option = ";"
	}
	return routetest.Catalogue(t, text+option+"}", map[string]string{"x.Log": route.EventSourced})
}

var a = entity.Key{Entity: "x.Log/p", ID: "a"}

func TestEventsReachTheirConsumer(t *testing.T) {
	c := catalogue(t, consumed)
	synctest.Test(t, func(t *testing.T) {
		r, end := run(t, memstore.New(), c)
		defer end()
		r.emit(a, true, 1, 2)
		r.want("a1", "a2")
		for i, want := range []string{"a#2", "p", "1.0", "type.googleapis.com/x.A", "a", "application/vnd.cloudstate.protobuf.any"} {
			if got := r.md[i].Value; got != want {
				t.Errorf("%s is %q, want %q", r.md[i].Name, got, want)
			}
		}
	})
}

// TestEventThatFailsIsTriedAgain wants that what came before it isn't repeated,
// and that what comes after it waits, until it is parked.
func TestEventThatFailsIsTriedAgain(t *testing.T) {
	c := catalogue(t, consumed)
	synctest.Test(t, func(t *testing.T) {
		r, end := run(t, memstore.New(), c)
		defer end()
		r.fails["a2"] = 1
		r.emit(a, true, 1, 3)
		r.emit(a, true, 4, 1)
		r.want("a1", "a2")
		<-time.After(time.Minute)
		r.want("a2", "a3", "a4")
		r.fails["a5"] = 100
		r.emit(a, true, 5, 2)
		r.emit(a, true, 7, 1)
		<-time.After(time.Hour)
		r.want("a5", "a5", "a5", "a7")
		if n := r.stats.Parked.Load(); n != 1 {
			t.Errorf("%d rows are parked", n)
		}
	})
}

// TestNewConsumerIsGivenWhatWasThere, once, and all again if it was gone.
func TestNewConsumerIsGivenWhatWasThere(t *testing.T) {
	with, without := catalogue(t, consumed), catalogue(t, "")
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		process := func(c *route.Catalogue, emit func(*rig), want ...string) {
			r, end := run(t, s, c)
			emit(r)
			r.want(want...)
			end()
		}
		none := func(*rig) {}
		process(without, func(r *rig) { r.emit(a, false, 1, 2) })
		process(with, func(r *rig) { r.emit(a, true, 3, 1) }, "a1", "a2", "a3")
		process(with, none)
		process(without, none)
		process(with, none, "a1", "a2", "a3")
	})
}

// TestLongJournal is told in parts, in order, and not from the start after an
// end in between.
func TestLongJournal(t *testing.T) {
	c := catalogue(t, consumed)
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprint("a", i+1))
	}
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r, end := run(t, s, c)
		r.want() // the consumer is known before there are events
		r.fails["a100"] = 100
		r.emit(a, true, 1, 200)
		r.want(all[:100]...)
		end()
		r, end = run(t, s, c)
		defer end()
		r.want(all[64:]...)
	})
}

// TestConsumerIsKnownByShard has a shard move to a member whose function doesn't
// have the consumer, and come back: all of it is told again, of others nothing.
func TestConsumerIsKnownByShard(t *testing.T) {
	with, without := catalogue(t, consumed), catalogue(t, "")
	b := entity.Key{Entity: a.Entity, ID: "b"}
	synctest.Test(t, func(t *testing.T) {
		r, end := run(t, memstore.New(), with)
		defer end()
		r.emit(a, true, 1, 1)
		r.want("a1")
		r.emit(b, true, 1, 1)
		r.want("b1")
		move := func(c *route.Catalogue) {
			r.pump.Close(shard.Of(a))
			r.known.Store(c)
			r.pump.Open(shard.Of(a), true)
			synctest.Wait()
		}
		move(without)
		r.emit(a, false, 2, 1)
		move(with)
		r.want("a1", "a2")
		move(with)
		r.want()
	})
}

// TestConsumerThatComesLater has the function come back with a consumer, while
// its shards are open.
func TestConsumerThatComesLater(t *testing.T) {
	with, without := catalogue(t, consumed), catalogue(t, "")
	synctest.Test(t, func(t *testing.T) {
		r, end := run(t, memstore.New(), without)
		defer end()
		r.emit(a, false, 1, 2)
		r.want()
		r.pump.Hold()
		r.known.Store(with)
		r.emit(a, true, 3, 1) // which comes before the proxy has looked at what was there
		r.want()
		r.backfill.Wake()
		r.want("a1", "a2", "a3")
	})
}

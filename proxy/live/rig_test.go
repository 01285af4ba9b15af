// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

// The limits that tests run with, unless they say otherwise.
const (
	idle   = 30 * time.Second
	grace  = 5 * time.Second
	answer = time.Minute
)

// lists is the entity that tests speak to.
var lists = &route.Entity{Service: "test.Lists", Type: route.EventSourced, Name: "test.Lists/lists", PersistenceID: "lists"}

// values is the value entity that tests speak to.
var values = &route.Entity{Service: "test.Values", Type: route.ValueEntity, Name: "test.Values/values", PersistenceID: "values"}

// A store is a memory store that a test can hold up and make fail.
type store struct {
	*memstore.Store

	mu      sync.Mutex // protects what follows
	held    chan struct{}
	refuse  func(entity.Write) bool
	readErr error
	read    int // events that were asked for
}

// hold keeps commits waiting until the function that it returns is called.
func (s *store) hold() (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	s.held = held
	s.mu.Unlock()
	return sync.OnceFunc(func() {
		s.mu.Lock()
		s.held = nil
		s.mu.Unlock()
		close(held)
	})
}

func (s *store) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	s.mu.Lock()
	held, refuse := s.held, s.refuse
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	if refuse != nil && slices.ContainsFunc(writes, refuse) {
		return fmt.Errorf("test says so: %w", entity.ErrRefused)
	}
	return s.Store.Commit(ctx, at, writes)
}

func (s *store) Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error) {
	s.mu.Lock()
	err := s.readErr
	s.mu.Unlock()
	if err != nil {
		return entity.Snapshot{}, err
	}
	return s.Store.Snapshot(ctx, key)
}

func (s *store) Value(ctx context.Context, key entity.Key) (entity.Value, error) {
	s.mu.Lock()
	err := s.readErr
	s.mu.Unlock()
	if err != nil {
		return entity.Value{}, err
	}
	return s.Store.Value(ctx, key)
}

func (s *store) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return func(yield func(entity.Event, error) bool) {
		for e, err := range s.Store.Events(ctx, key, after) {
			s.mu.Lock()
			s.read++
			s.mu.Unlock()
			if !yield(e, err) {
				return
			}
		}
	}
}

func (s *store) eventsRead() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// A rig is a Set with all that it needs, and a function that the test plays.
type rig struct {
	t       testing.TB
	fn      *livetest.Function
	store   *store
	set     *live.Set
	endLane context.CancelFunc
	lane    sync.WaitGroup
	n       int64 // commits made to fill the store

	mu       sync.Mutex // protects reported
	reported []string
}

// newRig returns a rig, changed by options, that is shut down when t ends.
func newRig(t testing.TB, options ...func(*live.Config)) *rig {
	t.Helper()
	r := &rig{t: t, fn: &livetest.Function{}, store: &store{Store: memstore.New()}}
	lanes := 2 // one for the Set, one to fill the store
	member, err := r.store.Join(t.Context(), lanes)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	l := lane.New(log, lane.Config{Store: r.store, Member: member, MaxWrites: 64, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
	cfg := live.Config{
		Journal:  r.store,
		Lanes:    []*lane.Lane{l},
		Function: r.fn,
		Limits:   instance.Limits{Mailbox: 100, Undecided: 16, UndecidedBytes: 1 << 20, Answer: answer, Sends: 3},
		Idle:     idle,
		Grace:    grace,
		Loads:    16,
		Report:   r.report,
	}
	for _, o := range options {
		o(&cfg)
	}
	r.set = live.New(log, cfg)
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	r.endLane = end
	r.lane.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Errorf("lane: %v", err)
		}
	})
	return r
}

func (r *rig) report(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, s)
}

func (r *rig) reports() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.reported...)
}

// close stops everything, in order, and checks that nothing stays awake.
func (r *rig) close() {
	r.t.Helper()
	if err := r.set.Stop(context.WithoutCancel(r.t.Context())); err != nil {
		r.t.Errorf("stop: %v", err)
	}
	r.endLane()
	r.lane.Wait()
	if a := r.set.Active(); len(a) > 0 {
		r.t.Errorf("still awake: %v", a)
	}
}

// fill stores events of the instance id.
func (r *rig) fill(id string, snapshot *entity.Snapshot, events ...entity.Event) {
	r.t.Helper()
	w := entity.Write{Key: entity.Key{Entity: lists.Name, ID: id}, Events: events, Snapshot: snapshot}
	if err := r.store.Store.Commit(r.t.Context(), entity.Position{Member: 1, Lane: 1, N: r.n}, []entity.Write{w}); err != nil {
		r.t.Fatal(err)
	}
	r.n++
}

// stored returns the texts of the events of the instance id.
func (r *rig) stored(id string) []string {
	r.t.Helper()
	var list []string
	for e, err := range r.store.Store.Events(r.t.Context(), entity.Key{Entity: lists.Name, ID: id}, 0) {
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, string(e.Value))
	}
	return list
}

func event(seq entity.Seq, text string) entity.Event {
	return entity.Event{Seq: seq, Payload: entity.Payload{TypeURL: livetest.Text("").GetTypeUrl(), Value: []byte(text)}}
}

// A call is a command whose outcome may come.
type call struct {
	t        testing.TB
	out      chan entity.Outcome
	outcomes atomic.Int32
	cmd      *instance.Command
}

// submit gives the command "Append item" to the instance id.
func (r *rig) submit(id, item string, change ...func(*entity.Call)) *call {
	return r.submitTo(lists, id, item, change...)
}

func (r *rig) submitTo(e *route.Entity, id, item string, change ...func(*entity.Call)) *call {
	c := newCall(r.t, item, change...)
	r.set.Submit(e, id, c.cmd)
	return c
}

func newCall(t testing.TB, item string, change ...func(*entity.Call)) *call {
	c := &call{t: t, out: make(chan entity.Outcome, 2)} // a second one is a fault to be seen
	c.cmd = &instance.Command{
		Call:    entity.Call{Service: lists.Service, Command: "Append", Payload: []byte(item)},
		TypeURL: livetest.Text("").GetTypeUrl(),
		Arrived: time.Now(),
		Done: func(o entity.Outcome) {
			if c.outcomes.Add(1) > 1 {
				t.Errorf("%s: more than one outcome, now %+v", item, o)
			}
			c.out <- o
		},
	}
	for _, f := range change {
		f(&c.cmd.Call)
	}
	return c
}

// pending checks that there is no outcome yet, however long nothing happens.
func (c *call) pending() {
	c.t.Helper()
	synctest.Wait()
	select {
	case o := <-c.out:
		c.t.Errorf("%s has the outcome %+v already", c.cmd.Call.Payload, o)
	default:
	}
}

// replied checks that the reply is text.
func (c *call) replied(text string) {
	c.t.Helper()
	if o := <-c.out; o.Err != nil || string(o.Reply.Value) != text {
		c.t.Errorf("%s: reply %q, error %v, want reply %q", c.cmd.Call.Payload, o.Reply.Value, o.Err, text)
	}
}

// failed checks that the outcome is an error that wraps want.
func (c *call) failed(want error) {
	c.t.Helper()
	if o := <-c.out; !errors.Is(o.Err, want) {
		c.t.Errorf("%s: error %v, want %v", c.cmd.Call.Payload, o.Err, want)
	}
}

// failedSomehow checks that the outcome is an error.
func (c *call) failedSomehow() {
	c.t.Helper()
	if o := <-c.out; o.Err == nil {
		c.t.Errorf("%s: reply %q, want an error", c.cmd.Call.Payload, o.Reply.Value)
	}
}

// crashed checks that the client gets the function's own description.
func (c *call) crashed(description string) {
	c.t.Helper()
	o := <-c.out
	if crash, ok := errors.AsType[*entity.Crash](o.Err); !ok || crash.Description != description {
		c.t.Errorf("%s: error %v, want a crash: %s", c.cmd.Call.Payload, o.Err, description)
	}
}

// A part is the function's part in one stream.
type part struct {
	*livetest.Stream
	t  testing.TB
	id string // of the instance; set by accept
}

// accept takes the next stream, past its init.
func (r *rig) accept() part {
	r.t.Helper()
	p := r.acceptSilently()
	m := p.next()
	if m.GetInit() == nil {
		r.t.Fatalf("stream begins with %v", m)
	}
	p.id = m.GetInit().GetEntityId()
	return p
}

func (r *rig) acceptSilently() part {
	r.t.Helper()
	s, err := r.fn.Accept(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return part{Stream: s, t: r.t}
}

func (p part) next() *livetest.In {
	p.t.Helper()
	m, err := p.Next()
	if err != nil {
		p.t.Fatalf("next message: %v", err)
	}
	return m
}

// command checks that the next message is the command id with item.
func (p part) command(id int64, item string) *cloudstate.Command {
	p.t.Helper()
	m := p.next()
	c := m.GetCommand()
	if c.GetId() != id || string(c.GetPayload().GetValue()) != item {
		p.t.Fatalf("got %v, want command %d with %s", m, id, item)
	}
	return c
}

// events checks that the next messages are these events.
func (p part) events(first int64, texts ...string) {
	p.t.Helper()
	for i, text := range texts {
		m := p.next()
		e := m.GetEvent()
		if e.GetSequence() != first+int64(i) || string(e.GetPayload().GetValue()) != text {
			p.t.Fatalf("got %v, want event %d %s", m, first+int64(i), text)
		}
	}
}

func (p part) send(out *livetest.Out) {
	p.t.Helper()
	if err := p.Send(out); err != nil {
		p.t.Fatalf("answer: %v", err)
	}
}

func (p part) reply(id int64, text string, events ...string) {
	p.t.Helper()
	p.send(livetest.Reply(id, text, events...))
}

// quiet checks that the function is sent nothing, however long nothing happens.
func (p part) quiet() {
	p.t.Helper()
	synctest.Wait()
	if n := p.Unread(); n > 0 {
		p.t.Errorf("function was sent %v", p.next())
	}
}

// halfClosed waits until the proxy sends no more, and ends the stream in order.
func (p part) halfClosed() {
	p.t.Helper()
	if m, err := p.Next(); !errors.Is(err, io.EOF) {
		p.t.Errorf("got %v, %v, want the end", m, err)
	}
	p.End(nil)
}

// canceled waits until the proxy has given the stream up.
func (p part) canceled() { <-p.Canceled() }

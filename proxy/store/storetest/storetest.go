// SPDX-License-Identifier: Apache-2.0

// Package storetest checks that a store keeps the promises written on the
// interfaces it implements. Every store's own test is a call of [Run].
//
// Each test opens a store of its own, which must be empty. What only some
// stores can do (survive a crash, say) is tested beside them.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Store is all that a proxy asks of its store.
type Store interface {
	lane.Store
	Contents

	// Join returns a new member, whose id was never given out before, with
	// that many lanes, each of which has made no commit. A store for one
	// process at a time evicts the member that was there before; any other
	// has a method Evict(entity.Member).
	Join(ctx context.Context, lanes int) (entity.Member, error)
}

// Contents are what was committed, and only what is durable.
type Contents interface {
	Journal
	Ledger
}

// A Journal gives back the state of instances.
type Journal interface {
	// Snapshot returns the snapshot of key, the zero one if there is none.
	Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error)

	// Events returns the events of key after the one at after that were not
	// removed: in order, without gaps, in bounded memory. The bytes of an event
	// are good until the next one is asked for. The first error ends it, with a
	// zero Event.
	Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error]

	// Value returns the value of key, the zero one if none was ever written;
	// if it was deleted or has expired, then only its version.
	Value(ctx context.Context, key entity.Key) (entity.Value, error)
}

// A Ledger gives back what was committed beside the state of instances.
type Ledger interface {
	// Reply returns what is remembered of the command idem of key, and false
	// if that is nothing. What has expired may still be there; it is for as
	// long as a write of it would be refused.
	Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error)

	// Outbox returns the rows of the outbox whose sources are in the shards
	// from first to last, in bounded memory. Those of one source come together
	// and in the order of their ids. The first error ends it, with a zero row.
	Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error]

	// Instances returns the ids of the instances of the entity name of which
	// events, a snapshot (or that it was deleted) or a value are stored. They
	// come in an order of the store's own, each once; only those that come
	// after the one that after points to if it isn't nil. What is committed
	// meanwhile may be there or not. The first error ends it.
	Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error]
}

// evict takes the right to write from m.
func evict(t *testing.T, s Store, m entity.Member) {
	t.Helper()
	if e, ok := as[interface{ Evict(m entity.Member) }](s); ok {
		e.Evict(m)
		return
	}
	join(t, s, 1)
}

// as returns s as a T, or the store in it that is one.
func as[T any](s Store) (T, bool) {
	for {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(interface{ Unwrap() Store })
		if !ok {
			var none T
			return none, false
		}
		s = w.Unwrap()
	}
}

func join(t *testing.T, s Store, lanes int) entity.Member {
	t.Helper()
	m, err := s.Join(t.Context(), lanes)
	if err != nil {
		t.Fatalf("join: %v", err)
	}
	return m
}

// A writer commits on one lane and knows where it stands.
type writer struct {
	s  Store
	at entity.Position
}

func newWriter(t *testing.T, s Store) *writer {
	t.Helper()
	return &writer{s: s, at: entity.Position{Member: join(t, s, 1)}}
}

// commit returns the store's answer and moves on if that was yes.
func (w *writer) commit(ctx context.Context, writes ...entity.Write) error {
	err := w.s.Commit(ctx, w.at, writes)
	if err == nil {
		w.at.N++
	}
	return err
}

// must is commit for what can't be refused.
func (w *writer) must(t *testing.T, writes ...entity.Write) {
	t.Helper()
	if err := w.commit(t.Context(), writes...); err != nil {
		t.Fatalf("commit %d: %v", w.at.N, err)
	}
}

// mustAll is must for many, that many at a time.
func (w *writer) mustAll(t *testing.T, n int, writes []entity.Write) {
	t.Helper()
	for some := range slices.Chunk(writes, n) {
		w.must(t, some...)
	}
}

// refused commits and wants target, and that nothing else happens.
func (w *writer) refused(t *testing.T, target error, writes ...entity.Write) {
	t.Helper()
	if err := w.commit(t.Context(), writes...); !errors.Is(err, target) {
		t.Fatalf("commit %d: %v, want %v", w.at.N, err, target)
	}
	wantPosition(t, w.s, w.at)
}

func wantPosition(t *testing.T, s lane.Store, at entity.Position) {
	t.Helper()
	n, ok, err := s.Position(t.Context(), at.Member, at.Lane)
	if err != nil || !ok || n != at.N {
		t.Fatalf("Position of lane %d = %d, %v, %v; want %d", at.Lane, n, ok, err, at.N)
	}
}

func wantNoLane(t *testing.T, s lane.Store, m entity.Member, lane int) {
	t.Helper()
	if n, ok, err := s.Position(t.Context(), m, lane); ok || err != nil {
		t.Fatalf("Position of lane %d of member %d = %d, %v, %v; want that there is none", lane, m, n, ok, err)
	}
}

// payload returns what the event or snapshot at seq of key has in these tests.
func payload(key entity.Key, seq entity.Seq) entity.Payload {
	return entity.Payload{
		TypeURL: fmt.Sprintf("type.googleapis.com/test.Event%d", seq%3),
		Value:   fmt.Appendf(nil, "%v at %d", key, seq),
	}
}

// added returns a write of the events from to upTo of key.
func added(key entity.Key, from, upTo entity.Seq) entity.Write {
	w := entity.Write{Key: key}
	for seq := from; seq <= upTo; seq++ {
		w.Events = append(w.Events, entity.Event{Seq: seq, Payload: payload(key, seq)})
	}
	return w
}

// snapshotted returns w with a snapshot at seq.
func snapshotted(w entity.Write, seq entity.Seq) entity.Write {
	w.Snapshot = &entity.Snapshot{Seq: seq, Payload: payload(w.Key, seq)}
	return w
}

// valued returns a write of a version of the value of key.
func valued(key entity.Key, version entity.Seq) entity.Write {
	return entity.Write{Key: key, Value: &entity.Value{Version: version, Exists: true, Payload: payload(key, version)}}
}

// deleted returns a write that deletes the value of key and makes a version.
func deleted(key entity.Key, version entity.Seq) entity.Write {
	return entity.Write{Key: key, Value: &entity.Value{Version: version}}
}

func same(a, b entity.Payload) bool {
	return a.TypeURL == b.TypeURL && bytes.Equal(a.Value, b.Value)
}

// events reads all events of key after the one at after, and copies them.
func events(ctx context.Context, s Journal, key entity.Key, after entity.Seq) (all []entity.Event, err error) {
	for e, err := range s.Events(ctx, key, after) {
		if err != nil {
			return all, err
		}
		e.Value = bytes.Clone(e.Value)
		all = append(all, e)
	}
	return all, nil
}

// wantEvents wants just the events from to upTo of key after the one before
// from, each with its payload.
func wantEvents(t *testing.T, s Journal, key entity.Key, from, upTo entity.Seq) {
	t.Helper()
	got, err := events(t.Context(), s, key, from-1)
	if err != nil {
		t.Fatalf("events of %v: %v", key, err)
	}
	want := added(key, from, upTo).Events
	if !slices.EqualFunc(got, want, func(a, b entity.Event) bool { return a.Seq == b.Seq && same(a.Payload, b.Payload) }) {
		t.Fatalf("events of %v after %d: %d, want %d to %d\ngot  %v\nwant %v", key, from-1, len(got), from, upTo, brief(got), brief(want))
	}
}

// brief returns the first events of all for a message.
func brief(all []entity.Event) []entity.Event { return all[:min(len(all), 5)] }

// wantSnapshot wants the snapshot at seq of key, none if seq is 0.
func wantSnapshot(t *testing.T, s Journal, key entity.Key, seq entity.Seq) {
	t.Helper()
	got, err := s.Snapshot(t.Context(), key)
	if err != nil {
		t.Fatalf("snapshot of %v: %v", key, err)
	}
	var want entity.Snapshot
	if seq != 0 {
		want = entity.Snapshot{Seq: seq, Payload: payload(key, seq)}
	}
	if got.Seq != want.Seq || !same(got.Payload, want.Payload) {
		t.Fatalf("snapshot of %v = %v, want %v", key, got, want)
	}
}

// wantValue wants the value that w has written; the zero one if w writes none.
func wantValue(t *testing.T, s Journal, w entity.Write) {
	t.Helper()
	got, err := s.Value(t.Context(), w.Key)
	if err != nil {
		t.Fatalf("value of %v: %v", w.Key, err)
	}
	var want entity.Value
	if w.Value != nil {
		want = *w.Value
	}
	if !sameValue(got, want) {
		t.Fatalf("value of %v = %v, want %v", w.Key, got, want)
	}
}

func sameValue(a, b entity.Value) bool {
	return a.Version == b.Version && a.Exists == b.Exists && same(a.Payload, b.Payload)
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

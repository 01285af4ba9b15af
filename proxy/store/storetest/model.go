// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A model is a store that is too simple to be wrong.
type model struct {
	n         [2]int64 // where the lanes are
	events    map[entity.Key][]entity.Event
	snapshots map[entity.Key]entity.Snapshot
	values    map[entity.Key]entity.Value
}

// commit returns the error that a store has to answer with.
func (m *model) commit(at entity.Position, writes []entity.Write) error {
	if m.n[at.Lane] != at.N {
		return entity.ErrLaneMoved
	}
	events, snapshots, values := maps.Clone(m.events), maps.Clone(m.snapshots), maps.Clone(m.values)
	for _, w := range writes {
		for _, e := range w.Events {
			if e.Seq != entity.Seq(len(events[w.Key])+1) {
				return entity.ErrRefused
			}
			events[w.Key] = append(slices.Clone(events[w.Key]), e)
		}
		if w.Snapshot != nil {
			snapshots[w.Key] = *w.Snapshot
		}
		if w.Value != nil {
			if w.Value.Version != values[w.Key].Version+1 {
				return entity.ErrRefused
			}
			values[w.Key] = *w.Value
		}
	}
	m.n[at.Lane]++
	m.events, m.snapshots, m.values = events, snapshots, values
	return nil
}

// testModel gives random commits to the store and to a model. Each round has
// names of its own, so that one store serves them all.
func testModel(t *testing.T, s Store) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := &model{
			events:    map[entity.Key][]entity.Event{},
			snapshots: map[entity.Key]entity.Snapshot{},
			values:    map[entity.Key]entity.Value{},
		}
		member := join(t, s, len(m.n))
		keys := []entity.Key{}
		for _, id := range []string{"", "a", "a\x00", "ab"} {
			keys = append(keys, entity.Key{Entity: fmt.Sprint("round", round), ID: id})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				at := drawPosition(rt, m, member)
				writes := drawWrites(rt, m, keys)
				want := m.commit(at, writes)
				if err := s.Commit(t.Context(), at, writes); !errors.Is(err, want) {
					rt.Fatalf("commit at %v: %v, want %v", at, err, want)
				}
			},
			"": func(rt *rapid.T) { m.compare(rt, s, member, keys) },
		})
	})
}

// drawPosition returns a position of which most are right.
func drawPosition(rt *rapid.T, m *model, member entity.Member) entity.Position {
	lane := rapid.IntRange(0, len(m.n)-1).Draw(rt, "lane")
	off := rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 0, -1, 1}).Draw(rt, "off")
	return entity.Position{Member: member, Lane: lane, N: m.n[lane] + off}
}

// drawWrites returns some writes, most of which follow what is stored.
func drawWrites(rt *rapid.T, m *model, keys []entity.Key) []entity.Write {
	next, version := map[entity.Key]entity.Seq{}, map[entity.Key]entity.Seq{}
	for _, key := range keys {
		next[key], version[key] = entity.Seq(len(m.events[key])+1), m.values[key].Version+1
	}
	writes := make([]entity.Write, rapid.IntRange(0, 5).Draw(rt, "writes"))
	for i := range writes {
		w := &writes[i]
		w.Key = rapid.SampledFrom(keys).Draw(rt, "key")
		for range rapid.IntRange(0, 3).Draw(rt, "events") {
			off := rapid.SampledFrom([]entity.Seq{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 1}).Draw(rt, "off")
			w.Events = append(w.Events, entity.Event{Seq: next[w.Key] + off, Payload: drawPayload(rt)})
			next[w.Key]++
		}
		if rapid.IntRange(0, 3).Draw(rt, "snapshot") == 0 {
			w.Snapshot = &entity.Snapshot{Seq: next[w.Key] - 1, Payload: drawPayload(rt)}
		}
		if rapid.IntRange(0, 2).Draw(rt, "value") == 0 {
			off := rapid.SampledFrom([]entity.Seq{0, 0, 0, 0, 0, 0, 0, 0, -1, 1}).Draw(rt, "off")
			w.Value = drawValue(rt, version[w.Key]+off)
			version[w.Key]++
		}
	}
	return writes
}

func drawValue(rt *rapid.T, version entity.Seq) *entity.Value {
	if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
		return &entity.Value{Version: version}
	}
	return &entity.Value{Version: version, Exists: true, Payload: drawPayload(rt)}
}

func drawPayload(rt *rapid.T) entity.Payload {
	types := []string{"", "t", "type.googleapis.com/", "type.googleapis.com/shop.Added", "example.com/shop.Added"}
	return entity.Payload{
		TypeURL: rapid.SampledFrom(types).Draw(rt, "type"),
		Value:   rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "value"),
	}
}

// compare compares all that can be read.
func (m *model) compare(rt *rapid.T, s Store, member entity.Member, keys []entity.Key) {
	for lane, want := range m.n {
		if n, ok, err := s.Position(rt.Context(), member, lane); n != want || !ok || err != nil {
			rt.Fatalf("position of lane %d = %d, %v, %v; want %d", lane, n, ok, err, want)
		}
	}
	for _, key := range keys {
		if got, err := s.Snapshot(rt.Context(), key); err != nil || got.Seq != m.snapshots[key].Seq || !same(got.Payload, m.snapshots[key].Payload) {
			rt.Fatalf("snapshot of %v = %v, %v; want %v", key, got, err, m.snapshots[key])
		}
		if got, err := s.Value(rt.Context(), key); err != nil || !sameValue(got, m.values[key]) {
			rt.Fatalf("value of %v = %v, %v; want %v", key, got, err, m.values[key])
		}
		after := rapid.IntRange(0, len(m.events[key])).Draw(rt, "after")
		got, err := events(rt.Context(), s, key, entity.Seq(after))
		if err != nil {
			rt.Fatalf("events of %v: %v", key, err)
		}
		if !slices.EqualFunc(got, m.events[key][after:], func(a, b entity.Event) bool { return a.Seq == b.Seq && same(a.Payload, b.Payload) }) {
			rt.Fatalf("events of %v after %d = %v, want %v", key, after, got, m.events[key][after:])
		}
	}
}

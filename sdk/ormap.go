// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// An ORMap is a map whose entries are replicated data, other maps among them. If
// an entry is added and removed at the same time, it is there. K is as the T of
// [GSet]. V is a pointer to a type of data:
//
//	scores sdk.ORMap[string, *sdk.PNCounter]
//
// or, in a map of different types, Data.
type ORMap[K any, V Data] struct {
	// New returns a new value for the entry with that key. It must return data of
	// the same type for a key wherever, and whenever, it is called. It isn't needed if
	// V is a pointer to a type whose zero value will do.
	New func(key K) V

	entries members[entry[K, V]]
}

type entry[K any, V Data] struct {
	key   K
	value V
}

// Len returns how many entries there are.
func (m *ORMap[K, V]) Len() int { return len(m.entries.now) }

// Get returns the value of an entry, and whether there is one.
func (m *ORMap[K, V]) Get(key K) (value V, ok bool) {
	e, ok := m.entries.now[encode(key)]
	return e.value, ok
}

// All returns the entries, in no order. None may be added or removed meanwhile.
func (m *ORMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, e := range m.entries.now {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Add returns the value of an entry, which it adds if there is none.
func (m *ORMap[K, V]) Add(key K) V {
	k := encode(key)
	if e, ok := m.entries.now[k]; ok {
		return e.value
	}
	v := m.create(key)
	m.entries.add(k, entry[K, V]{key, v})
	return v
}

// Remove removes an entry. What is done to its value from then on is lost.
func (m *ORMap[K, V]) Remove(key K) { m.entries.remove(encode(key)) }

// Clear removes all entries.
func (m *ORMap[K, V]) Clear() { m.entries.clear() }

func (m *ORMap[K, V]) create(key K) V {
	if m.New != nil {
		return m.New(key)
	}
	t := reflect.TypeFor[V]()
	if t.Kind() != reflect.Pointer {
		panic(&misuse{fmt.Errorf("a map of %v needs a New", t)})
	}
	return reflect.New(t.Elem()).Interface().(V)
}

func (m *ORMap[K, V]) apply(d *cloudstate.CrdtDelta) error {
	in := d.GetOrmap()
	if in == nil {
		return mismatch(d, m)
	}
	m.entries.drop(in.GetCleared(), in.GetRemoved())
	for _, u := range in.GetUpdated() {
		e, ok := m.entries.now[elementOf(u.GetKey())]
		if !ok {
			return fmt.Errorf("the proxy updates an entry %v that is not there", u.GetKey())
		}
		if err := e.value.apply(u.GetDelta()); err != nil {
			return fmt.Errorf("entry %v: %w", e.key, err)
		}
	}
	for _, a := range in.GetAdded() {
		if err := m.join(a); err != nil {
			return err
		}
	}
	return nil
}

// join adds an entry that was added elsewhere. If there is one already, it was
// another one.
func (m *ORMap[K, V]) join(added *cloudstate.ORMapEntryDelta) error {
	key, err := decode[K](added.GetKey())
	if err != nil {
		return err
	}
	v := m.create(key)
	if err := v.apply(added.GetDelta()); err != nil {
		return fmt.Errorf("entry %v: %w", key, err)
	}
	m.entries.put(elementOf(added.GetKey()), entry[K, V]{key, v})
	return nil
}

func (m *ORMap[K, V]) pending(created bool) *cloudstate.CrdtDelta {
	updated := map[element]*cloudstate.CrdtDelta{}
	for k, e := range m.entries.now {
		if m.entries.added[k] {
			continue
		}
		if d := e.value.pending(false); d != nil {
			updated[k] = d
		}
	}
	if !m.entries.changed() && len(updated) == 0 && !created {
		return nil
	}
	out := &cloudstate.ORMapDelta{Cleared: m.entries.cleared(), Removed: sortedAny(m.entries.removed)}
	for _, k := range sorted(updated) {
		out.Updated = append(out.Updated, &cloudstate.ORMapEntryDelta{Key: k.any(), Delta: updated[k]})
	}
	for _, k := range sorted(m.entries.added) {
		out.Added = append(out.Added, &cloudstate.ORMapEntryDelta{Key: k.any(), Delta: m.entries.now[k].value.pending(true)})
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Ormap{Ormap: out}}
}

func (m *ORMap[K, V]) settle(keep bool) {
	m.entries.settle(keep)
	for _, e := range m.entries.now {
		e.value.settle(keep)
	}
}

// Fields puts data together as the fields of a struct are. The names are what
// tells the fields apart, for ever and everywhere; they can't be removed.
//
//	Data: func(r *Room) sdk.Data {
//		return sdk.Fields(map[string]sdk.Data{"guests": &r.guests, "topic": &r.topic})
//	}
//
// For others it is an [ORMap]. A field of which they know and we don't is left
// alone.
func Fields(of map[string]Data) Data { return &fields{of: of, known: map[string]bool{}} }

type fields struct {
	of    map[string]Data
	known map[string]bool // to others
}

func (f *fields) apply(d *cloudstate.CrdtDelta) error {
	in := d.GetOrmap()
	if in == nil {
		return mismatch(d, f)
	}
	if in.GetCleared() {
		return errors.New("fields can't be removed, but others have done that")
	}
	for _, k := range in.GetRemoved() {
		if name, err := decode[string](k); err == nil && f.of[name] != nil {
			return fmt.Errorf("the field %s can't be removed, but others have done that", name)
		}
	}
	for _, e := range slices.Concat(in.GetUpdated(), in.GetAdded()) {
		if err := f.applyTo(e.GetKey(), e.GetDelta()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fields) applyTo(key *anypb.Any, d *cloudstate.CrdtDelta) error {
	name, err := decode[string](key)
	if err != nil || f.of[name] == nil {
		return err
	}
	f.known[name] = true
	if err := f.of[name].apply(d); err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	return nil
}

func (f *fields) pending(created bool) *cloudstate.CrdtDelta {
	out := &cloudstate.ORMapDelta{}
	for _, name := range slices.Sorted(maps.Keys(f.of)) {
		d := f.of[name].pending(false)
		switch e := (&cloudstate.ORMapEntryDelta{Key: encode(name).any(), Delta: d}); {
		case d == nil:
		case f.known[name]:
			out.Updated = append(out.Updated, e)
		default:
			out.Added = append(out.Added, e)
		}
	}
	if len(out.Updated)+len(out.Added) == 0 && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Ormap{Ormap: out}}
}

func (f *fields) settle(keep bool) {
	for name, data := range f.of {
		f.known[name] = f.known[name] || keep && data.pending(false) != nil
		data.settle(keep)
	}
}

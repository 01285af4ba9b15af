// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// An ormap has values of any type under keys. A key has more than one entry if
// members gave it values of different types at the same time; they are sorted by
// kind.
type ormap struct{ keys map[element][]entry }

// An entry is there if it was touched: whatever changes it gives it a new dot, in
// place of those before. Without one it is kept as long as its value has dots of
// its own, which happens while a partial state waits for the rest.
type entry struct {
	touched dotSet
	value   node
}

func (m *ormap) kind() Kind { return ORMap }

// shown returns which of the entries of a key is there for the function.
func shown(entries []entry) (entry, bool) {
	for _, e := range entries {
		if len(e.touched) > 0 {
			return e, true
		}
	}
	return entry{}, false
}

// find returns where the entry of a kind is, or would be.
func find(entries []entry, kind Kind) (int, bool) {
	return slices.BinarySearchFunc(entries, kind, func(e entry, k Kind) int { return int(e.value.kind() - k) })
}

func (m *ormap) set(key element, entries []entry) {
	switch {
	case len(entries) == 0:
		delete(m.keys, key)
	case m.keys == nil:
		m.keys = map[element][]entry{key: entries}
	default:
		m.keys[key] = entries
	}
}

func (m *ormap) merge(other node, j *join) {
	o := other.(*ormap)
	for key, mine := range m.keys {
		m.set(key, joinEntries(mine, o.keys[key], j))
	}
	for key, theirs := range o.keys {
		if _, both := m.keys[key]; !both {
			m.set(key, joinEntries(nil, theirs, j))
		}
	}
}

func joinEntries(mine, theirs []entry, j *join) []entry {
	for _, e := range theirs {
		if i, both := find(mine, e.value.kind()); !both {
			mine = slices.Insert(mine, i, entry{value: newNode(e.value.kind())})
		}
	}
	for i := range mine {
		e, other := &mine[i], entry{}
		if at, both := find(theirs, e.value.kind()); both {
			other = theirs[at]
		} else {
			other.value = newNode(e.value.kind())
		}
		e.touched = j.dots(e.touched, other.touched)
		e.value.merge(other.value, j)
	}
	return slices.DeleteFunc(mine, entry.empty)
}

func (e entry) empty() bool { return len(e.touched) == 0 && none(e.value.dots()) }

func (m *ormap) without(known history) node {
	o := &ormap{make(map[element][]entry, len(m.keys))}
	for key, entries := range m.keys {
		var kept []entry
		for _, e := range entries {
			if e = (entry{e.touched.without(known), e.value.without(known)}); !e.empty() {
				kept = append(kept, e)
			}
		}
		o.set(key, kept)
	}
	return o
}

func (m *ormap) dots() iter.Seq[dot] {
	return func(yield func(dot) bool) {
		for _, entries := range m.keys {
			for _, e := range entries {
				for _, d := range e.touched {
					if !yield(d) {
						return
					}
				}
				for d := range e.value.dots() {
					if !yield(d) {
						return
					}
				}
			}
		}
	}
}

func (m *ormap) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	d := delta.GetOrmap()
	before := len(m.keys)
	if d.GetCleared() {
		clear(m.keys)
	}
	for _, key := range d.GetRemoved() {
		delete(m.keys, elementOf(key))
	}
	changed := len(m.keys) < before
	for _, u := range d.GetUpdated() {
		changed = m.update(w, elementOf(u.GetKey()), u.GetDelta()) || changed
	}
	for _, a := range d.GetAdded() {
		m.add(w, elementOf(a.GetKey()), a.GetDelta())
	}
	return changed || len(d.GetAdded()) > 0
}

// update changes the entry that key has, unless somebody has removed it or has
// given it another type.
func (m *ormap) update(w *writer, key element, delta *cloudstate.CrdtDelta) bool {
	entries := m.keys[key]
	i, ok := find(entries, kindOf(delta))
	if !ok || len(entries[i].touched) == 0 || !entries[i].value.apply(w, delta) {
		return false
	}
	entries[i].touched = dotSet{w.tick()}
	return true
}

// add gives key an entry, or changes the one of that type which it has got
// meanwhile.
func (m *ormap) add(w *writer, key element, delta *cloudstate.CrdtDelta) {
	entries := m.keys[key]
	i, ok := find(entries, kindOf(delta))
	if !ok {
		entries = slices.Insert(entries, i, entry{value: newNode(kindOf(delta))})
	}
	w.astray = w.astray || len(entries) > 1 || ok // the function thinks that there is only this
	entries[i].value.apply(w, delta)
	entries[i].touched = dotSet{w.tick()}
	m.set(key, entries)
}

func ormapDelta(d *cloudstate.ORMapDelta) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Ormap{Ormap: d}}
}

func (m *ormap) full(members *Members) *cloudstate.CrdtDelta {
	d, _ := m.delta(newKnown(ORMap), members)
	if d == nil {
		return ormapDelta(&cloudstate.ORMapDelta{})
	}
	return d
}

func (m *ormap) delta(k *known, members *Members) (*cloudstate.CrdtDelta, bool) {
	var d cloudstate.ORMapDelta
	there := 0
	for _, key := range sorted(m.keys) {
		if e, ok := shown(m.keys[key]); ok {
			there++
			e.tell(&d, key, k.entries[key], members)
		}
	}
	if there == 0 {
		d.Cleared = len(k.entries) > 0
	} else {
		d.Removed = slices.Concat(d.Removed, m.gone(k))
	}
	if !d.Cleared && len(d.Removed)+len(d.Updated)+len(d.Added) == 0 {
		return nil, true
	}
	return ormapDelta(&d), true
}

// tell adds to d what makes of k, which may be nil, the entry at key.
func (e entry) tell(d *cloudstate.ORMapDelta, key element, k *known, members *Members) {
	if k != nil && k.kind == e.value.kind() {
		if change, ok := e.value.delta(k, members); ok {
			if change != nil {
				d.Updated = append(d.Updated, &cloudstate.ORMapEntryDelta{Key: key.any(), Delta: change})
			}
			return
		}
	}
	if k != nil {
		d.Removed = append(d.Removed, key.any())
	}
	d.Added = append(d.Added, &cloudstate.ORMapEntryDelta{Key: key.any(), Delta: e.value.full(members)})
}

// gone returns the keys of k that are not there any more.
func (m *ormap) gone(k *known) []*anypb.Any {
	var keys []element
	for key := range k.entries {
		if _, ok := shown(m.keys[key]); !ok {
			keys = append(keys, key)
		}
	}
	return anys(keys)
}

func (m *ormap) encode(c *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Ormap{Ormap: c.entries(m.keys)}}
}

func (k *known) checkORMap(d *cloudstate.ORMapDelta) error {
	gone := map[element]bool{}
	for _, key := range d.GetRemoved() {
		gone[elementOf(key)] = true
	}
	for _, u := range d.GetUpdated() {
		nested := k.entries[elementOf(u.GetKey())]
		if nested == nil || d.GetCleared() || gone[elementOf(u.GetKey())] || nested.kind != kindOf(u.GetDelta()) {
			nested = nil // the update will be ignored, but may not be nonsense
		}
		if err := checkEntry(u, nested); err != nil {
			return err
		}
	}
	for _, a := range d.GetAdded() {
		if err := checkEntry(a, nil); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry reports what is wrong with an entry of which the function knows k,
// which may be nil.
func checkEntry(e *cloudstate.ORMapEntryDelta, k *known) error {
	kind := kindOf(e.GetDelta())
	var err error
	switch {
	case e.GetKey() == nil:
		return errors.New("entry of an ORMap without a key")
	case kind == 0:
		err = errEmpty
	case k == nil:
		err = newKnown(kind).check(e.GetDelta())
	default:
		err = k.check(e.GetDelta())
	}
	if err != nil {
		return fmt.Errorf("entry %v of an ORMap: %w", elementOf(e.GetKey()), err)
	}
	return nil
}

func (k *known) learnORMap(d *cloudstate.ORMapDelta, own bool) {
	if d.GetCleared() {
		clear(k.entries)
	}
	for _, key := range d.GetRemoved() {
		delete(k.entries, elementOf(key))
	}
	for _, u := range d.GetUpdated() {
		if nested := k.entries[elementOf(u.GetKey())]; nested != nil && nested.kind == kindOf(u.GetDelta()) {
			nested.learn(u.GetDelta(), own)
		}
	}
	for _, a := range d.GetAdded() {
		nested := newKnown(kindOf(a.GetDelta()))
		nested.learn(a.GetDelta(), own)
		k.entries[elementOf(a.GetKey())] = nested
	}
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"
)

// members are the elements of a set or the entries of a map, and what a command
// has done to them so far. A zero one is empty.
type members[E any] struct {
	now map[element]E

	// Before is what was there when the command cleared them, nil if it didn't.
	// Then all that is there now is new.
	before  map[element]E
	removed map[element]E    // by the command
	added   map[element]bool // by the command
}

// add adds a member that isn't there.
func (m *members[E]) add(k element, e E) {
	m.put(k, e)
	if m.added == nil {
		m.added = map[element]bool{}
	}
	m.added[k] = true
}

// put has a member there from the beginning.
func (m *members[E]) put(k element, e E) {
	if m.now == nil {
		m.now = map[element]E{}
	}
	m.now[k] = e
}

func (m *members[E]) has(k element) bool {
	_, ok := m.now[k]
	return ok
}

// restore reports whether the command had removed k, which is back now.
func (m *members[E]) restore(k element) bool {
	e, ok := m.removed[k]
	if ok {
		delete(m.removed, k)
		m.put(k, e)
	}
	return ok
}

func (m *members[E]) remove(k element) {
	e, ok := m.now[k]
	if !ok {
		return
	}
	delete(m.now, k)
	if m.added[k] {
		delete(m.added, k)
		return
	}
	if m.removed == nil {
		m.removed = map[element]E{}
	}
	m.removed[k] = e
}

func (m *members[E]) clear() {
	if len(m.now) == 0 {
		return
	}
	before := m.before
	if before == nil {
		m.undo()
		if before = m.now; before == nil {
			before = map[element]E{}
		}
	}
	*m = members[E]{before: before}
}

func (m *members[E]) cleared() bool { return m.before != nil }

// changed reports whether the command has done anything.
func (m *members[E]) changed() bool { return m.cleared() || len(m.removed) > 0 || len(m.added) > 0 }

// undo takes back what the command has done.
func (m *members[E]) undo() {
	if m.cleared() {
		m.now = m.before
	} else {
		for k := range m.added {
			delete(m.now, k)
		}
		for k, e := range m.removed {
			m.put(k, e)
		}
	}
	m.keep()
}

// settle ends the command: what it has done is known now, or undone.
func (m *members[E]) settle(keep bool) {
	if keep {
		m.keep()
	} else {
		m.undo()
	}
}

// keep forgets what there was before the command.
func (m *members[E]) keep() { m.before, m.removed, m.added = nil, nil, nil }

// drop makes the removals that were made elsewhere.
func (m *members[E]) drop(cleared bool, removed []*anypb.Any) {
	if cleared {
		m.now = nil
	}
	for _, k := range removed {
		delete(m.now, elementOf(k))
	}
}

// sorted returns keys in a stable order.
func sorted[E any](m map[element]E) []element {
	return slices.SortedFunc(maps.Keys(m), element.compare)
}

// sortedAny is sorted for the protocol.
func sortedAny[E any](m map[element]E) []*anypb.Any {
	var all []*anypb.Any
	for _, k := range sorted(m) {
		all = append(all, k.any())
	}
	return all
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"iter"
	"maps"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A GSet is a set that only grows. T is a generated message, string, []byte,
// bool, int32, int64, uint32, uint64, float32 or float64; anything else is a fault
// of the command that adds it. Messages must not be changed.
type GSet[T any] struct{ elements members[T] }

// Len returns how many elements there are.
func (s *GSet[T]) Len() int { return len(s.elements.now) }

// Has reports whether v is an element.
func (s *GSet[T]) Has(v T) bool { return s.elements.has(encode(v)) }

// All returns the elements, in no order.
func (s *GSet[T]) All() iter.Seq[T] { return maps.Values(s.elements.now) }

// Add adds an element.
func (s *GSet[T]) Add(v T) {
	if k := encode(v); !s.elements.has(k) {
		s.elements.add(k, v)
	}
}

func (s *GSet[T]) apply(d *cloudstate.CrdtDelta) error {
	if d.GetGset() == nil {
		return mismatch(d, s)
	}
	return join(&s.elements, d.GetGset().GetAdded())
}

func (s *GSet[T]) pending(created bool) *cloudstate.CrdtDelta {
	if !s.elements.changed() && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gset{Gset: &cloudstate.GSetDelta{Added: sortedAny(s.elements.added)}}}
}

func (s *GSet[T]) settle(keep bool) { s.elements.settle(keep) }

// An ORSet is a set whose elements can be removed. If one is added and removed
// at the same time, it is there. For T see [GSet].
type ORSet[T any] struct{ elements members[T] }

// Len returns how many elements there are.
func (s *ORSet[T]) Len() int { return len(s.elements.now) }

// Has reports whether v is an element.
func (s *ORSet[T]) Has(v T) bool { return s.elements.has(encode(v)) }

// All returns the elements, in no order. None may be added or removed meanwhile.
func (s *ORSet[T]) All() iter.Seq[T] { return maps.Values(s.elements.now) }

// Add adds an element.
func (s *ORSet[T]) Add(v T) {
	if k := encode(v); !s.elements.has(k) && !s.elements.restore(k) {
		s.elements.add(k, v)
	}
}

// Remove removes an element.
func (s *ORSet[T]) Remove(v T) { s.elements.remove(encode(v)) }

// Clear removes all elements.
func (s *ORSet[T]) Clear() { s.elements.clear() }

func (s *ORSet[T]) apply(d *cloudstate.CrdtDelta) error {
	in := d.GetOrset()
	if in == nil {
		return mismatch(d, s)
	}
	s.elements.drop(in.GetCleared(), in.GetRemoved())
	return join(&s.elements, in.GetAdded())
}

func (s *ORSet[T]) pending(created bool) *cloudstate.CrdtDelta {
	m := &s.elements
	if !m.changed() && !created {
		return nil
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Orset{Orset: &cloudstate.ORSetDelta{
		Cleared: m.cleared(), Removed: sortedAny(m.removed), Added: sortedAny(m.added),
	}}}
}

func (s *ORSet[T]) settle(keep bool) { s.elements.settle(keep) }

// join makes the additions that were made elsewhere.
func join[T any](to *members[T], added []*anypb.Any) error {
	for _, a := range added {
		v, err := decode[T](a)
		if err != nil {
			return err
		}
		to.put(elementOf(a), v)
	}
	return nil
}

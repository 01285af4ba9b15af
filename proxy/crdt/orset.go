// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// An orset is a set in which an addition wins over a removal that has not seen
// it.
type orset struct{ elements }

func (s *orset) kind() Kind { return ORSet }

func (s *orset) merge(other node, j *join) { s.join(other.(*orset).elements, j) }

func (s *orset) without(known history) node { return &orset{s.filtered(known)} }

func (s *orset) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	d := delta.GetOrset()
	before := len(s.elements)
	if d.GetCleared() {
		clear(s.elements)
	}
	for _, a := range d.GetRemoved() {
		delete(s.elements, elementOf(a))
	}
	removed := len(s.elements) < before
	s.add(w, d.GetAdded())
	return removed || len(d.GetAdded()) > 0
}

func orsetDelta(d *cloudstate.ORSetDelta) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Orset{Orset: d}}
}

func (s *orset) full(*Members) *cloudstate.CrdtDelta {
	return orsetDelta(&cloudstate.ORSetDelta{Added: s.all()})
}

func (s *orset) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	added, removed := s.compare(k.set)
	switch {
	case len(added)+len(removed) == 0:
		return nil, true
	case len(added)+len(removed) > len(s.elements): // also when nothing is left
		return orsetDelta(&cloudstate.ORSetDelta{Cleared: true, Added: s.all()}), true
	}
	return orsetDelta(&cloudstate.ORSetDelta{Removed: anys(removed), Added: anys(added)}), true
}

func (s *orset) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Orset{Orset: e.elements(s.elements)}}
}

func (k *known) learnORSet(d *cloudstate.ORSetDelta) {
	if d.GetCleared() {
		clear(k.set)
	}
	for _, a := range d.GetRemoved() {
		delete(k.set, elementOf(a))
	}
	k.include(d.GetAdded())
}

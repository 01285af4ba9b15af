// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A gset only grows; only with the key that it is under can elements vanish.
type gset struct{ elements }

func (s *gset) kind() Kind { return GSet }

func (s *gset) merge(other node, j *join) { s.join(other.(*gset).elements, j) }

func (s *gset) without(known history) node { return &gset{s.filtered(known)} }

func (s *gset) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	added := delta.GetGset().GetAdded()
	s.add(w, added)
	return len(added) > 0
}

func gsetDelta(d *cloudstate.GSetDelta) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gset{Gset: d}}
}

func (s *gset) full(*Members) *cloudstate.CrdtDelta {
	return gsetDelta(&cloudstate.GSetDelta{Added: s.all()})
}

func (s *gset) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	added, removed := s.compare(k.set)
	if len(removed) > 0 {
		return nil, false
	}
	if len(added) == 0 {
		return nil, true
	}
	return gsetDelta(&cloudstate.GSetDelta{Added: anys(added)}), true
}

func (s *gset) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Gset{Gset: e.elements(s.elements)}}
}

func (k *known) learnGSet(d *cloudstate.GSetDelta) { k.include(d.GetAdded()) }

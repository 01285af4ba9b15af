// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A pncounter grows and shrinks. Each replica has its own count, signed: which of
// two counts of a replica is the later one is told by their dots, so there is no
// need for separate sums of what was added and taken away. Sums wrap around.
type pncounter struct{ shares[int64] }

func (c *pncounter) kind() Kind { return PNCounter }

func (c *pncounter) value() int64 {
	var sum int64
	for _, s := range c.shares {
		sum += s.value
	}
	return sum
}

func (c *pncounter) merge(other node, j *join) { c.join(other.(*pncounter).shares, j) }

func (c *pncounter) without(known history) node { return &pncounter{c.filtered(known)} }

func (c *pncounter) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	n := delta.GetPncounter().GetChange()
	if n == 0 {
		return false
	}
	c.set(w, c.shares[w.by].value+n)
	return true
}

func pncounterDelta(n int64) *cloudstate.CrdtDelta {
	d := &cloudstate.PNCounterDelta{Change: n}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Pncounter{Pncounter: d}}
}

func (c *pncounter) full(*Members) *cloudstate.CrdtDelta { return pncounterDelta(c.value()) }

func (c *pncounter) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	v := c.value()
	if v == k.count {
		return nil, true
	}
	return pncounterDelta(v - k.count), true
}

func (c *pncounter) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Pncounter{Pncounter: e.counts(c.shares)}}
}

func (k *known) learnPNCounter(d *cloudstate.PNCounterDelta) { k.count += d.GetChange() }

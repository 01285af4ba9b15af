// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"
	"math"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A gcounter only grows. Each replica has its own count, never negative; the
// value is their sum.
type gcounter struct{ shares[int64] }

func (c *gcounter) kind() Kind { return GCounter }

func (c *gcounter) value() int64 {
	var sum int64
	for _, s := range c.shares {
		sum = addUp(sum, s.value)
	}
	return sum
}

func (c *gcounter) merge(other node, j *join) { c.join(other.(*gcounter).shares, j) }

func (c *gcounter) without(known history) node { return &gcounter{c.filtered(known)} }

func (c *gcounter) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	n := int64(delta.GetGcounter().GetIncrement())
	if n == 0 {
		return false
	}
	c.set(w, addUp(c.shares[w.by].value, n))
	return true
}

func gcounterDelta(n int64) *cloudstate.CrdtDelta {
	d := &cloudstate.GCounterDelta{Increment: uint64(n)}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: d}}
}

func (c *gcounter) full(*Members) *cloudstate.CrdtDelta { return gcounterDelta(c.value()) }

func (c *gcounter) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	v := c.value()
	if v <= k.count {
		return nil, v == k.count
	}
	return gcounterDelta(v - k.count), true
}

func (c *gcounter) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Gcounter{Gcounter: e.counts(c.shares)}}
}

func (k *known) checkGCounter(d *cloudstate.GCounterDelta) error {
	switch n := d.GetIncrement(); {
	case n > math.MaxInt64:
		return fmt.Errorf("increment %d of a GCounter is negative or too large", int64(n))
	case addUp(k.count, int64(n))-k.count != int64(n):
		return fmt.Errorf("increment %d of a GCounter at %d is too large", n, k.count)
	}
	return nil
}

func (k *known) learnGCounter(d *cloudstate.GCounterDelta) { k.count += int64(d.GetIncrement()) }

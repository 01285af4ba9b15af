// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"cmp"
	"fmt"
	"math"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// An lwwregister has the value of the write with the highest clock, of two such
// that of the lower replica. It keeps the last write of each replica that no other
// write has seen: which of them counts may change if a removal of the key takes
// some of them away.
type lwwregister struct{ shares[write] }

type write struct {
	value element
	clock int64
}

func (r *lwwregister) kind() Kind { return LWWRegister }

// best returns the write that counts and whose it is; false if there is none.
func (r *lwwregister) best() (best write, by Replica, ok bool) {
	for other, s := range r.shares {
		if !ok || s.value.beats(other, best, by) {
			best, by, ok = s.value, other, true
		}
	}
	return best, by, ok
}

// beats reports whether w, of by, wins over o, of other.
func (w write) beats(by Replica, o write, other Replica) bool {
	return cmp.Or(cmp.Compare(w.clock, o.clock), cmp.Compare(other, by)) > 0
}

func (r *lwwregister) merge(other node, j *join) { r.join(other.(*lwwregister).shares, j) }

func (r *lwwregister) without(known history) node { return &lwwregister{r.filtered(known)} }

func (r *lwwregister) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	d := delta.GetLwwregister()
	last, by, ok := r.best()
	next := write{elementOf(d.GetValue()), clockOf(d, w.now, last.clock, ok)}
	if ok && !next.beats(w.by, last, by) {
		w.astray = true
		return false
	}
	clear(r.shares) // it beats them all
	r.set(w, next)
	return true
}

// clockOf returns the clock of a write at now; ok says whether there is a last
// one.
func clockOf(d *cloudstate.LWWRegisterDelta, now, last int64, ok bool) int64 {
	after := min(last, math.MaxInt64-1) + 1 // a clock at the end of its range stands still
	before := max(last, math.MinInt64+1) - 1
	switch given := d.GetCustomClockValue(); d.GetClock() {
	case cloudstate.CrdtClock_CRDT_CLOCK_REVERSE:
		if ok {
			return min(-now, before)
		}
		return -now
	case cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM:
		return given
	case cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM_AUTO_INCREMENT:
		if ok {
			return max(given, after)
		}
		return given
	default:
		if ok {
			return max(now, after)
		}
		return now
	}
}

func lwwregisterDelta(value element) *cloudstate.CrdtDelta {
	d := &cloudstate.LWWRegisterDelta{Value: value.any()}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Lwwregister{Lwwregister: d}}
}

func (r *lwwregister) full(*Members) *cloudstate.CrdtDelta {
	best, _, _ := r.best()
	return lwwregisterDelta(best.value)
}

func (r *lwwregister) delta(k *known, _ *Members) (*cloudstate.CrdtDelta, bool) {
	best, _, _ := r.best()
	if best.value == k.value {
		return nil, true
	}
	return lwwregisterDelta(best.value), true
}

func (r *lwwregister) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Lwwregister{Lwwregister: e.writes(r.shares)}}
}

func checkLWWRegister(d *cloudstate.LWWRegisterDelta) error {
	if _, ok := cloudstate.CrdtClock_name[int32(d.GetClock())]; !ok {
		return fmt.Errorf("an LWWRegister has no clock %d", d.GetClock())
	}
	return nil
}

func (k *known) learnLWWRegister(d *cloudstate.LWWRegisterDelta) { k.value = elementOf(d.GetValue()) }

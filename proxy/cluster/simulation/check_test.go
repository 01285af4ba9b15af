// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"cmp"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// checkAlways checks that at most one member would answer a read.
func (w *world) checkAlways() {
	for _, key := range w.keys {
		s, owners := shard.Of(key), 0
		for _, p := range w.processes {
			if p.up && p.machine.Alive(p.clock()) && (p.machine.Owns(s) || p.serves(s)) {
				owners++
			}
		}
		if owners > 1 {
			w.fault("%d members would answer a read of shard %d", owners, s)
		}
	}
	if w.now > turmoil+rest-settled && w.settled == 0 {
		w.settled = w.store.table.Version
	}
}

// checkEnd checks what clients have seen, and that the service has calmed down.
func (w *world) checkEnd() {
	for _, key := range w.keys {
		w.checkHistory(key)
		w.checkOwner(shard.Of(key))
	}
	if w.store.table.Version != w.settled {
		w.fault("it does not come to rest: version %d, %v before it was %d", w.store.table.Version, settled, w.settled)
	}
}

// checkOwner checks that a shard is served by the member that it should be.
func (w *world) checkOwner(s shard.ID) {
	owner, want := w.store.table.Shards[s].Owner, w.store.table.Want()[s]
	for _, p := range w.processes {
		if p.up && p.machine.ID() == owner && owner == want && p.machine.Serves(s) && p.machine.Alive(p.clock()) {
			return
		}
	}
	w.fault("shard %d is not served: its owner is %d, should be %d", s, owner, want)
}

// checkHistory checks that there is one order of all commands for a key that all
// clients have seen. Adds have the order of the journal; the place of the others
// is after what they saw. So no search is needed: whoever began after another had
// ended must come after it.
func (w *world) checkHistory(key entity.Key) {
	at := map[uint64]uint64{}
	for i, id := range w.store.list(key) {
		if at[id] != 0 {
			w.fault("%v: command %d is stored twice", key, id)
		}
		at[id] = uint64(i + 1)
	}
	latest := place{}
	ended := w.byEnd(key)
	for _, o := range w.byBegin(key) { // walk by begin; keep the furthest place among those that ended before
		for len(ended) > 0 && ended[0].end < o.begin {
			if p := w.place(ended[0], at); p.at > latest.at || latest.op == nil || p.at == latest.at && p.adds {
				latest = p
			}
			ended = ended[1:]
		}
		p := w.place(o, at)
		switch {
		case o.done && o.kind == write && p.at == 0:
			w.fault("%v: command %d was answered and is not stored", key, o.id)
		case o.done && o.kind == write && p.at != o.answer:
			w.fault("%v: command %d was answered as number %d and is number %d", key, o.id, o.answer, p.at)
		case p.op == nil || latest.op == nil:
		case p.adds && p.at <= latest.at && !(p.at == latest.at && p.op == latest.op):
			w.fault("%v: command %d, which began at %v, is before command %d, which ended at %v", key, o.id, o.begin, latest.op.id, latest.op.end)
		case !p.adds && p.at < latest.at:
			w.fault("%v: command %d, which began at %v, has seen %d; command %d, which ended at %v, %d", key, o.id, o.begin, p.at, latest.op.id, latest.op.end, latest.at)
		}
	}
}

// A place is where an op stands in the order of all: at the command with that
// number if it adds, else behind it.
type place struct {
	op   *op
	at   uint64
	adds bool
}

// place returns the place of o; none if it has none.
func (w *world) place(o *op, at map[uint64]uint64) place {
	switch {
	case o.kind == write && at[o.id] != 0:
		return place{o, at[o.id], true}
	case o.kind == read && o.done:
		return place{o, o.answer, false}
	}
	return place{}
}

func (w *world) byBegin(key entity.Key) []*op {
	return w.sorted(key, func(o *op) (time.Duration, bool) { return o.begin, true })
}

func (w *world) byEnd(key entity.Key) []*op {
	return w.sorted(key, func(o *op) (time.Duration, bool) { return o.end, o.done })
}

// sorted returns those ops for a key that count, by a time.
func (w *world) sorted(key entity.Key, by func(*op) (time.Duration, bool)) []*op {
	var all []*op
	for _, o := range w.ops {
		if _, ok := by(o); ok && o.key == key {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b *op) int {
		x, _ := by(a)
		y, _ := by(b)
		return cmp.Compare(x, y)
	})
	return all
}

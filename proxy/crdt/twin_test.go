// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// The slow twin: what the types mean, told by all operations that ever happened
// and by who knew of which. Nothing is merged: a replica is a set of operations,
// and its value is worked out from them.

// An op either asserts something at a place or removes what it has seen there.
// Places are paths through maps: "" is the root, "/k:1" the GCounter under k.
type op struct {
	id      int
	by      Replica
	seen    map[int]bool // the operations that its replica knew before
	place   string
	item    string // element, key and kind in a map
	removes string // "" for an assertion; else item, key, or all
	total   int64  // what the replica has counted with this
	value   string
	clock   int64
}

// covers reports whether the removal r is about the assertion a.
func (r *op) covers(a *op) bool {
	switch r.removes {
	case "item":
		return a.place == r.place && a.item == r.item
	case "key":
		return a.place == r.place && strings.HasPrefix(a.item, r.item+":") ||
			strings.HasPrefix(a.place, r.place+"/"+r.item+":")
	case "all":
		return a.place == r.place || strings.HasPrefix(a.place, r.place+"/")
	}
	return false
}

// A world is all operations there are.
type world struct{ ops []*op }

// A twin is what one replica knows of the world.
type twin struct {
	w       *world
	by      Replica
	knows   map[int]bool
	kind    Kind // of the root
	members []Replica
	now     time.Time
}

func (t *twin) merge(knows map[int]bool, kind Kind) {
	for id := range knows {
		t.knows[id] = true
	}
	t.kind = max(t.kind, kind) // they are the same if both are set
}

// live returns the assertions at a place that no known removal has seen.
func (t *twin) live(place string) []*op {
	var live []*op
	for id := range t.knows {
		if a := t.w.ops[id]; a.removes == "" && a.place == place && !t.removed(a) {
			live = append(live, a)
		}
	}
	slices.SortFunc(live, func(a, b *op) int { return a.id - b.id })
	return live
}

func (t *twin) removed(a *op) bool {
	for id := range t.knows {
		if r := t.w.ops[id]; r.removes != "" && r.seen[a.id] && r.covers(a) {
			return true
		}
	}
	return false
}

func (t *twin) do(o op) {
	o.id, o.by, o.seen = len(t.w.ops), t.by, map[int]bool{}
	for id := range t.knows {
		o.seen[id] = true
	}
	t.w.ops = append(t.w.ops, &o)
	t.knows[o.id] = true
}

// total returns what r has counted at place: that is in its last operation there,
// if nothing has removed that.
func (t *twin) total(place string, r Replica) int64 {
	var last *op
	for id := range t.knows {
		if a := t.w.ops[id]; a.removes == "" && a.place == place && a.by == r && (last == nil || last.id < id) {
			last = a
		}
	}
	if last == nil || t.removed(last) {
		return 0
	}
	return last.total
}

// winner returns the write that counts.
func (t *twin) winner(place string) *op {
	var best *op
	for _, a := range t.live(place) {
		if best == nil || a.clock > best.clock || a.clock == best.clock && a.by < best.by {
			best = a
		}
	}
	return best
}

// apply carries out a function's delta and reports whether it changed anything.
func (t *twin) apply(place string, d *cloudstate.CrdtDelta) bool {
	if place == "" {
		t.kind = kindIn(d)
	}
	before := len(t.w.ops)
	switch kindIn(d) {
	case GCounter, PNCounter:
		if n := int64(d.GetGcounter().GetIncrement()) + d.GetPncounter().GetChange(); n != 0 {
			t.do(op{place: place, total: t.total(place, t.by) + n})
		}
	case Vote:
		if total := t.total(place, t.by); (total%2 == 1) != d.GetVote().GetSelfVote() {
			t.do(op{place: place, total: total + 1})
		}
	case Flag:
		if d.GetFlag().GetValue() {
			t.do(op{place: place})
		}
	case LWWRegister:
		t.write(place, d.GetLwwregister())
	case GSet, ORSet:
		if d.GetOrset().GetCleared() && len(t.live(place)) > 0 {
			t.do(op{place: place, removes: "all"})
		}
		for _, e := range d.GetOrset().GetRemoved() {
			if slices.ContainsFunc(t.live(place), func(a *op) bool { return a.item == text(e) }) {
				t.do(op{place: place, removes: "item", item: text(e)})
			}
		}
		for _, e := range slices.Concat(d.GetGset().GetAdded(), d.GetOrset().GetAdded()) {
			t.do(op{place: place, item: text(e)})
		}
	case ORMap:
		t.applyMap(place, d.GetOrmap())
	}
	return len(t.w.ops) > before
}

func (t *twin) applyMap(place string, d *cloudstate.ORMapDelta) {
	if d.GetCleared() && len(t.live(place)) > 0 {
		t.do(op{place: place, removes: "all"})
	}
	for _, k := range d.GetRemoved() {
		if slices.ContainsFunc(t.live(place), func(a *op) bool { return strings.HasPrefix(a.item, text(k)+":") }) {
			t.do(op{place: place, removes: "key", item: text(k)})
		}
	}
	touch := func(k *anypb.Any, nested *cloudstate.CrdtDelta, only bool) {
		item := text(k) + ":" + kindIn(nested).String()
		there := slices.ContainsFunc(t.live(place), func(a *op) bool { return a.item == item })
		if only && !there {
			return
		}
		if t.apply(place+"/"+item, nested) || !only {
			t.do(op{place: place, item: item})
		}
	}
	for _, u := range d.GetUpdated() {
		touch(u.GetKey(), u.GetDelta(), true)
	}
	for _, a := range d.GetAdded() {
		touch(a.GetKey(), a.GetDelta(), false)
	}
}

// write appends a write that beats the one that counts.
func (t *twin) write(place string, d *cloudstate.LWWRegisterDelta) {
	last := t.winner(place)
	clock := int64(math.MinInt64)
	switch d.GetClock() {
	case cloudstate.CrdtClock_CRDT_CLOCK_DEFAULT_UNSPECIFIED:
		clock = t.now.UnixMilli()
		if last != nil && clock <= last.clock {
			clock = last.clock + 1
		}
	case cloudstate.CrdtClock_CRDT_CLOCK_REVERSE:
		clock = -t.now.UnixMilli()
		if last != nil && clock >= last.clock {
			clock = last.clock - 1
		}
	case cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM:
		clock = d.GetCustomClockValue()
	case cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM_AUTO_INCREMENT:
		clock = d.GetCustomClockValue()
		if last != nil && clock <= last.clock {
			clock = last.clock + 1
		}
	}
	if last == nil || clock > last.clock || clock == last.clock && t.by < last.by {
		t.do(op{place: place, value: text(d.GetValue()), clock: clock})
	}
}

// value works out the value at a place.
func (t *twin) value(place string, kind Kind) *plain {
	p := newPlain(kind)
	switch kind {
	case 0:
		return nil
	case GCounter, PNCounter:
		for _, r := range replicas {
			p.number += t.total(place, r)
		}
	case Vote:
		p.voters = int32(len(t.members))
		p.on = t.total(place, t.by)%2 == 1
		for _, r := range t.members {
			p.votes += int32(t.total(place, r) % 2)
		}
	case Flag:
		p.on = len(t.live(place)) > 0
	case LWWRegister:
		if best := t.winner(place); best != nil {
			p.value = best.value
		}
	case GSet, ORSet:
		for _, a := range t.live(place) {
			p.set[a.item] = true
		}
	case ORMap:
		for _, a := range t.live(place) {
			key, name, _ := strings.Cut(a.item, ":")
			kind := Kind(slices.Index(kindNames[:], name))
			if e := p.entries[key]; e == nil || kind < e.kind {
				p.entries[key] = t.value(place+"/"+a.item, kind)
			}
		}
	}
	return p
}

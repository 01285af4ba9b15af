// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"cmp"
	"slices"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Claim is a shard as its owner knows it.
type Claim struct {
	Shard ID
	Epoch int64
	Dirty bool // whether there are rows in its outbox
}

// Join makes a process a member, after it has evicted those who have lapsed. It
// has the lowest free slot, and owns what nobody owned before and it should. A
// process that is a member already stays the one it is. An earlier one of the same
// pod is gone, since a pod runs one process at a time; a later one is not, though
// this join lands after its. The error says what the process sees differently
// from the members.
func (t *Table) Join(p Process, layout Layout, lapsed []entity.Member) (*Table, entity.Member, error) {
	next := t.draft()
	next.remove(lapsed...)
	for _, m := range next.Members {
		if m.Nonce == p.Nonce {
			return t.Evict(lapsed), m.ID, nil
		}
	}
	for _, m := range t.Members {
		if p.UID != "" && m.UID == p.UID && m.Born < p.Born {
			next.remove(m.ID)
		}
	}
	if err := next.agree(layout); err != nil {
		return t, 0, err
	}
	id := next.NextMember
	next.NextMember++
	next.Members = append(next.Members, Member{ID: id, Process: p, Slot: next.freeSlot()})
	next.give()
	return next, id, nil
}

// Evict takes those who have lapsed out, and gives what they owned to others.
func (t *Table) Evict(lapsed []entity.Member) *Table {
	next := t.draft()
	if !next.remove(lapsed...) {
		return t
	}
	next.give()
	return next
}

// HandOver makes to the owner of those shards of a member that it knows rightly.
// It does nothing if to is leaving or gone.
func (t *Table) HandOver(from, to entity.Member, claims []Claim) *Table {
	if m, ok := t.Member(to); !ok || m.Leaving || to == from {
		return t
	}
	return t.pass(from, claims, func(o *Owned, c Claim) { o.Owner, o.Dirty = to, c.Dirty })
}

// Reclaim gives those shards of a member that it knows rightly a new epoch under
// the same owner, so that no transition that is still under way finds the old
// one.
func (t *Table) Reclaim(owner entity.Member, claims []Claim) *Table {
	return t.pass(owner, claims, func(o *Owned, c Claim) { o.Dirty = c.Dirty })
}

// pass gives a new epoch to those shards of owner that it knows rightly, and
// changes them.
func (t *Table) pass(owner entity.Member, claims []Claim, change func(*Owned, Claim)) *Table {
	if _, ok := t.find(owner); !ok {
		return t
	}
	next, changed := t.draft(), false
	for _, c := range claims {
		if o := &next.Shards[c.Shard]; o.Owner == owner && o.Epoch == c.Epoch {
			o.Epoch++
			change(o, c)
			changed = true
		}
	}
	if !changed {
		return t
	}
	return next
}

// Leave says whether a member is leaving. Others take nothing from one that only
// says so; it hands its shards over. One that stays after all may get what
// nobody owns.
func (t *Table) Leave(id entity.Member, leaving bool) *Table {
	i, ok := t.find(id)
	if !ok || t.Members[i].Leaving == leaving {
		return t
	}
	next := t.draft()
	next.Members[i].Leaving = leaving
	next.give()
	return next
}

// Quit takes a member out that has nothing under way in any of its shards, which
// it has to claim all. What it still owns goes to others, if there are any.
func (t *Table) Quit(id entity.Member, claims []Claim) *Table {
	if _, ok := t.find(id); !ok {
		return t
	}
	next := t.draft()
	for _, c := range claims {
		if o := &next.Shards[c.Shard]; o.Owner == id && o.Epoch == c.Epoch {
			o.Owner, o.Dirty = 0, c.Dirty
		}
	}
	if next.owns(id) {
		return t
	}
	next.remove(id)
	next.give()
	return next
}

// Weigh divides the shards among revisions anew, unless the weights are older
// than those that are there. It moves nothing: their owners do.
func (t *Table) Weigh(w Weights) *Table {
	if w.Generation <= t.Weights.Generation {
		return t
	}
	next := t.draft()
	next.Weights = Weights{Generation: w.Generation, Percent: slices.Clone(w.Percent)}
	slices.SortFunc(next.Weights.Percent, func(a, b Weight) int { return cmp.Compare(a.Revision, b.Revision) })
	return next
}

// draft returns the next version, for a transition to change.
func (t *Table) draft() *Table {
	next := *t
	next.Version++
	next.Members = slices.Clone(t.Members)
	return &next
}

// remove takes members out of a draft; nobody owns what they owned. It returns
// whether there were any.
func (t *Table) remove(ids ...entity.Member) bool {
	before := len(t.Members)
	t.Members = slices.DeleteFunc(t.Members, func(m Member) bool { return slices.Contains(ids, m.ID) })
	if len(t.Members) == before {
		return false
	}
	for s := range t.Shards {
		if o := &t.Shards[s]; o.Owner != 0 && slices.Contains(ids, o.Owner) {
			o.Owner, o.Dirty = 0, true
		}
	}
	return true
}

// give finds owners in a draft for what nobody owns.
func (t *Table) give() {
	if !t.owns(0) {
		return
	}
	want := t.Want()
	for s := range t.Shards {
		if o := &t.Shards[s]; o.Owner == 0 && want[s] != 0 {
			o.Owner = want[s]
			o.Epoch++
		}
	}
}

// owns reports whether a member, or nobody, owns a shard.
func (t *Table) owns(id entity.Member) bool {
	return slices.ContainsFunc(t.Shards[:], func(o Owned) bool { return o.Owner == id })
}

func (t *Table) freeSlot() Slot {
	taken := make(map[Slot]bool, len(t.Members))
	for _, m := range t.Members {
		taken[m.Slot] = true
	}
	slot := Slot(0)
	for taken[slot] {
		slot++
	}
	return slot
}

// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"slices"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Want says who should own each shard: a member that stays, of the revision that
// the weights give the shard to. It is 0 everywhere if nobody stays. It depends
// on nothing but weights, slots, revisions and who is leaving.
func (t *Table) Want() (want [Count]entity.Member) {
	everybody := t.group(func(Member) bool { return true })
	if everybody.none() {
		return want
	}
	groups := make([]group, len(t.Weights.Percent))
	for i, w := range t.Weights.Percent {
		if groups[i] = t.group(func(m Member) bool { return m.Revision == w.Revision }); groups[i].none() {
			groups[i] = everybody // until there is somebody of that revision
		}
	}
	for s := range want {
		g := &everybody
		if i := t.Weights.of(ID(s)); i >= 0 {
			g = &groups[i]
		}
		want[s] = g.members[g.owner[s]]
	}
	return want
}

// of returns which of the weights a shard falls to, -1 if to none.
func (w *Weights) of(s ID) int {
	const parts = 10_000 // so that a percent is not a matter of ten shards
	point, upTo := int(mix(uint64(s), 1<<32)%parts), 0
	for i, weight := range w.Percent {
		upTo += weight.Percent * parts / 100
		if point < upTo {
			return i
		}
	}
	return -1
}

// A group is a set of members that could own every shard.
type group struct {
	members map[Slot]entity.Member
	owner   [Count]Slot
}

func (g *group) none() bool { return len(g.members) == 0 }

// group returns those of the members that stay for which in holds.
func (t *Table) group(in func(Member) bool) group {
	g := group{members: map[Slot]entity.Member{}}
	var live []Slot
	for _, m := range t.Members {
		if !m.Leaving && in(m) {
			g.members[m.Slot] = m.ID
			live = append(live, m.Slot)
		}
	}
	if len(live) > 0 {
		slices.Sort(live)
		g.owner = assign(live)
	}
	return g
}

// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"slices"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Table says who the members of a service are and which of them owns which
// shard. It is a value: transitions return another one, and nobody changes one
// that others may see.
type Table struct {
	Incarnation string        // tells the life of the row from another life of it
	Version     int64         // grows by one with every transition
	NextMember  entity.Member // never falls, so that no id is given out twice
	Members     []Member      // by their ids
	Shards      [Count]Owned
	Weights     Weights
	Layout      Layout
}

// A Member is one proxy process of the service.
type Member struct {
	ID entity.Member
	Process
	Slot    Slot
	Leaving bool // gives its shards away and takes none
}

// A Process is what a proxy process says of itself when it joins.
type Process struct {
	UID      string // of its pod; "" if nothing guarantees that one process at a time has it
	Nonce    string // of the process, which no other process has
	Born     int64  // when the process began; tells which of two in a pod is the later one
	Addr     string // where peers reach it
	Revision string
}

// An Owned says who owns a shard.
type Owned struct {
	Owner entity.Member // 0 if nobody
	Epoch int64         // grows with every change of owner
	Dirty bool          // whether the owner has to look for rows of the outbox
}

// A Weights divides the shards among revisions. The zero Weights doesn't.
type Weights struct {
	Generation int64 // the higher one counts
	Percent    []Weight
}

// A Weight is the share of a revision.
type Weight struct {
	Revision string
	Percent  int
}

// New returns the table of a service that has never had a member.
func New(incarnation string) *Table { return &Table{Incarnation: incarnation, NextMember: 1} }

// Member returns the member with an id, and whether there is one.
func (t *Table) Member(id entity.Member) (Member, bool) {
	if i, ok := t.find(id); ok {
		return t.Members[i], true
	}
	return Member{}, false
}

func (t *Table) find(id entity.Member) (int, bool) {
	return slices.BinarySearchFunc(t.Members, id, func(m Member, id entity.Member) int { return int(m.ID - id) })
}

// Newer reports whether t is to be believed rather than old, which may be nil:
// it is a later version, or of another life of the row, in which versions have
// begun anew. Only who has read the row itself may ask about another life; a
// table that came by way of others may be of the one before.
func (t *Table) Newer(old *Table) bool {
	return old == nil || t.Incarnation != old.Incarnation || t.Version > old.Version
}

// Neighbour returns the member with the next higher slot, that with the lowest
// after the highest; 0 if there is no other.
func (t *Table) Neighbour(id entity.Member) entity.Member {
	i, ok := t.find(id)
	if !ok {
		return 0
	}
	own := t.Members[i].Slot
	next, first := Member{}, Member{}
	for _, m := range t.Members {
		if m.Slot > own && (next.ID == 0 || m.Slot < next.Slot) {
			next = m
		}
		if m.ID != id && (first.ID == 0 || m.Slot < first.Slot) {
			first = m
		}
	}
	if next.ID != 0 {
		return next.ID
	}
	return first.ID
}

// Gone returns the members of before that t doesn't have.
func (t *Table) Gone(before *Table) []entity.Member {
	var gone []entity.Member
	for _, m := range before.Members {
		if _, ok := t.find(m.ID); !ok {
			gone = append(gone, m.ID)
		}
	}
	return gone
}

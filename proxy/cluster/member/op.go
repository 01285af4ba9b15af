// SPDX-License-Identifier: Apache-2.0

package member

import (
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Kind says which transition of the placement an [Op] makes.
type Kind uint8

// The kinds of transitions.
const (
	Join     Kind = iota // become a member, and evict who has lapsed
	Evict                // evict who has lapsed
	HandOver             // give Claims to To
	Reclaim              // give Claims a new epoch
	Leave                // say that Member is leaving, or stays after all
	Quit                 // be a member no more
)

func (k Kind) String() string {
	return [...]string{"join", "eviction", "hand-over", "reclaim", "leaving", "quitting"}[k]
}

// An Op is one transition, to be made in one transaction of the store. It may be
// carried out several times; each of them is the same to everybody.
type Op struct {
	Kind    Kind
	Member  entity.Member // who does it; 0 for Join
	Sent    time.Duration // when it was sent, by the clock of who does it
	To      entity.Member
	Claims  []shard.Claim
	Leaving bool

	// Silence is how long a lease must not have been renewed for its member to be
	// evicted; 0 if nobody is to be.
	Silence time.Duration

	Newcomer // of Join
}

// A Newcomer is what a process brings when it joins.
type Newcomer struct {
	shard.Process
	Layout      shard.Layout
	Lanes       int
	Incarnation string        // of the row, if there is none yet; random
	Lost        entity.Member // the last member that the process was; it must not be that again
}

// Decide returns the table after the transition, and what goes with it; t itself
// if there is nothing to change. For Join it says in [entity.Transition.Joined] or
// Renewed which member the process is. The placement is left to who encodes it.
func (o *Op) Decide(t *shard.Table, leases []entity.Lease) (*shard.Table, entity.Transition, error) {
	if t.Version == 0 && o.Kind == Join {
		t = shard.New(o.Incarnation)
	}
	var tr entity.Transition
	next := t
	switch o.Kind {
	case Join:
		joined, id, err := t.Join(o.Process, o.Layout, append(o.lapsed(leases), o.lost(t)...))
		if err != nil {
			return t, tr, err
		}
		next = joined
		if _, was := t.Member(id); was {
			tr.Renewed = id
		} else {
			tr.Joined, tr.Lanes = id, o.Lanes
		}
	case Evict:
		if _, ok := t.Member(o.Member); ok {
			next = t.Evict(o.lapsed(leases))
		}
	case HandOver:
		next = t.HandOver(o.Member, o.To, o.Claims)
	case Reclaim:
		next = t.Reclaim(o.Member, o.Claims)
	case Leave:
		next = t.Leave(o.Member, o.Leaving)
	case Quit:
		next = t.Quit(o.Member, o.Claims)
	}
	tr.Gone = next.Gone(t)
	return next, tr, nil
}

// lost returns the member that the process was before and has given up, if the
// store still knows it: its lanes have moved.
func (o *Op) lost(t *shard.Table) []entity.Member {
	for _, m := range t.Members {
		if m.Nonce == o.Nonce && m.ID <= o.Lost {
			return []entity.Member{m.ID}
		}
	}
	return nil
}

// lapsed returns whose lease was not renewed for too long.
func (o *Op) lapsed(leases []entity.Lease) []entity.Member {
	var all []entity.Member
	for _, l := range leases {
		if o.Silence > 0 && l.Member != o.Member && l.Silent > o.Silence {
			all = append(all, l.Member)
		}
	}
	return all
}

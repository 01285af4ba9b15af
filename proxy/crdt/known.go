// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Members are the replicas whose votes count, seen from one of them. They are
// never changed: make new ones when a member comes or goes.
type Members struct {
	self Replica
	live map[Replica]struct{}
}

// NewMembers returns the members of which self is one and live are the others.
// It does no harm if live names self too.
func NewMembers(self Replica, live ...Replica) *Members {
	m := &Members{self, map[Replica]struct{}{self: {}}}
	for _, r := range live {
		m.live[r] = struct{}{}
	}
	return m
}

// A View remembers what one user function knows of an instance. Get it from
// [Data.Open]; it belongs to that Data alone.
type View struct {
	life    uint64
	value   *known // nil if the function has no value
	moved   uint64 // Data.moved when the function's value was last that of the data
	members *Members
}

// known is a value as a function holds it: a plain one of some kind.
type known struct {
	kind    Kind
	count   int64                // counters
	set     map[element]struct{} // sets
	value   element              // register
	on      bool                 // flag; the function's own vote
	votes   int32                // votes for
	voters  int32                // of all
	entries map[element]*known   // map
}

// newKnown returns what a function holds that has just created a value.
func newKnown(kind Kind) *known {
	k := &known{kind: kind}
	switch kind {
	case GSet, ORSet:
		k.set = map[element]struct{}{}
	case ORMap:
		k.entries = map[element]*known{}
	case Vote:
		k.voters = 1
	}
	return k
}

func (k *known) include(list []*anypb.Any) {
	for _, a := range list {
		k.set[elementOf(a)] = struct{}{}
	}
}

// errEmpty reports a delta that is for no type.
var errEmpty = errors.New("empty delta")

// check reports what is wrong with a delta that comes from a function that knows
// k, which is of the delta's kind.
func (k *known) check(delta *cloudstate.CrdtDelta) error {
	switch d := delta.GetDelta().(type) {
	case *cloudstate.CrdtDelta_Gcounter:
		return k.checkGCounter(d.Gcounter)
	case *cloudstate.CrdtDelta_Lwwregister:
		return checkLWWRegister(d.Lwwregister)
	case *cloudstate.CrdtDelta_Flag:
		return k.checkFlag(d.Flag)
	case *cloudstate.CrdtDelta_Ormap:
		return k.checkORMap(d.Ormap)
	}
	return nil
}

// learn notes a delta that the function has applied: one of its own, or one that
// it was sent.
func (k *known) learn(delta *cloudstate.CrdtDelta, own bool) {
	switch d := delta.GetDelta().(type) {
	case *cloudstate.CrdtDelta_Gcounter:
		k.learnGCounter(d.Gcounter)
	case *cloudstate.CrdtDelta_Pncounter:
		k.learnPNCounter(d.Pncounter)
	case *cloudstate.CrdtDelta_Gset:
		k.learnGSet(d.Gset)
	case *cloudstate.CrdtDelta_Orset:
		k.learnORSet(d.Orset)
	case *cloudstate.CrdtDelta_Lwwregister:
		k.learnLWWRegister(d.Lwwregister)
	case *cloudstate.CrdtDelta_Flag:
		k.learnFlag(d.Flag)
	case *cloudstate.CrdtDelta_Ormap:
		k.learnORMap(d.Ormap, own)
	case *cloudstate.CrdtDelta_Vote:
		k.learnVote(d.Vote, own)
	}
}

// mismatch reports a delta for another type than what has.
func mismatch(delta Kind, what string, has Kind) error {
	return fmt.Errorf("delta of %s, but %s is %s", delta.indefinite(), what, has.indefinite())
}

// indefinite returns the name with its article.
func (k Kind) indefinite() string {
	if k == ORSet || k == ORMap || k == LWWRegister {
		return "an " + k.String()
	}
	return "a " + k.String()
}

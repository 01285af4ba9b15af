// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"iter"
	"math"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A Kind is a type of replicated data, numbered as in the protocol. Zero stands
// for none.
type Kind int

// The eight types.
const (
	GCounter Kind = iota + 1
	PNCounter
	GSet
	ORSet
	LWWRegister
	Flag
	ORMap
	Vote
)

var kindNames = [...]string{"nothing", "GCounter", "PNCounter", "GSet", "ORSet", "LWWRegister", "Flag", "ORMap", "Vote"}

func (k Kind) String() string { return kindNames[k] }

// kindOf returns what type delta is for; zero if it is empty.
func kindOf(delta *cloudstate.CrdtDelta) Kind {
	switch delta.GetDelta().(type) {
	case *cloudstate.CrdtDelta_Gcounter:
		return GCounter
	case *cloudstate.CrdtDelta_Pncounter:
		return PNCounter
	case *cloudstate.CrdtDelta_Gset:
		return GSet
	case *cloudstate.CrdtDelta_Orset:
		return ORSet
	case *cloudstate.CrdtDelta_Lwwregister:
		return LWWRegister
	case *cloudstate.CrdtDelta_Flag:
		return Flag
	case *cloudstate.CrdtDelta_Ormap:
		return ORMap
	case *cloudstate.CrdtDelta_Vote:
		return Vote
	}
	return 0
}

// A node is data of one kind, at the root of an instance or in a map. Its dots
// belong to the context of the instance.
type node interface {
	replicated
	spoken
	stored
}

type replicated interface {
	// merge brings in other, which is of the same kind and stays as it is.
	merge(other node, j *join)
	// without returns a copy with only those dots that known has not seen.
	without(known history) node
	dots() iter.Seq[dot]
}

type spoken interface {
	// apply carries out a change that check has found to be right. It reports
	// whether anything has changed.
	apply(w *writer, delta *cloudstate.CrdtDelta) bool
	// full returns the delta that makes the value out of nothing.
	full(m *Members) *cloudstate.CrdtDelta
	// delta returns what is to be said to a function that knows k, nil if
	// nothing. It reports whether there is a way to say it.
	delta(k *known, m *Members) (*cloudstate.CrdtDelta, bool)
}

type stored interface {
	kind() Kind
	encode(c *coder) *crdtpb.Data
}

// newNode returns the empty data of a kind.
func newNode(k Kind) node {
	switch k {
	case GCounter:
		return &gcounter{}
	case PNCounter:
		return &pncounter{}
	case GSet:
		return &gset{}
	case ORSet:
		return &orset{}
	case LWWRegister:
		return &lwwregister{}
	case Flag:
		return &flag{}
	case ORMap:
		return &ormap{}
	case Vote:
		return &vote{}
	}
	panic("crdt: no kind " + k.String())
}

// A writer makes one change of a function to a state.
type writer struct {
	seen history // of the state; grows
	by   Replica
	now  int64 // milliseconds since 1970

	// astray is set if the function's value may not be that of the state now,
	// even if it was before. (If it was not, that is known already.)
	astray bool
}

func newWriter(seen history, by Replica, now time.Time) *writer {
	return &writer{seen: seen, by: by, now: now.UnixMilli()}
}

func (w *writer) tick() dot { return w.seen.next(w.by) }

// addUp adds two numbers that are not negative. It stops at the largest.
func addUp(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

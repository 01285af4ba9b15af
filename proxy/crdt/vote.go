// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	crdtpb "github.com/kairn-dev/kairn/proto/kairn/crdt/v1"
)

// A vote counts how many of the members that are there now are for something.
// Each replica counts how often it changed its mind: an odd number is for. The
// votes of members that are gone don't count.
type vote struct{ shares[int64] }

func (v *vote) kind() Kind { return Vote }

func (v *vote) isFor(r Replica) bool { return v.shares[r].value%2 == 1 }

func (v *vote) merge(other node, j *join) { v.join(other.(*vote).shares, j) }

func (v *vote) without(known history) node { return &vote{v.filtered(known)} }

func (v *vote) apply(w *writer, delta *cloudstate.CrdtDelta) bool {
	w.astray = true // the function guesses how many others there are
	if delta.GetVote().GetSelfVote() == v.isFor(w.by) {
		return false
	}
	v.set(w, v.shares[w.by].value+1)
	return true
}

func (v *vote) full(m *Members) *cloudstate.CrdtDelta {
	d := &cloudstate.VoteDelta{SelfVote: v.isFor(m.self), TotalVoters: int32(len(m.live))}
	for r := range v.shares {
		if _, there := m.live[r]; there && v.isFor(r) {
			d.VotesFor++
		}
	}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{Vote: d}}
}

func (v *vote) delta(k *known, m *Members) (*cloudstate.CrdtDelta, bool) {
	now := v.full(m)
	if d := now.GetVote(); d.SelfVote == k.on && d.VotesFor == k.votes && d.TotalVoters == k.voters {
		return nil, true
	}
	return now, true
}

func (v *vote) encode(e *coder) *crdtpb.Data {
	return &crdtpb.Data{Data: &crdtpb.Data_Vote{Vote: e.counts(v.shares)}}
}

// learnVote notes a vote. The function changes only its own, and counts it.
func (k *known) learnVote(d *cloudstate.VoteDelta, own bool) {
	switch {
	case !own:
		k.votes, k.voters = d.GetVotesFor(), d.GetTotalVoters()
	case d.GetSelfVote() && !k.on:
		k.votes++
	case !d.GetSelfVote() && k.on:
		k.votes--
	}
	k.on = d.GetSelfVote()
}

// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// merged returns data with what the function has done to it. Nil is no data.
func merged(data, d *cloudstate.CrdtDelta) *cloudstate.CrdtDelta {
	if v := d.GetVote(); v != nil {
		was := data.GetVote()
		return voteOf(v.GetSelfVote(), was.GetVotesFor()+count(v.GetSelfVote())-count(was.GetSelfVote()), max(was.GetTotalVoters(), 1))
	}
	return merge(data, d, merged)
}

func voteOf(self bool, votesFor, voters int32) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{
		Vote: &cloudstate.VoteDelta{SelfVote: self, VotesFor: votesFor, TotalVoters: voters},
	}}
}

func count(is bool) int32 {
	if is {
		return 1
	}
	return 0
}

// heard returns data with what others have done to it.
func heard(data, d *cloudstate.CrdtDelta) *cloudstate.CrdtDelta { return merge(data, d, heard) }

// merge does what merged and heard, which is inside for entries of maps, have in
// common.
func merge(data, d *cloudstate.CrdtDelta, inside func(data, d *cloudstate.CrdtDelta) *cloudstate.CrdtDelta) *cloudstate.CrdtDelta {
	if data == nil {
		data = &cloudstate.CrdtDelta{}
		if m := d.GetOrmap(); m != nil {
			data.Delta = &cloudstate.CrdtDelta_Ormap{Ormap: &cloudstate.ORMapDelta{}}
			mergeMap(data.GetOrmap(), m, inside)
			return data
		}
		proto.Merge(data, d)
		return bare(data)
	}
	data = proto.CloneOf(data)
	switch d := d.GetDelta().(type) {
	case *cloudstate.CrdtDelta_Gcounter:
		data.GetGcounter().Increment += d.Gcounter.GetIncrement()
	case *cloudstate.CrdtDelta_Pncounter:
		data.GetPncounter().Change += d.Pncounter.GetChange()
	case *cloudstate.CrdtDelta_Gset:
		set := data.GetGset()
		set.Added = union(set.GetAdded(), d.Gset.GetAdded())
	case *cloudstate.CrdtDelta_Orset:
		set := data.GetOrset()
		if d.Orset.GetCleared() {
			set.Added = nil
		}
		set.Added = union(without(set.GetAdded(), d.Orset.GetRemoved()), d.Orset.GetAdded())
	case *cloudstate.CrdtDelta_Flag:
		data.GetFlag().Value = data.GetFlag().GetValue() || d.Flag.GetValue()
	case *cloudstate.CrdtDelta_Ormap:
		mergeMap(data.GetOrmap(), d.Ormap, inside)
	default: // the new value replaces the old one
		data = proto.CloneOf(&cloudstate.CrdtDelta{Delta: d})
	}
	return bare(data)
}

// bare takes out of a delta what is of no use once it is all that there is.
func bare(d *cloudstate.CrdtDelta) *cloudstate.CrdtDelta {
	if r := d.GetLwwregister(); r != nil {
		r.Clock, r.CustomClockValue = 0, 0
	}
	if s := d.GetOrset(); s != nil {
		s.Cleared, s.Removed = false, nil
	}
	if m := d.GetOrmap(); m != nil {
		m.Cleared, m.Removed, m.Updated = false, nil, nil
	}
	return d
}

func mergeMap(m, d *cloudstate.ORMapDelta, inside func(data, d *cloudstate.CrdtDelta) *cloudstate.CrdtDelta) {
	if d.GetCleared() {
		m.Added = nil
	}
	at := func(key *anypb.Any) int {
		return slices.IndexFunc(m.GetAdded(), func(e *cloudstate.ORMapEntryDelta) bool { return same(e.GetKey(), key) })
	}
	for _, key := range d.GetRemoved() {
		if i := at(key); i >= 0 {
			m.Added = slices.Delete(m.Added, i, i+1)
		}
	}
	for _, u := range d.GetUpdated() {
		if i := at(u.GetKey()); i >= 0 {
			m.Added[i].Delta = inside(m.Added[i].GetDelta(), u.GetDelta())
		}
	}
	for _, a := range d.GetAdded() {
		if i := at(a.GetKey()); i >= 0 {
			m.Added = slices.Delete(m.Added, i, i+1)
		}
		m.Added = append(m.Added, &cloudstate.ORMapEntryDelta{Key: a.GetKey(), Delta: inside(nil, a.GetDelta())})
	}
}

func union(to, added []*anypb.Any) []*anypb.Any {
	return append(without(to, added), added...)
}

func without(from, removed []*anypb.Any) []*anypb.Any {
	return slices.DeleteFunc(from, func(e *anypb.Any) bool {
		return slices.ContainsFunc(removed, func(r *anypb.Any) bool { return same(e, r) })
	})
}

func same(a, b *anypb.Any) bool {
	return a.GetTypeUrl() == b.GetTypeUrl() && bytes.Equal(a.GetValue(), b.GetValue())
}

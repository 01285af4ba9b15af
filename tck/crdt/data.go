// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
)

// For each type of data there are here: what a client asks to be changed, the
// state that it gets, and the delta that goes between proxy and function.

func increments(all ...uint64) []*change {
	var changes []*change
	for _, by := range all {
		changes = append(changes, &change{Update: &crdt.Update_Gcounter{Gcounter: &crdt.GCounterUpdate{Increment: by}}})
	}
	return changes
}

func gCounter(value uint64) *state {
	return &state{Value: &crdt.State_Gcounter{Gcounter: &crdt.GCounterValue{Value: value}}}
}

func gCounterDelta(increment uint64) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: increment}}}
}

func changes(all ...int64) []*change {
	var changes []*change
	for _, by := range all {
		changes = append(changes, &change{Update: &crdt.Update_Pncounter{Pncounter: &crdt.PNCounterUpdate{Change: by}}})
	}
	return changes
}

func pnCounter(value int64) *state {
	return &state{Value: &crdt.State_Pncounter{Pncounter: &crdt.PNCounterValue{Value: value}}}
}

func pnCounterDelta(change int64) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Pncounter{Pncounter: &cloudstate.PNCounterDelta{Change: change}}}
}

func gSetAdds(elements ...string) []*change {
	var changes []*change
	for _, e := range elements {
		changes = append(changes, &change{Update: &crdt.Update_Gset{Gset: &crdt.GSetUpdate{Add: e}}})
	}
	return changes
}

func gSet(elements ...string) *state {
	return &state{Value: &crdt.State_Gset{Gset: &crdt.GSetValue{Elements: elements}}}
}

func gSetDelta(added ...string) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Gset{Gset: &cloudstate.GSetDelta{Added: texts(added)}}}
}

func orSetChange(u *crdt.ORSetUpdate) *change {
	return &change{Update: &crdt.Update_Orset{Orset: u}}
}

func adds(elements ...string) []*change {
	var changes []*change
	for _, e := range elements {
		changes = append(changes, orSetChange(&crdt.ORSetUpdate{Action: &crdt.ORSetUpdate_Add{Add: e}}))
	}
	return changes
}

func removes(elements ...string) []*change {
	var changes []*change
	for _, e := range elements {
		changes = append(changes, orSetChange(&crdt.ORSetUpdate{Action: &crdt.ORSetUpdate_Remove{Remove: e}}))
	}
	return changes
}

func clears() []*change {
	return []*change{orSetChange(&crdt.ORSetUpdate{Action: &crdt.ORSetUpdate_Clear{Clear: true}})}
}

func orSet(elements ...string) *state {
	return &state{Value: &crdt.State_Orset{Orset: &crdt.ORSetValue{Elements: elements}}}
}

// list makes lists of elements readable.
func list(elements ...string) []string { return elements }

func orSetDelta(removed, added []string) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Orset{Orset: &cloudstate.ORSetDelta{Removed: texts(removed), Added: texts(added)}}}
}

func clearedSetDelta(added ...string) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Orset{Orset: &cloudstate.ORSetDelta{Cleared: true, Added: texts(added)}}}
}

func sets(value string) []*change { return setsBy(crdt.LWWRegisterClockType_DEFAULT, 0, value) }

func setsBy(c crdt.LWWRegisterClockType, time int64, value string) []*change {
	return []*change{{Update: &crdt.Update_Lwwregister{Lwwregister: &crdt.LWWRegisterUpdate{
		Value: value, Clock: &crdt.LWWRegisterClock{ClockType: c, CustomClockValue: time},
	}}}}
}

func register(value string) *state {
	return &state{Value: &crdt.State_Lwwregister{Lwwregister: &crdt.LWWRegisterValue{Value: value}}}
}

func registerDelta(value string) *delta { return registerDeltaBy(0, 0, value) }

func registerDeltaBy(c cloudstate.CrdtClock, time int64, value string) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Lwwregister{Lwwregister: &cloudstate.LWWRegisterDelta{
		Value: text(value), Clock: c, CustomClockValue: time,
	}}}
}

func enables() []*change {
	return []*change{{Update: &crdt.Update_Flag{Flag: &crdt.FlagUpdate{}}}}
}

func flag(value bool) *state {
	return &state{Value: &crdt.State_Flag{Flag: &crdt.FlagValue{Value: value}}}
}

func flagDelta(value bool) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Flag{Flag: &cloudstate.FlagDelta{Value: value}}}
}

func votes(value bool) []*change {
	return []*change{{Update: &crdt.Update_Vote{Vote: &crdt.VoteUpdate{SelfVote: value}}}}
}

func vote(self bool, votesFor, voters int32) *state {
	return &state{Value: &crdt.State_Vote{Vote: &crdt.VoteValue{SelfVote: self, VotesFor: votesFor, TotalVoters: voters}}}
}

func voteDelta(self bool, votesFor, voters int32) *delta {
	return &delta{Delta: &cloudstate.CrdtDelta_Vote{Vote: &cloudstate.VoteDelta{SelfVote: self, VotesFor: votesFor, TotalVoters: voters}}}
}

// voteCast is the delta of a function, which knows nothing of the others.
func voteCast(self bool) *delta { return voteDelta(self, 0, 0) }

func mapChange(u *crdt.ORMapUpdate) *change { return &change{Update: &crdt.Update_Ormap{Ormap: u}} }

func addsEntries(keys ...string) []*change {
	var changes []*change
	for _, k := range keys {
		changes = append(changes, mapChange(&crdt.ORMapUpdate{Action: &crdt.ORMapUpdate_Add{Add: k}}))
	}
	return changes
}

// inEntry makes changes in an entry, which is added if it isn't there.
func inEntry(key string, inside []*change) []*change {
	var changes []*change
	for _, u := range inside {
		changes = append(changes, mapChange(&crdt.ORMapUpdate{
			Action: &crdt.ORMapUpdate_Update{Update: &crdt.ORMapEntryUpdate{Key: key, Update: u}},
		}))
	}
	return changes
}

func removesEntries(keys ...string) []*change {
	var changes []*change
	for _, k := range keys {
		changes = append(changes, mapChange(&crdt.ORMapUpdate{Action: &crdt.ORMapUpdate_Remove{Remove: k}}))
	}
	return changes
}

func clearsMap() []*change {
	return []*change{mapChange(&crdt.ORMapUpdate{Action: &crdt.ORMapUpdate_Clear{Clear: true}})}
}

func orMap(entries ...*crdt.ORMapEntryValue) *state {
	return &state{Value: &crdt.State_Ormap{Ormap: &crdt.ORMapValue{Entries: entries}}}
}

func entry(key string, s *state) *crdt.ORMapEntryValue {
	return &crdt.ORMapEntryValue{Key: key, Value: s}
}

// A mapPart is a part of a map's delta.
type mapPart func(*cloudstate.ORMapDelta)

func orMapDelta(parts ...mapPart) *delta {
	d := &cloudstate.ORMapDelta{}
	for _, p := range parts {
		p(d)
	}
	return &delta{Delta: &cloudstate.CrdtDelta_Ormap{Ormap: d}}
}

func entriesCleared() mapPart { return func(d *cloudstate.ORMapDelta) { d.Cleared = true } }

func entryRemoved(key string) mapPart {
	return func(d *cloudstate.ORMapDelta) { d.Removed = append(d.Removed, text(key)) }
}

func entryUpdated(key string, inside *delta) mapPart {
	return func(d *cloudstate.ORMapDelta) {
		d.Updated = append(d.Updated, &cloudstate.ORMapEntryDelta{Key: text(key), Delta: inside})
	}
}

func entryAdded(key string, inside *delta) mapPart {
	return func(d *cloudstate.ORMapDelta) {
		d.Added = append(d.Added, &cloudstate.ORMapEntryDelta{Key: text(key), Delta: inside})
	}
}

// text is a string as an element, a value or a key.
func text(s string) *anypb.Any {
	a := &anypb.Any{TypeUrl: "p.cloudstate.io/string"}
	if s != "" {
		a.Value = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), s)
	}
	return a
}

func texts(all []string) []*anypb.Any {
	var encoded []*anypb.Any
	for _, s := range all {
		encoded = append(encoded, text(s))
	}
	return encoded
}

// arrange puts what has no order in one: elements, and entries of maps.
func arrange(d *delta) {
	switch d := d.GetDelta().(type) {
	case *cloudstate.CrdtDelta_Gset:
		slices.SortFunc(d.Gset.GetAdded(), compare)
	case *cloudstate.CrdtDelta_Orset:
		slices.SortFunc(d.Orset.GetRemoved(), compare)
		slices.SortFunc(d.Orset.GetAdded(), compare)
	case *cloudstate.CrdtDelta_Ormap:
		slices.SortFunc(d.Ormap.GetRemoved(), compare)
		for _, entries := range [][]*cloudstate.ORMapEntryDelta{d.Ormap.GetUpdated(), d.Ormap.GetAdded()} {
			slices.SortFunc(entries, func(a, b *cloudstate.ORMapEntryDelta) int { return compare(a.GetKey(), b.GetKey()) })
			for _, e := range entries {
				arrange(e.GetDelta())
			}
		}
	}
}

func compare(a, b *anypb.Any) int {
	return cmp.Or(cmp.Compare(a.GetTypeUrl(), b.GetTypeUrl()), bytes.Compare(a.GetValue(), b.GetValue()))
}

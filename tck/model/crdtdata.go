// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/sdk"
)

// dataFor returns new data of the type that the name asks for.
func dataFor(name string) sdk.Data {
	kind, _, _ := strings.Cut(name, "-")
	switch kind {
	case "GCounter":
		return &sdk.GCounter{}
	case "PNCounter":
		return &sdk.PNCounter{}
	case "GSet":
		return &sdk.GSet[string]{}
	case "ORSet":
		return &sdk.ORSet[string]{}
	case "LWWRegister":
		return &sdk.LWWRegister[string]{}
	case "Flag":
		return &sdk.Flag{}
	case "ORMap":
		return &sdk.ORMap[string, sdk.Data]{New: dataFor}
	case "Vote":
		return &sdk.Vote{}
	}
	return nil
}

// stateOf describes data.
func stateOf(data sdk.Data) *crdt.State {
	switch d := data.(type) {
	case *sdk.GCounter:
		return &crdt.State{Value: &crdt.State_Gcounter{Gcounter: &crdt.GCounterValue{Value: d.Value()}}}
	case *sdk.PNCounter:
		return &crdt.State{Value: &crdt.State_Pncounter{Pncounter: &crdt.PNCounterValue{Value: d.Value()}}}
	case *sdk.GSet[string]:
		return &crdt.State{Value: &crdt.State_Gset{Gset: &crdt.GSetValue{Elements: slices.Sorted(d.All())}}}
	case *sdk.ORSet[string]:
		return &crdt.State{Value: &crdt.State_Orset{Orset: &crdt.ORSetValue{Elements: slices.Sorted(d.All())}}}
	case *sdk.LWWRegister[string]:
		return &crdt.State{Value: &crdt.State_Lwwregister{Lwwregister: &crdt.LWWRegisterValue{Value: d.Value()}}}
	case *sdk.Flag:
		return &crdt.State{Value: &crdt.State_Flag{Flag: &crdt.FlagValue{Value: d.Enabled()}}}
	case *sdk.ORMap[string, sdk.Data]:
		return &crdt.State{Value: &crdt.State_Ormap{Ormap: stateOfMap(d)}}
	case *sdk.Vote:
		return &crdt.State{Value: &crdt.State_Vote{Vote: &crdt.VoteValue{
			SelfVote: d.Self(), VotesFor: int32(d.For()), TotalVoters: int32(d.Voters()),
		}}}
	}
	return nil
}

func stateOfMap(m *sdk.ORMap[string, sdk.Data]) *crdt.ORMapValue {
	out := &crdt.ORMapValue{}
	for key, data := range m.All() {
		out.Entries = append(out.Entries, &crdt.ORMapEntryValue{Key: key, Value: stateOf(data)})
	}
	slices.SortFunc(out.Entries, func(a, b *crdt.ORMapEntryValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	return out
}

// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// The tests' own idea of a user function: a plain value, and what libraries do
// to it when they get a delta or make one. It shares nothing with the package.

// A plain is a value as a function has it.
type plain struct {
	kind    Kind
	number  int64
	set     map[string]bool
	value   string
	on      bool
	votes   int32
	voters  int32
	entries map[string]*plain
}

func newPlain(kind Kind) *plain {
	return &plain{kind: kind, set: map[string]bool{}, entries: map[string]*plain{}, voters: 1}
}

func text(a *anypb.Any) string { return a.GetTypeUrl() + "=" + string(a.GetValue()) }

// kindIn names the type of a delta in its own way.
func kindIn(d *cloudstate.CrdtDelta) Kind {
	fd := d.ProtoReflect().WhichOneof(d.ProtoReflect().Descriptor().Oneofs().Get(0))
	if fd == nil {
		return 0
	}
	return Kind(fd.Number())
}

// received does what a function does with a delta from its proxy. A nil p is a
// function without a value.
func received(p *plain, d *cloudstate.CrdtDelta) *plain {
	if p == nil {
		p = newPlain(kindIn(d))
	}
	if p.kind != kindIn(d) {
		panic(fmt.Sprintf("a %v got a delta of a %v", p.kind, kindIn(d)))
	}
	if v := d.GetVote(); v != nil {
		p.on, p.votes, p.voters = v.GetSelfVote(), v.GetVotesFor(), v.GetTotalVoters()
		return p
	}
	p.change(d, received)
	return p
}

// made does what a function has done that sends d.
func made(p *plain, d *cloudstate.CrdtDelta) *plain {
	if p == nil {
		p = newPlain(kindIn(d))
	}
	if v := d.GetVote(); v != nil {
		if v.GetSelfVote() != p.on {
			p.votes += map[bool]int32{true: 1, false: -1}[v.GetSelfVote()]
		}
		p.on = v.GetSelfVote()
		return p
	}
	p.change(d, made)
	return p
}

func (p *plain) change(d *cloudstate.CrdtDelta, nested func(*plain, *cloudstate.CrdtDelta) *plain) {
	if l := d.GetLwwregister(); l != nil {
		p.value = text(l.GetValue())
	}
	p.number += int64(d.GetGcounter().GetIncrement()) + d.GetPncounter().GetChange()
	p.on = p.on || d.GetFlag().GetValue()
	if d.GetOrset().GetCleared() {
		p.set = map[string]bool{}
	}
	for _, e := range d.GetOrset().GetRemoved() {
		delete(p.set, text(e))
	}
	for _, e := range slices.Concat(d.GetOrset().GetAdded(), d.GetGset().GetAdded()) {
		p.set[text(e)] = true
	}
	m := d.GetOrmap()
	if m.GetCleared() {
		p.entries = map[string]*plain{}
	}
	for _, k := range m.GetRemoved() {
		delete(p.entries, text(k))
	}
	for _, u := range m.GetUpdated() {
		if e := p.entries[text(u.GetKey())]; e != nil && e.kind == kindIn(u.GetDelta()) {
			nested(e, u.GetDelta())
		}
	}
	for _, a := range m.GetAdded() {
		p.entries[text(a.GetKey())] = nested(nil, a.GetDelta())
	}
}

// String shows the value so that equal ones look alike.
func (p *plain) String() string {
	if p == nil {
		return "nothing"
	}
	switch p.kind {
	case GCounter, PNCounter:
		return fmt.Sprintf("%v %d", p.kind, p.number)
	case GSet, ORSet:
		return fmt.Sprintf("%v %v", p.kind, slices.Sorted(maps.Keys(p.set)))
	case LWWRegister:
		return fmt.Sprintf("%v %s", p.kind, p.value)
	case Flag:
		return fmt.Sprintf("%v %v", p.kind, p.on)
	case Vote:
		return fmt.Sprintf("%v %v, %d of %d", p.kind, p.on, p.votes, p.voters)
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p.entries)) {
		fmt.Fprintf(&b, " %s: %v;", k, p.entries[k])
	}
	return fmt.Sprintf("%v {%s }", p.kind, b.String())
}

// Short ways to write deltas.

func el(s string) *anypb.Any { return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte(s)} }

// els returns the elements that are named, with spaces between them.
func els(names string) []*anypb.Any {
	var list []*anypb.Any
	for s := range strings.FieldsSeq(names) {
		list = append(list, el(s))
	}
	return list
}

func gc(n uint64) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: n}}}
}

func pn(n int64) *cloudstate.CrdtDelta { return pncounterDelta(n) }

func gs(added string) *cloudstate.CrdtDelta {
	return gsetDelta(&cloudstate.GSetDelta{Added: els(added)})
}

func ors(removed, added string) *cloudstate.CrdtDelta {
	return orsetDelta(&cloudstate.ORSetDelta{Removed: els(removed), Added: els(added)})
}

func orsClear(added string) *cloudstate.CrdtDelta {
	return orsetDelta(&cloudstate.ORSetDelta{Cleared: true, Added: els(added)})
}

func reg(s string) *cloudstate.CrdtDelta { return regAt(s, 0, 0) }

func regAt(s string, clock cloudstate.CrdtClock, custom int64) *cloudstate.CrdtDelta {
	d := &cloudstate.LWWRegisterDelta{Value: el(s), Clock: clock, CustomClockValue: custom}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Lwwregister{Lwwregister: d}}
}

func flg(on bool) *cloudstate.CrdtDelta { return flagDelta(on) }

func vt(self bool, votes, voters int32) *cloudstate.CrdtDelta {
	d := &cloudstate.VoteDelta{SelfVote: self, VotesFor: votes, TotalVoters: voters}
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{Vote: d}}
}

// entries are keys with deltas, in turn.
func entries(of ...any) []*cloudstate.ORMapEntryDelta {
	var list []*cloudstate.ORMapEntryDelta
	for i := 0; i < len(of); i += 2 {
		list = append(list, &cloudstate.ORMapEntryDelta{Key: el(of[i].(string)), Delta: of[i+1].(*cloudstate.CrdtDelta)})
	}
	return list
}

func om(d *cloudstate.ORMapDelta) *cloudstate.CrdtDelta { return ormapDelta(d) }

func omAdd(of ...any) *cloudstate.CrdtDelta {
	return om(&cloudstate.ORMapDelta{Added: entries(of...)})
}

func omUpdate(of ...any) *cloudstate.CrdtDelta {
	return om(&cloudstate.ORMapDelta{Updated: entries(of...)})
}

func omRemove(keys string) *cloudstate.CrdtDelta {
	return om(&cloudstate.ORMapDelta{Removed: els(keys)})
}

// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
)

var noon = time.UnixMilli(1_000_000)

// apply makes a change at a replica whose function is up to date.
func apply(t testing.TB, d *Data, by Replica, deltas ...*cloudstate.CrdtDelta) {
	t.Helper()
	v, _ := d.Open(NewMembers(by))
	for _, delta := range deltas {
		if err := d.Apply(v, delta, by, noon); err != nil {
			t.Fatal(err)
		}
	}
}

// valueOf returns what a new function would be told.
func valueOf(d *Data) string {
	_, init := d.Open(NewMembers("nobody"))
	if init == nil {
		return "nothing"
	}
	return received(nil, init).String()
}

func TestApplyRefuses(t *testing.T) {
	empty := &cloudstate.CrdtDelta{}
	for _, tt := range []struct {
		name   string
		before []*cloudstate.CrdtDelta
		delta  *cloudstate.CrdtDelta
		want   string
	}{
		{"no delta", nil, nil, "empty delta"},
		{"an empty delta", []*cloudstate.CrdtDelta{gc(1)}, empty, "empty delta"},
		{"another type", []*cloudstate.CrdtDelta{gc(1)}, pn(1), "delta of a PNCounter, but the function's value is a GCounter"},
		{"a negative increment", nil, gc(math.MaxUint64), "increment -1 of a GCounter is negative or too large"},
		{"a counter that is full", []*cloudstate.CrdtDelta{gc(math.MaxInt64)}, gc(1), "increment 1 of a GCounter at 9223372036854775807 is too large"},
		{"an enabled flag disabled", []*cloudstate.CrdtDelta{flg(true)}, flg(false), "an enabled Flag cannot be disabled"},
		{"no such clock", nil, regAt("a", 7, 0), "an LWWRegister has no clock 7"},
		{"an empty delta in a map", nil, omAdd("a", gc(1), "k", empty), `entry "k" (p.cloudstate.io/string) of an ORMap: empty delta`},
		{"an empty update of what is not there", nil, omUpdate("k", empty), `of an ORMap: empty delta`},
		{"no key", nil, om(&cloudstate.ORMapDelta{Added: []*cloudstate.ORMapEntryDelta{{Delta: gc(1)}}}), "entry of an ORMap without a key"},
		{"a flag disabled, deep down", []*cloudstate.CrdtDelta{omAdd("a", omAdd("b", flg(true)))},
			om(&cloudstate.ORMapDelta{Added: entries("c", gc(1)), Updated: entries("a", omUpdate("b", flg(false)))}), "an enabled Flag cannot be disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := new(Data)
			v, _ := d.Open(NewMembers("r"))
			for _, b := range tt.before {
				if err := d.Apply(v, b, "r", noon); err != nil {
					t.Fatal(err)
				}
			}
			before, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			err = d.Apply(v, tt.delta, "r", noon)
			if !errors.Is(err, entity.ErrProtocol) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Apply: %v, want %s", err, tt.want)
			}
			if after, err := d.Encode(); err != nil || string(after) != string(before) {
				t.Errorf("a refused delta has changed the state (%v)", err)
			}
			if delta, err := d.Delta(v, v.members); delta != nil || err != nil {
				t.Errorf("a refused delta has changed what the function knows: %v, %v", delta, err)
			}
		})
	}
}

func TestApplyNeedsAReplica(t *testing.T) {
	for _, by := range []Replica{"", Replica(strings.Repeat("r", maxReplica+1))} {
		if err := new(Data).Apply(new(View), gc(1), by, noon); err == nil {
			t.Errorf("no error for a replica id of %d bytes", len(by))
		}
	}
}

func TestNestedFlags(t *testing.T) {
	d := new(Data)
	v, _ := d.Open(NewMembers("r"))
	for _, delta := range []*cloudstate.CrdtDelta{
		omAdd("a", flg(true)),
		om(&cloudstate.ORMapDelta{Removed: els("a"), Updated: entries("a", flg(false)), Added: entries("b", flg(false))}),
		om(&cloudstate.ORMapDelta{Cleared: true, Added: entries("a", flg(false))}),
	} {
		if err := d.Apply(v, delta, "r", noon); err != nil {
			t.Errorf("Apply(%v): %v", delta, err)
		}
	}
}

func TestClocks(t *testing.T) {
	const (
		def    = cloudstate.CrdtClock_CRDT_CLOCK_DEFAULT_UNSPECIFIED
		rev    = cloudstate.CrdtClock_CRDT_CLOCK_REVERSE
		custom = cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM
		auto   = cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM_AUTO_INCREMENT
	)
	for _, tt := range []struct {
		name             string
		clock            cloudstate.CrdtClock
		given, now, last int64
		first            bool
		want             int64
	}{
		{"default", def, 9, 100, 50, false, 100},
		{"default, clock behind", def, 9, 100, 100, false, 101},
		{"default, first", def, 9, -100, 0, true, -100},
		{"default, at the end", def, 0, 100, math.MaxInt64, false, math.MaxInt64},
		{"default, far below", def, 0, 100, math.MinInt64, false, 100},
		{"reverse", rev, 9, 100, 0, false, -100},
		{"reverse, clock behind", rev, 9, 100, -100, false, -101},
		{"reverse, first", rev, 9, 100, 0, true, -100},
		{"reverse, at the end", rev, 0, 100, math.MinInt64, false, math.MinInt64},
		{"custom", custom, 9, 100, 50, false, 9},
		{"auto increment, given is higher", auto, 51, 100, 50, false, 51},
		{"auto increment, given is equal", auto, 50, 100, 50, false, 51},
		{"auto increment, given is lower", auto, 9, 100, 50, false, 51},
		{"auto increment, first", auto, -9, 100, 0, true, -9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := regAt("v", tt.clock, tt.given).GetLwwregister()
			if got := clockOf(d, tt.now, tt.last, !tt.first); got != tt.want {
				t.Errorf("clock %d, want %d", got, tt.want)
			}
		})
	}
}

func TestEqualClocksGoToTheLowerReplica(t *testing.T) {
	for _, order := range [][]Replica{{"a", "b"}, {"b", "a"}} {
		d := new(Data)
		for _, by := range order {
			o := new(Data)
			apply(t, o, by, regAt("of "+string(by), cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM, 1))
			d.Merge(o)
		}
		if got, want := valueOf(d), "LWWRegister p.cloudstate.io/string=of a"; got != want {
			t.Errorf("merged in order %v: %s, want %s", order, got, want)
		}
	}
}

func TestRemovalTakesOnlyWhatItSaw(t *testing.T) {
	for _, tt := range []struct {
		name       string
		start      *cloudstate.CrdtDelta
		here       *cloudstate.CrdtDelta
		there      []*cloudstate.CrdtDelta
		want       string
		startThere *cloudstate.CrdtDelta // after start
	}{
		{
			name: "an element added again", start: ors("", "x y"), here: ors("x y", ""), there: []*cloudstate.CrdtDelta{ors("", "x")},
			want: "ORSet [p.cloudstate.io/string=x]",
		}, {
			name: "a key and a change of it", start: omAdd("k", ors("", "x")), here: omRemove("k"), there: []*cloudstate.CrdtDelta{omUpdate("k", ors("", "y"))},
			want: "ORMap { p.cloudstate.io/string=k: ORSet [p.cloudstate.io/string=y]; }",
		}, {
			name: "a key, added again", start: omAdd("k", gc(5)), here: omRemove("k"), there: []*cloudstate.CrdtDelta{omRemove("k"), omAdd("k", gc(1))},
			want: "ORMap { p.cloudstate.io/string=k: GCounter 1; }",
		}, {
			name: "a counter: others' counts go, the own stays", start: omAdd("k", gc(5)), startThere: omUpdate("k", gc(10)),
			here: omRemove("k"), there: []*cloudstate.CrdtDelta{omUpdate("k", gc(1))},
			want: "ORMap { p.cloudstate.io/string=k: GCounter 11; }",
		}, {
			name: "a map in a map", start: omAdd("k", omAdd("l", pn(1), "m", pn(1))), here: omRemove("k"),
			there: []*cloudstate.CrdtDelta{omUpdate("k", omUpdate("m", pn(2)))},
			want:  "ORMap { p.cloudstate.io/string=k: ORMap { p.cloudstate.io/string=m: PNCounter 2; }; }",
		}, {
			name: "a key that others only looked at", start: omAdd("k", gc(5)), here: omRemove("k"), there: []*cloudstate.CrdtDelta{omUpdate("k", gc(0))},
			want: "ORMap { }",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here, there := new(Data), new(Data)
			apply(t, here, "here", tt.start)
			there.Merge(here)
			if tt.startThere != nil {
				apply(t, there, "there", tt.startThere)
				here.Merge(there)
			}
			apply(t, here, "here", tt.here)
			apply(t, there, "there", tt.there...)
			here.Merge(there)
			there.Merge(here)
			if got := valueOf(here); got != tt.want {
				t.Errorf("value %s, want %s", got, tt.want)
			}
			same(t, "equal on both sides", here, there)
		})
	}
}

func TestRemovedThingsLeaveNothing(t *testing.T) {
	d := new(Data)
	apply(t, d, "r", omAdd("k", omAdd("l", gs("x"))))
	apply(t, d, "r", omRemove("k"))
	first, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		apply(t, d, "r", omAdd("k", omAdd("l", gs("x"))), omRemove("k"))
	}
	if last, err := d.Encode(); err != nil || len(last) > len(first)+2 { // the number of the last change is longer
		t.Errorf("after 50 additions and removals the state has %d bytes, after one %d (%v)", len(last), len(first), err)
	}
}

func TestAWriteReplacesAllThatItSaw(t *testing.T) {
	d := new(Data)
	for _, by := range []Replica{"a", "b", "c"} {
		o := new(Data)
		apply(t, o, by, reg("v"))
		d.Merge(o)
	}
	r := d.root.(*lwwregister)
	if len(r.shares) != 3 {
		t.Fatalf("%d writes at the same time are kept, want 3", len(r.shares))
	}
	if apply(t, d, "d", reg("w")); len(r.shares) != 1 {
		t.Errorf("after a write that saw them %d are kept, want 1", len(r.shares))
	}
}

// What is below a key may arrive before the change that shows the key, if the
// parts of a state come in the wrong order. It must not be lost meanwhile.
func TestWhatWaitsForItsKeyIsKept(t *testing.T) {
	state := func(seen uint64, touched, below dot) *Data {
		m := &ormap{}
		m.set(elementOf(el("k")), []entry{{dotSet{touched}, &flag{dotSet{below}}}})
		return &Data{seen: history{"a": {{1, 2}}, "d": {{1, seen}}}, root: m}
	}
	old, renewed := state(1, dot{"a", 2}, dot{"a", 1}), state(2, dot{"d", 2}, dot{"a", 1})
	gap := &Data{seen: history{"a": {{2, 2}}}, root: &ormap{}}
	first := joined(gap, old)
	if got := valueOf(first); got != "ORMap { }" {
		t.Errorf("before the rest has come: %s", got)
	}
	before := joined(first)
	apply(t, first, "f", omUpdate("k", flg(true)))
	same(t, "ignored, though the function can't know the key", before, first)
	same(t, "equal, whatever comes first", joined(first, renewed), joined(joined(old, renewed), gap))
	if got := valueOf(joined(first, renewed)); got != "ORMap { p.cloudstate.io/string=k: Flag true; }" {
		t.Errorf("when all has come: %s", got)
	}
}

func TestTwoTypesAtOnce(t *testing.T) {
	counter, set := new(Data), new(Data)
	apply(t, counter, "a", pn(1))
	v, _ := set.Open(NewMembers("b"))
	if err := set.Apply(v, gs("x"), "b", noon); err != nil {
		t.Fatal(err)
	}
	set.Merge(counter)
	counter.Merge(set)
	same(t, "equal", set, counter)
	if set.Kind() != PNCounter || valueOf(set) != "PNCounter 1" {
		t.Errorf("both together are %v", valueOf(set))
	}
	if delta, err := set.Delta(v, v.members); !errors.Is(err, ErrIncompatible) {
		t.Errorf("the function with a GSet is told %v, %v", delta, err)
	}
	if err := set.Apply(v, gs("y"), "b", noon); !errors.Is(err, entity.ErrProtocol) {
		t.Errorf("the function with a GSet may go on: %v", err)
	}
}

func TestMembersThatComeAndGo(t *testing.T) {
	d, o := new(Data), new(Data)
	all := NewMembers("a", "b", "c")
	v, _ := d.Open(all)
	if err := d.Apply(v, vt(true, 1, 1), "a", noon); err != nil {
		t.Fatal(err)
	}
	apply(t, o, "b", vt(true, 1, 1))
	d.Merge(o)
	for _, tt := range []struct {
		name string
		m    *Members
		want *cloudstate.CrdtDelta
	}{
		{"all", all, vt(true, 2, 3)},
		{"one who had voted goes", NewMembers("a", "a", "c"), vt(true, 1, 2)},
		{"as many, others", NewMembers("a", "d"), nil},
		{"the other comes back under another id", NewMembers("a", "b2"), nil},
		{"this one joins anew", NewMembers("a2", "b"), vt(false, 1, 2)},
	} {
		got, err := d.Delta(v, tt.m)
		if err != nil || !proto.Equal(got, tt.want) {
			t.Errorf("%s: told %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestDeletion(t *testing.T) {
	d, o := new(Data), new(Data)
	apply(t, d, "a", gc(1))
	o.Merge(d)
	old, _ := o.Open(NewMembers("b"))
	d.Delete()
	apply(t, o, "b", gc(5)) // not knowing
	late := joined(o)
	if !o.Merge(d) || !o.Deleted() || o.Kind() != 0 {
		t.Fatalf("deleted elsewhere: %s, %v", valueOf(o), o.Deleted())
	}
	if d.Merge(late) || o.Merge(d) {
		t.Error("a state of a deleted life is news")
	}
	if _, err := o.Delta(old, old.members); !errors.Is(err, ErrDeleted) {
		t.Errorf("Delta for a function of before: %v", err)
	}
	if err := o.Apply(old, gc(1), "b", noon); !errors.Is(err, ErrDeleted) {
		t.Errorf("Apply of a function of before: %v", err)
	}

	anew, init := o.Open(NewMembers("b"))
	if init != nil {
		t.Errorf("a function after the deletion is told %v", init)
	}
	if delta, err := o.Delta(anew, anew.members); delta != nil || err != nil || !o.Deleted() {
		t.Errorf("a function that has done nothing is told %v, %v", delta, err)
	}
	if err := o.Apply(anew, gs("x"), "b", noon); err != nil {
		t.Fatal(err)
	}
	fresh := new(Data)
	unaware, _ := fresh.Open(NewMembers("c"))
	fresh.Merge(o)
	if delta, err := fresh.Delta(unaware, unaware.members); err != nil || !proto.Equal(delta, gs("x")) {
		t.Errorf("a function that never saw the life before is told %v, %v", delta, err)
	}
	d.Merge(late)
	d.Merge(o)
	if d.Deleted() || valueOf(d) != valueOf(o) {
		t.Errorf("created again: %s there, %s here", valueOf(d), valueOf(o))
	}
	if part := d.Since(late.Seen()); valueOf(part) != valueOf(o) {
		t.Errorf("part of another life: %s", valueOf(part))
	}
}

func TestPartsAreSmall(t *testing.T) {
	big := new(Data)
	apply(t, big, "a", ors("", strings.Repeat("x ", 1)))
	for i := range 1000 {
		apply(t, big, "a", ors("", "element-"+strings.Repeat("i", i%100)+string(rune('a'+i%26))))
	}
	other := joined(big)
	apply(t, big, "a", ors("x", "news"))
	part := big.Since(other.Seen())
	b, err := part.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 100 {
		t.Errorf("one addition and one removal make a part of %d bytes", len(b))
	}
	other.Merge(part)
	same(t, "equal", other, big)
}

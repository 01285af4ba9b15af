// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A step is one thing that happens to an instance at a proxy.
type step struct {
	what  string
	delta *cloudstate.CrdtDelta
}

// The function sends a change.
func sends(d *cloudstate.CrdtDelta) step { return step{"sends", d} }

// A function elsewhere sends a change, after all that happened here.
func other(d *cloudstate.CrdtDelta) step { return step{"other", d} }

// The function here is told d and nothing else.
func told(d *cloudstate.CrdtDelta) step { return step{"told", d} }

// The function is started anew and told d in the init.
func inits(d *cloudstate.CrdtDelta) step { return step{"inits", d} }

var nothing *cloudstate.CrdtDelta

// TestExchanges has the exchanges of the conformance suite for each type, as they
// are seen by the proxy, and those that it leaves out.
func TestExchanges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"GCounter: state changes", []step{inits(nothing), sends(gc(42)), sends(gc(6)), told(nothing), inits(gc(48))}},
		{"GCounter: initial empty state with replicated delta", []step{other(gc(42)), told(gc(42)), sends(gc(123)), told(nothing)}},
		{"GCounter: mix", []step{sends(gc(1)), other(gc(2)), told(gc(2)), other(gc(3)), other(gc(4)), told(gc(7)), told(nothing)}},
		{"GCounter: rehydration", []step{sends(gc(6)), inits(gc(6)), other(gc(4)), told(gc(4)), sends(gc(5)), inits(gc(15))}},
		{"GCounter: created elsewhere at zero", []step{other(gc(0)), told(gc(0)), inits(gc(0))}},

		{"PNCounter: state changes", []step{sends(pn(2)), sends(pn(-5)), told(nothing), inits(pn(-3))}},
		{"PNCounter: mix", []step{sends(pn(1)), other(pn(-2)), told(pn(-2)), other(pn(5)), other(pn(-5)), told(nothing), inits(pn(-1))}},
		{"PNCounter: created at zero", []step{sends(pn(0)), told(nothing), inits(pn(0))}},

		{"GSet: state changes", []step{sends(gs("a b")), sends(gs("c")), told(nothing), inits(gs("a b c"))}},
		{"GSet: replicated", []step{other(gs("y x")), told(gs("x y")), sends(gs("z")), other(gs("x w")), told(gs("w"))}},
		{"GSet: known elements again", []step{sends(gs("a")), sends(gs("a")), other(gs("a")), told(nothing), inits(gs("a"))}},
		{"GSet: empty", []step{sends(gs("")), inits(gs(""))}},

		{"ORSet: state changes", []step{
			sends(ors("", "a b")), sends(ors("", "c")), sends(ors("b", "")), sends(orsClear("")), sends(orsClear("x")),
			told(nothing), inits(ors("", "x")),
		}},
		{"ORSet: removed and added", []step{sends(ors("", "a b c d")), other(ors("a", "e")), told(ors("a", "e"))}},
		{"ORSet: cleared alone", []step{sends(ors("", "a")), other(ors("a", "")), told(orsClear("")), inits(ors("", ""))}},
		{"ORSet: cleared with all when that is shorter", []step{
			sends(ors("", "a b c")), other(ors("a b", "d")), told(orsClear("c d")), other(ors("", "e")), told(ors("", "e")),
		}},
		{"ORSet: as long either way", []step{sends(ors("", "a b")), other(ors("a", "c")), told(ors("a", "c"))}},
		{"ORSet: removing what is absent", []step{sends(ors("q", "")), sends(ors("q", "a")), told(nothing), inits(ors("", "a"))}},

		{"LWWRegister: state changes", []step{sends(reg("")), sends(reg("one")), sends(reg("two")), told(nothing), inits(reg("two"))}},
		{"LWWRegister: mix", []step{sends(reg("A")), other(reg("B")), told(reg("B")), other(reg("C")), other(reg("B")), told(nothing)}},
		{"LWWRegister: a losing write is taken back", []step{
			sends(regAt("A", cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM, 5)),
			sends(regAt("B", cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM, 4)), told(reg("A")), told(nothing), inits(reg("A")),
		}},
		{"LWWRegister: the first write stays with the reverse clock", []step{
			sends(regAt("A", cloudstate.CrdtClock_CRDT_CLOCK_REVERSE, 0)), told(nothing),
			sends(regAt("B", cloudstate.CrdtClock_CRDT_CLOCK_REVERSE, 0)), told(reg("A")),
		}},

		{"Flag: state changes", []step{sends(flg(false)), inits(flg(false)), sends(flg(true)), told(nothing), inits(flg(true))}},
		{"Flag: mix", []step{other(flg(false)), told(flg(false)), other(flg(true)), told(flg(true)), sends(flg(true)), told(nothing)}},
		{"Flag: enabled elsewhere before the function has created it", []step{other(flg(true)), sends(flg(false)), told(flg(true))}},

		{"ORMap: state changes", []step{
			sends(omAdd("a", pn(0), "b", ors("", ""))), sends(omAdd("c", reg("v"))), told(nothing),
			sends(omUpdate("a", pn(1), "b", ors("", "x"))), told(nothing),
			inits(omAdd("a", pn(1), "b", ors("", "x"), "c", reg("v"))),
			sends(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", flg(true))})), told(nothing),
			sends(omRemove("b")), inits(omAdd("a", flg(true), "c", reg("v"))),
			sends(om(&cloudstate.ORMapDelta{Cleared: true, Added: entries("z", gc(1))})), told(nothing), inits(omAdd("z", gc(1))),
		}},
		{"ORMap: replicated", []step{
			other(omAdd("a", pn(1), "b", gs("x"))), told(omAdd("a", pn(1), "b", gs("x"))),
			other(om(&cloudstate.ORMapDelta{Removed: els("b"), Updated: entries("a", pn(-43)), Added: entries("c", flg(false))})),
			told(om(&cloudstate.ORMapDelta{Removed: els("b"), Updated: entries("a", pn(-43)), Added: entries("c", flg(false))})),
		}},
		{"ORMap: cleared alone", []step{sends(omAdd("a", gc(1))), other(omRemove("a")), told(om(&cloudstate.ORMapDelta{Cleared: true}))}},
		{"ORMap: cleared and added elsewhere", []step{
			sends(omAdd("a", gc(1))), other(om(&cloudstate.ORMapDelta{Cleared: true, Added: entries("b", gc(1))})),
			told(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("b", gc(1))})),
		}},
		{"ORMap: an entry of changed type", []step{
			sends(omAdd("a", gc(1))), other(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", pn(1))})),
			told(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", pn(1))})),
		}},
		{"ORMap: an entry that went backwards", []step{
			sends(omAdd("a", gc(3), "b", gs("x"), "c", flg(true), "d", pn(3))),
			other(om(&cloudstate.ORMapDelta{Cleared: true, Added: entries("a", gc(2), "b", gs("y"), "c", flg(false), "d", pn(2))})),
			told(om(&cloudstate.ORMapDelta{
				Removed: els("a b c"), Updated: entries("d", pn(-1)), Added: entries("a", gc(2), "b", gs("y"), "c", flg(false)),
			})),
		}},
		{"ORMap: an update of what is gone is ignored", []step{
			sends(omAdd("a", gc(1), "b", gc(1))), other(omRemove("a")), sends(omUpdate("a", gc(5), "b", gc(1))),
			told(omRemove("a")), inits(omAdd("b", gc(2))),
		}},
		{"ORMap: an update of what has another type is ignored", []step{
			sends(omAdd("a", gc(1))), other(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", pn(7))})),
			sends(omUpdate("a", gc(5))), told(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", pn(7))})),
		}},
		{"ORMap: adding what is there merges", []step{
			other(omAdd("a", pn(1))), sends(omAdd("a", pn(2))), told(omUpdate("a", pn(1))), inits(omAdd("a", pn(3))),
		}},
		{"ORMap: adding another type without removing", []step{
			other(omAdd("a", gc(1))), sends(omAdd("a", pn(2))),
			told(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", gc(1))})),
			sends(omRemove("a")), told(nothing), inits(om(&cloudstate.ORMapDelta{})),
		}},
		{"ORMap: adding again what it has itself", []step{
			sends(omAdd("a", pn(1))), sends(omAdd("a", pn(2))), told(omUpdate("a", pn(1))), told(nothing),
		}},
		{"ORMap: adding another type to what it has itself", []step{
			sends(omAdd("a", gc(1))), sends(omAdd("a", pn(2))),
			told(om(&cloudstate.ORMapDelta{Removed: els("a"), Added: entries("a", gc(1))})), told(nothing),
		}},
		{"ORMap: maps in maps", []step{
			sends(omAdd("a", omAdd("b", omAdd("c", pn(1))))), other(omUpdate("a", omUpdate("b", omUpdate("c", pn(2))))),
			told(omUpdate("a", omUpdate("b", omUpdate("c", pn(2))))),
			other(omUpdate("a", omUpdate("b", omRemove("c")))),
			told(omUpdate("a", omUpdate("b", om(&cloudstate.ORMapDelta{Cleared: true})))),
			other(omRemove("a")), other(omAdd("a", omAdd("b", omAdd("d", pn(1))))),
			told(omUpdate("a", omUpdate("b", omAdd("d", pn(1))))),
		}},

		{"Vote: state changes", []step{
			sends(vt(false, 0, 1)), told(vt(false, 0, 2)), sends(vt(true, 1, 2)), told(nothing), sends(vt(false, 0, 2)), told(nothing),
			inits(vt(false, 0, 2)),
		}},
		{"Vote: replicated", []step{
			other(vt(true, 1, 1)), told(vt(false, 1, 2)), sends(vt(true, 2, 2)), told(nothing), other(vt(false, 1, 2)), told(vt(true, 1, 2)),
		}},
		{"Vote: only its own vote is taken from a function", []step{sends(vt(true, 5, 9)), told(vt(true, 1, 2))}},
	} {
		t.Run(tt.name, func(t *testing.T) { exchange(t, tt.steps) })
	}
}

func exchange(t *testing.T, steps []step) {
	const here, there = "1 here", "2 there"
	now := time.UnixMilli(1000)
	data, elsewhere := new(Data), new(Data)
	members := NewMembers(here, there)
	view, _ := data.Open(members)
	for i, s := range steps {
		var got *cloudstate.CrdtDelta
		var err error
		switch s.what {
		case "sends":
			err = data.Apply(view, s.delta, here, now)
			got = s.delta
		case "other":
			elsewhere.Merge(data)
			theirs, _ := elsewhere.Open(NewMembers(there, here))
			err = elsewhere.Apply(theirs, s.delta, there, now)
			data.Merge(elsewhere)
			got = s.delta
		case "told":
			got, err = data.Delta(view, members)
		case "inits":
			view, got = data.Open(members)
		}
		if err != nil {
			t.Fatalf("step %d, %s %v: %v", i, s.what, s.delta, err)
		}
		if !proto.Equal(got, s.delta) {
			t.Fatalf("step %d, %s\n%v, want\n%v", i, s.what, got, s.delta)
		}
	}
}

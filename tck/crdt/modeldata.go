// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"slices"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

func counterCases() []suite.Case { return slices.Concat(gCounterCases(), pnCounterCases()) }

func gCounterCases() []suite.Case {
	return of("GCounter", 98, &kindCases{
		empty: []step{reads(gCounter(0))},
		changes: []step{
			makes(gCounter(42), gCounterDelta(42), increments(42)),
			makes(gCounter(48), gCounterDelta(6), increments(1, 2, 3)),
		},
		init: from(gCounterDelta(42), makes(gCounter(165), gCounterDelta(123), increments(123))),
		replicated: []step{
			hears(gCounterDelta(42)),
			makes(gCounter(165), gCounterDelta(123), increments(123)),
		},
		mix: []step{
			makes(gCounter(1), gCounterDelta(1), increments(1)),
			hears(gCounterDelta(2)),
			hears(gCounterDelta(3)),
			reads(gCounter(6)),
			makes(gCounter(10), gCounterDelta(4), increments(4)),
			hears(gCounterDelta(5)),
			makes(gCounter(21), gCounterDelta(6), increments(6)),
		},
		rehydrated: []step{
			makes(gCounter(1), gCounterDelta(1), increments(1)),
			hears(gCounterDelta(2)),
			reads(gCounter(3)),
			makes(gCounter(6), gCounterDelta(3), increments(3)),
			again(gCounterDelta(6)),
			reads(gCounter(6)),
			hears(gCounterDelta(4)),
			makes(gCounter(15), gCounterDelta(5), increments(5)),
		},
		deleted: []step{makes(gCounter(42), gCounterDelta(42), increments(42)), deletes(gCounter(42))},
	})
}

func pnCounterCases() []suite.Case {
	return of("PNCounter", 106, &kindCases{
		empty: []step{reads(pnCounter(0))},
		changes: []step{
			makes(pnCounter(2), pnCounterDelta(2), changes(1, -2, 3)),
			makes(pnCounter(-3), pnCounterDelta(-5), changes(-4, 5, -6)),
		},
		init: from(pnCounterDelta(42), makes(pnCounter(-81), pnCounterDelta(-123), changes(-123))),
		replicated: []step{
			hears(pnCounterDelta(-42)),
			makes(pnCounter(81), pnCounterDelta(123), changes(123)),
		},
		mix: []step{
			makes(pnCounter(1), pnCounterDelta(1), changes(1)),
			hears(pnCounterDelta(-2)),
			hears(pnCounterDelta(3)),
			reads(pnCounter(2)),
			makes(pnCounter(-2), pnCounterDelta(-4), changes(-4)),
			hears(pnCounterDelta(5)),
			makes(pnCounter(-3), pnCounterDelta(-6), changes(-6)),
		},
		rehydrated: []step{
			makes(pnCounter(1), pnCounterDelta(1), changes(1)),
			hears(pnCounterDelta(-2)),
			reads(pnCounter(-1)),
			makes(pnCounter(2), pnCounterDelta(3), changes(3)),
			again(pnCounterDelta(2)),
			reads(pnCounter(2)),
			hears(pnCounterDelta(-4)),
			makes(pnCounter(3), pnCounterDelta(5), changes(5)),
		},
		deleted: []step{makes(pnCounter(42), pnCounterDelta(42), changes(42)), deletes(pnCounter(42))},
	})
}

func setCases() []suite.Case { return slices.Concat(gSetCases(), orSetCases()) }

func gSetCases() []suite.Case {
	return of("GSet", 114, &kindCases{
		empty: []step{reads(gSet())},
		changes: []step{
			makes(gSet("a", "b"), gSetDelta("a", "b"), gSetAdds("a", "b")),
			makes(gSet("a", "b", "c"), gSetDelta("c"), gSetAdds("b", "c")),
			makes(gSet("a", "b", "c"), nil, gSetAdds("c", "a")),
		},
		init: from(gSetDelta("a", "b", "c"),
			makes(gSet("a", "b", "c", "d", "e"), gSetDelta("d", "e"), gSetAdds("c", "d", "e"))),
		replicated: []step{
			hears(gSetDelta("x", "y")),
			makes(gSet("x", "y", "z"), gSetDelta("z"), gSetAdds("z")),
		},
		mix: []step{
			makes(gSet("a"), gSetDelta("a"), gSetAdds("a")),
			hears(gSetDelta("a")),
			hears(gSetDelta("b")),
			hears(gSetDelta("c")),
			reads(gSet("a", "b", "c")),
			makes(gSet("a", "b", "c", "d", "e"), gSetDelta("d", "e"), gSetAdds("c", "d", "e")),
			hears(gSetDelta("f")),
			makes(gSet("a", "b", "c", "d", "e", "f", "g"), gSetDelta("g"), gSetAdds("g", "d", "b")),
		},
		rehydrated: []step{
			makes(gSet("a"), gSetDelta("a"), gSetAdds("a")),
			hears(gSetDelta("b")),
			reads(gSet("a", "b")),
			makes(gSet("a", "b", "c"), gSetDelta("c"), gSetAdds("c")),
			again(gSetDelta("a", "b", "c")),
			reads(gSet("a", "b", "c")),
			hears(gSetDelta("d")),
			makes(gSet("a", "b", "c", "d", "e"), gSetDelta("e"), gSetAdds("e")),
		},
		deleted: []step{makes(gSet("x"), gSetDelta("x"), gSetAdds("x")), deletes(gSet("x"))},
	})
}

func orSetCases() []suite.Case {
	return of("ORSet", 122, &kindCases{
		empty: []step{reads(orSet())},
		changes: []step{
			makes(orSet("a", "b"), orSetDelta(nil, list("a", "b")), adds("a", "b")),
			makes(orSet("a", "b", "c"), orSetDelta(nil, list("c")), adds("b", "c")),
			makes(orSet("a", "b", "c"), nil, adds("c", "a")),
			makes(orSet("a", "c"), orSetDelta(list("b"), nil), removes("b", "d")),
			makes(orSet("a", "b", "c"), orSetDelta(nil, list("b")), removes("c", "d"), adds("b", "c")),
			makes(orSet(), clearedSetDelta(), clears()),
			makes(orSet("x"), clearedSetDelta("x"), adds("a"), clears(), adds("x")),
		},
		init: from(orSetDelta(nil, list("a", "b", "c")),
			makes(orSet("a", "b", "d"), orSetDelta(list("c"), list("d")), removes("c"), adds("d"))),
		replicated: []step{
			hears(orSetDelta(nil, list("x", "y"))),
			makes(orSet("y", "z"), orSetDelta(list("x"), list("z")), removes("x"), adds("z")),
		},
		mix: []step{
			makes(orSet("a"), orSetDelta(nil, list("a")), adds("a")),
			hears(orSetDelta(nil, list("a", "b"))),
			hears(orSetDelta(nil, list("c", "d"))),
			hears(orSetDelta(list("b", "d"), nil)),
			reads(orSet("a", "c")),
			makes(orSet("a", "c", "d", "e"), orSetDelta(nil, list("d", "e")), adds("c", "d", "e")),
			hears(orSetDelta(list("a", "c"), list("f"))),
			makes(orSet("e", "f", "g"), orSetDelta(list("d"), list("g")), adds("g"), removes("a", "d")),
			hears(clearedSetDelta("x", "y", "z")),
			makes(orSet("q", "x", "y"), orSetDelta(list("z"), list("q")), adds("q", "x"), removes("z")),
			hears(orSetDelta(list("x", "y"), list("r", "p"))),
			makes(orSet("p", "q", "r", "s"), orSetDelta(nil, list("s")), adds("s")),
			hears(orSetDelta(nil, list("a", "b", "c"))),
			makes(orSet("abc"), clearedSetDelta("abc"), clears(), adds("abc")),
		},
		rehydrated: []step{
			makes(orSet("a"), orSetDelta(nil, list("a")), adds("a")),
			hears(orSetDelta(list("a"), list("b"))),
			reads(orSet("b")),
			makes(orSet("b", "c"), orSetDelta(nil, list("c")), adds("c")),
			again(orSetDelta(nil, list("b", "c"))),
			reads(orSet("b", "c")),
			hears(clearedSetDelta("p", "q")),
			makes(orSet("p", "q", "y"), orSetDelta(nil, list("y")), adds("x", "y"), removes("x")),
		},
		deleted: []step{makes(orSet("x"), orSetDelta(nil, list("x")), adds("x")), deletes(orSet("x"))},
	})
}

func registerCases() []suite.Case {
	const reverse, custom, increment = crdt.LWWRegisterClockType_REVERSE, crdt.LWWRegisterClockType_CUSTOM,
		crdt.LWWRegisterClockType_CUSTOM_AUTO_INCREMENT
	return of("LWWRegister", 130, &kindCases{
		empty: []step{makes(register(""), registerDelta(""))},
		changes: []step{
			makes(register("one"), registerDelta("one"), sets("one")),
			makes(register("two"), registerDelta("two"), sets("two")),
		},
		init:       from(registerDelta("one"), reads(register("one"))),
		replicated: []step{hears(registerDelta("one")), reads(register("one"))},
		mix: []step{
			makes(register("A"), registerDelta("A"), sets("A")),
			hears(registerDelta("B")),
			hears(registerDelta("C")),
			reads(register("C")),
			makes(register("D"), registerDelta("D"), sets("D")),
			hears(registerDelta("D")),
			makes(register("E"), registerDelta("E"), sets("E")),
		},
		more: []suite.Case{{Name: "verify LWWRegister state changes with clock settings", Run: play("LWWRegister",
			makes(register("A"), registerDeltaBy(cloudstate.CrdtClock_CRDT_CLOCK_REVERSE, 0, "A"), setsBy(reverse, 0, "A")),
			makes(register("A"), registerDeltaBy(cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM, 123, "A"), setsBy(custom, 123, "A")),
			makes(register("A"), registerDeltaBy(cloudstate.CrdtClock_CRDT_CLOCK_CUSTOM_AUTO_INCREMENT, 456, "A"), setsBy(increment, 456, "A")),
		)}},
		rehydrated: []step{
			makes(register("A"), registerDelta("A"), sets("A")),
			hears(registerDelta("B")),
			reads(register("B")),
			makes(register("C"), registerDelta("C"), sets("C")),
			again(registerDelta("C")),
			reads(register("C")),
			hears(registerDelta("D")),
			makes(register("E"), registerDelta("E"), sets("E")),
		},
		deleted: []step{makes(register("one"), registerDelta("one"), sets("one")), deletes(register("one"))},
	})
}

func flagCases() []suite.Case {
	return of("Flag", 139, &kindCases{
		empty:   []step{reads(flag(false))},
		changes: []step{makes(flag(true), flagDelta(true), enables())},
		init:    from(flagDelta(false), reads(flag(false)), again(flagDelta(true)), reads(flag(true))),
		replicated: []step{
			hears(flagDelta(false)), reads(flag(false)),
			again(nil), hears(flagDelta(true)), reads(flag(true)),
		},
		mix: []step{
			hears(flagDelta(false)),
			reads(flag(false)),
			makes(flag(true), flagDelta(true), enables()),
			hears(flagDelta(true)),
			hears(flagDelta(false)),
			reads(flag(true)),
			again(nil),
			hears(flagDelta(true)),
			reads(flag(true)),
			makes(flag(true), nil, enables()),
			hears(flagDelta(true)),
			hears(flagDelta(false)),
			reads(flag(true)),
		},
		rehydrated: []step{
			reads(flag(false)),
			makes(flag(true), flagDelta(true), enables()),
			again(flagDelta(true)),
			reads(flag(true)),
		},
		deleted: []step{makes(flag(true), flagDelta(true), enables()), deletes(flag(true))},
	})
}

func voteCases() []suite.Case {
	return of("Vote", 155, &kindCases{
		empty: []step{reads(vote(false, 0, 1))},
		changes: []step{
			makes(vote(true, 1, 1), voteCast(true), votes(true)),
			makes(vote(true, 1, 1), nil, votes(true)),
			makes(vote(false, 0, 1), voteCast(false), votes(false)),
			makes(vote(false, 0, 1), nil, votes(false)),
		},
		init: from(voteDelta(true, 2, 3),
			reads(vote(true, 2, 3)),
			makes(vote(false, 1, 3), voteCast(false), votes(false))),
		replicated: []step{
			hears(voteDelta(false, 3, 5)),
			reads(vote(false, 3, 5)),
			makes(vote(true, 4, 5), voteCast(true), votes(true)),
		},
		mix: []step{
			hears(voteDelta(false, 2, 4)),
			reads(vote(false, 2, 4)),
			makes(vote(true, 3, 4), voteCast(true), votes(true)),
			hears(voteDelta(true, 5, 7)),
			hears(voteDelta(true, 4, 6)),
			makes(vote(false, 3, 6), voteCast(false), votes(false)),
		},
		rehydrated: []step{
			reads(vote(false, 0, 1)),
			hears(voteDelta(false, 2, 5)),
			makes(vote(true, 3, 5), voteCast(true), votes(true)),
			again(voteDelta(true, 3, 5)),
			reads(vote(true, 3, 5)),
			makes(vote(false, 2, 5), voteCast(false), votes(false)),
		},
		deleted: []step{makes(vote(true, 1, 1), voteCast(true), votes(true)), deletes(vote(true, 1, 1))},
	})
}

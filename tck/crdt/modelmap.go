// SPDX-License-Identifier: Apache-2.0

package crdt

import "github.com/kairn-dev/kairn/tck/suite"

// Keys of entries; what they hold is in their names.
const (
	counter, otherCounter   = "PNCounter-1", "PNCounter-2"
	growing                 = "GCounter-1"
	set, otherSet           = "ORSet-1", "ORSet-2"
	growingSet              = "GSet-1"
	lwwRegister, otherValue = "LWWRegister-1", "LWWRegister-2"
	aFlag                   = "Flag-1"
	inner                   = "ORMap-1"
)

func mapCases() []suite.Case {
	return of("ORMap", 147, &kindCases{
		empty:   []step{reads(orMap())},
		changes: mapChanges(),
		init: from(
			orMapDelta(
				entryAdded(counter, pnCounterDelta(123)),
				entryAdded(lwwRegister, registerDelta("one")),
				entryAdded(growingSet, gSetDelta("a", "b", "c")),
			),
			reads(orMap(entry(growingSet, gSet("a", "b", "c")), entry(lwwRegister, register("one")), entry(counter, pnCounter(123)))),
			makes(orMap(entry(growingSet, gSet("a", "b", "c")), entry(counter, pnCounter(81))),
				orMapDelta(entryRemoved(lwwRegister), entryUpdated(counter, pnCounterDelta(-42))),
				removesEntries(lwwRegister), inEntry(counter, changes(-42))),
		),
		replicated: []step{
			hears(orMapDelta(
				entryAdded(growing, gCounterDelta(42)),
				entryAdded(set, orSetDelta(nil, list("a", "b", "c"))),
				entryAdded(aFlag, flagDelta(false)),
			)),
			reads(orMap(entry(aFlag, flag(false)), entry(growing, gCounter(42)), entry(set, orSet("a", "b", "c")))),
		},
		mix: mapMix(),
		rehydrated: []step{
			hears(orMapDelta(entryAdded(counter, pnCounterDelta(123)))),
			makes(orMap(entry(counter, pnCounter(444))), orMapDelta(entryUpdated(counter, pnCounterDelta(321))), inEntry(counter, changes(321))),
			again(orMapDelta(entryAdded(counter, pnCounterDelta(444)))),
			reads(orMap(entry(counter, pnCounter(444)))),
			hears(orMapDelta(entryUpdated(counter, pnCounterDelta(-42)))),
			makes(orMap(entry(counter, pnCounter(42))), orMapDelta(entryUpdated(counter, pnCounterDelta(-360))), inEntry(counter, changes(-360))),
		},
		deleted: []step{
			makes(orMap(entry(aFlag, flag(false))), orMapDelta(entryAdded(aFlag, flagDelta(false))), addsEntries(aFlag)),
			deletes(orMap(entry(aFlag, flag(true))), inEntry(aFlag, enables())),
		},
	})
}

func mapChanges() []step {
	return []step{
		makes(orMap(entry(set, orSet()), entry(counter, pnCounter(0))),
			orMapDelta(entryAdded(set, orSetDelta(nil, nil)), entryAdded(counter, pnCounterDelta(0))),
			addsEntries(counter, set)),
		makes(orMap(entry(lwwRegister, register("zero")), entry(set, orSet()), entry(counter, pnCounter(0))),
			orMapDelta(entryAdded(lwwRegister, registerDelta("zero"))),
			addsEntries(set), inEntry(lwwRegister, sets("zero"))),
		makes(orMap(entry(lwwRegister, register("one")), entry(set, orSet()), entry(counter, pnCounter(42))),
			orMapDelta(entryUpdated(lwwRegister, registerDelta("one")), entryUpdated(counter, pnCounterDelta(42))),
			inEntry(counter, changes(42)), inEntry(lwwRegister, sets("one"))),
		makes(orMap(entry(lwwRegister, register("one")), entry(set, orSet("a", "b", "c")), entry(counter, pnCounter(42))),
			orMapDelta(entryUpdated(set, orSetDelta(nil, list("a", "b", "c")))),
			inEntry(set, adds("a", "b", "c"))),
		makes(orMap(entry(lwwRegister, register("two")), entry(set, orSet("a", "c", "d")), entry(counter, pnCounter(-81))),
			orMapDelta(
				entryUpdated(lwwRegister, registerDelta("two")),
				entryUpdated(set, orSetDelta(list("b"), list("d"))),
				entryUpdated(counter, pnCounterDelta(-123)),
			),
			inEntry(set, append(removes("b"), adds("d")...)), inEntry(counter, changes(-123)), inEntry(lwwRegister, sets("two"))),
		makes(orMap(entry(lwwRegister, register("two")), entry(counter, pnCounter(-81))),
			orMapDelta(entryRemoved(set)), removesEntries(set)),
		makes(orMap(entry(aFlag, flag(true)), entry(counter, pnCounter(-81))),
			orMapDelta(entryRemoved(lwwRegister), entryAdded(aFlag, flagDelta(true))),
			removesEntries(lwwRegister), inEntry(aFlag, enables())),
		makes(orMap(), orMapDelta(entriesCleared()), clearsMap()),
		makes(orMap(entry(growing, gCounter(123))),
			orMapDelta(entriesCleared(), entryAdded(growing, gCounterDelta(123))),
			addsEntries(otherCounter), clearsMap(), inEntry(growing, increments(123))),
	}
}

func mapMix() []step {
	abc := list("a", "b", "c")
	return []step{
		makes(orMap(entry(counter, pnCounter(0))), orMapDelta(entryAdded(counter, pnCounterDelta(0))), addsEntries(counter)),
		hears(orMapDelta(entryAdded(set, orSetDelta(nil, list("x"))))),
		hears(orMapDelta(entryAdded(lwwRegister, registerDelta("one")), entryUpdated(set, orSetDelta(nil, list("y", "z"))))),
		makes(
			orMap(entry(lwwRegister, register("one")), entry(otherValue, register("two")), entry(set, orSet("x", "y", "z")),
				entry(otherSet, orSet()), entry(counter, pnCounter(0))),
			orMapDelta(entryAdded(otherValue, registerDelta("two")), entryAdded(otherSet, orSetDelta(nil, nil))),
			addsEntries(otherSet), inEntry(otherValue, sets("two"))),
		makes(
			orMap(entry(lwwRegister, register("ONE")), entry(otherValue, register("two")), entry(set, orSet("x", "y", "z")),
				entry(otherSet, orSet()), entry(counter, pnCounter(42))),
			orMapDelta(entryUpdated(lwwRegister, registerDelta("ONE")), entryUpdated(counter, pnCounterDelta(42))),
			inEntry(counter, changes(42)), inEntry(lwwRegister, sets("ONE"))),
		hears(orMapDelta(entryRemoved(otherValue), entryAdded(inner, orMapDelta(entryAdded(counter, pnCounterDelta(123)))))),
		hears(orMapDelta(
			entryRemoved(set),
			entryUpdated(otherSet, orSetDelta(nil, abc)),
			entryUpdated(inner, orMapDelta(entryAdded(lwwRegister, registerDelta("ABC")))),
		)),
		makes(
			orMap(entry(lwwRegister, register("ONE")),
				entry(inner, orMap(entry(lwwRegister, register("ABC")), entry(counter, pnCounter(-333)))),
				entry(otherSet, orSet(abc...)), entry(counter, pnCounter(42))),
			orMapDelta(entryUpdated(inner, orMapDelta(entryUpdated(counter, pnCounterDelta(-456))))),
			inEntry(inner, inEntry(counter, changes(-456)))),
		hears(orMapDelta(entriesCleared(), entryAdded(growingSet, gSetDelta("1", "2", "3")))),
		makes(orMap(entry(growingSet, gSet("1", "2", "3", "4", "6"))),
			orMapDelta(entryUpdated(growingSet, gSetDelta("4", "6"))),
			removesEntries(counter, lwwRegister), inEntry(growingSet, gSetAdds("2", "4", "6"))),
		makes(orMap(entry(growing, gCounter(0))),
			orMapDelta(entriesCleared(), entryAdded(growing, gCounterDelta(0))),
			clearsMap(), addsEntries(growing)),
		hears(orMapDelta(entryRemoved(growingSet), entryAdded(growing, gCounterDelta(42)))),
		makes(orMap(entry(growing, gCounter(49))), orMapDelta(entryUpdated(growing, gCounterDelta(7))), inEntry(growing, increments(7))),
	}
}

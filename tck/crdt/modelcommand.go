// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"slices"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

// commandCases are about what commands of all types have in common.
func commandCases() []suite.Case {
	return []suite.Case{
		{Number: "163", Name: "verify forward to second service", Run: play("GCounter", forward)},
		{Number: "164", Name: "verify forward with state changes", Run: play("PNCounter", forwardWithChanges)},
		{Number: "165", Name: "verify reply with side effect to second service", Run: play("GSet", sideEffect)},
		{Number: "166", Name: "verify synchronous side effect to second service", Run: play("ORSet", synchronousSideEffect)},
		{Number: "167", Name: "verify forward and side effect to second service", Run: play("LWWRegister", forwardAndSideEffect)},
		{Number: "168", Name: "verify reply with multiple side effects", Run: play("Flag", multipleSideEffects)},
		{Number: "169", Name: "verify reply with multiple side effects and state changes", Run: play("ORMap", effectsAndChanges)},
		{Number: "170", Name: "verify failure action", Run: play("GCounter", failure)},
		{Number: "171", Name: "verify connection after failure action", Run: play("PNCounter",
			makes(pnCounter(42), pnCounterDelta(42), changes(42)), failure, reads(pnCounter(42)))},
		{Number: "172", Name: "verify streamed responses", Run: play("GCounter", streamedResponses)},
		{Number: "173", Name: "verify streamed responses with stream ending action", Run: play("GCounter", streamEnding)},
		{Number: "174", Name: "verify streamed responses with cancellation", Run: play("PNCounter", cancellation)},
		{Number: "175", Name: "verify empty streamed responses with cancellation", Run: play("PNCounter", emptyCancellation)},
		{Number: "176", Name: "verify streamed responses with side effects", Run: play("GSet", streamedEffects)},
		{Number: "177", Name: "verify write consistency can be configured", Run: play("GCounter", writeConsistency)},
	}
}

func forward(s *stream) {
	other := s.t.Key()
	s.expect(reply(s.ask(forwardTo(other)), forwards(other)))
}

func forwardWithChanges(s *stream) {
	other := s.t.Key()
	s.expect(reply(s.ask(append(updates(changes(-42)...), forwardTo(other))...), forwards(other), updated(pnCounterDelta(-42))))
}

func sideEffect(s *stream) {
	other := s.t.Key()
	s.gets(gSet(), []part{effects(other)}, effectsOn(other)...)
}

func synchronousSideEffect(s *stream) {
	other := s.t.Key()
	s.gets(orSet(), []part{synchronousEffects(other)}, synchronousEffectOn(other))
}

func forwardAndSideEffect(s *stream) {
	other, another := s.t.Key(), s.t.Key()
	s.expect(reply(s.ask(append(effectsOn(another), forwardTo(other))...), forwards(other), updated(registerDelta("")), effects(another)))
}

func multipleSideEffects(s *stream) {
	s.gets(flag(false), []part{effects("1", "2", "3")}, effectsOn("1", "2", "3")...)
}

func effectsAndChanges(s *stream) {
	s.gets(orMap(entry(growingSet, gSet("a", "b", "c")), entry(counter, pnCounter(0))),
		[]part{
			updated(orMapDelta(entryAdded(growingSet, gSetDelta("a", "b", "c")), entryAdded(counter, pnCounterDelta(0)))),
			effects("1", "2", "3"),
		},
		append(updates(slices.Concat(addsEntries(counter), inEntry(growingSet, gSetAdds("a", "b", "c")))...), effectsOn("1", "2", "3")...)...)
}

func failure(s *stream) {
	id := s.ask(fail("expected failure"))
	s.expect(reply(id, refuses(id, "expected failure")))
}

func streamedResponses(s *stream) {
	id := s.watch(&crdt.StreamedRequest{})
	s.expect(firstReply(id, says(gCounter(0))))
	sum := uint64(0)
	for by := range uint64(3) {
		sum += by + 1
		s.makes(gCounter(sum), gCounterDelta(by+1), increments(by+1)...)
		s.expect(streamed(id, gCounter(sum)))
	}
}

func streamEnding(s *stream) {
	id := s.watch(&crdt.StreamedRequest{EndState: gCounter(3)})
	s.expect(firstReply(id, says(gCounter(0))))
	s.makes(gCounter(1), gCounterDelta(1), increments(1)...)
	s.expect(streamed(id, gCounter(1)))
	s.makes(gCounter(3), gCounterDelta(2), increments(2)...)
	s.expect(streamed(id, gCounter(3), ending()))
	s.makes(gCounter(6), gCounterDelta(3), increments(3)...)
}

func cancellation(s *stream) {
	id := s.watch(&crdt.StreamedRequest{CancelUpdate: changes(-42)[0]})
	s.expect(firstReply(id, says(pnCounter(0))))
	s.makes(pnCounter(10), pnCounterDelta(10), changes(10)...)
	s.expect(streamed(id, pnCounter(10)))
	s.makes(pnCounter(30), pnCounterDelta(20), changes(20)...)
	s.expect(streamed(id, pnCounter(30)))
	s.Send(cancelled(id, s.key))
	s.expect(noted(id, updated(pnCounterDelta(-42))))
	s.makes(pnCounter(-12), nil)
	s.makes(pnCounter(18), pnCounterDelta(30), changes(30)...)
}

func emptyCancellation(s *stream) {
	s.makes(pnCounter(10), pnCounterDelta(10), changes(10)...)
	id := s.watch(&crdt.StreamedRequest{CancelUpdate: changes(-42)[0], Empty: true})
	s.expect(firstReply(id, nil))
	s.Send(cancelled(id, s.key))
	s.expect(noted(id, updated(pnCounterDelta(-42))))
	s.makes(pnCounter(-32), nil)
}

func streamedEffects(s *stream) {
	id := s.watch(&crdt.StreamedRequest{Effects: []*crdt.Effect{{Id: "one"}, {Id: "two", Synchronous: true}}})
	s.expect(firstReply(id, says(gSet())))
	s.makes(gSet("a"), gSetDelta("a"), gSetAdds("a")...)
	s.expect(streamed(id, gSet("a"), effects("one"), synchronousEffects("two")))
	s.makes(gSet("a", "b"), gSetDelta("b"), gSetAdds("b")...)
	s.expect(streamed(id, gSet("a", "b"), effects("one"), synchronousEffects("two")))
}

func writeConsistency(s *stream) {
	sum := uint64(0)
	for by := range uint64(3) {
		u := increments(by + 1)[0]
		u.WriteConsistency = crdt.UpdateWriteConsistency(by)
		sum += by + 1
		s.gets(gCounter(sum), []part{updatedAt(cloudstate.CrdtWriteConsistency(by), gCounterDelta(by+1))}, updates(u)...)
	}
}

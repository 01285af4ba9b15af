// SPDX-License-Identifier: Apache-2.0

// Package eventsourced has the cases about event sourced entities: 70 to 90
// about functions, 91 to 95 about proxies, and, beyond the reference, those
// that begin with K. In these, a script plays a function that does what no good
// function does, and the next command must find everything in order.
package eventsourced

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Model returns the cases about functions.
func Model() []suite.Case {
	both := []string{modelService, twoService}
	cases := []suite.Case{
		{Number: "70", Name: "verify event sourced entity discovery", Run: discovery, Services: both},
		{Number: "71", Name: "verify event sourced configured entity", Run: configuredDiscovery, Services: []string{configured}},
		{Number: "72", Name: "verify initial empty state", Run: emptyState},
		{Number: "73", Name: "verify single emitted event", Run: singleEvent},
		{Number: "74", Name: "verify multiple emitted events", Run: multipleEvents},
		{Number: "75", Name: "verify multiple emitted events and snapshots", Run: eventsAndSnapshots},
		{Number: "76", Name: "verify initial snapshot", Run: initialSnapshot},
		{Number: "77", Name: "verify initial snapshot and events", Run: initialSnapshotAndEvents},
		{Number: "78", Name: "verify rehydration after passivation", Run: rehydration},
		{Number: "79", Name: "verify forward to second service", Run: forward},
		{Number: "80", Name: "verify forward with emitted events", Run: forwardWithEvents},
		{Number: "81", Name: "verify forward with emitted events and snapshot", Run: forwardWithSnapshot},
		{Number: "82", Name: "verify reply with side effect to second service", Run: sideEffect},
		{Number: "83", Name: "verify synchronous side effect to second service", Run: synchronousSideEffect},
		{Number: "84", Name: "verify forward and side effect to second service", Run: forwardAndSideEffect},
		{Number: "85", Name: "verify reply with multiple side effects", Run: multipleSideEffects},
		{Number: "86", Name: "verify reply with multiple side effects, events, and snapshot", Run: everything},
		{Number: "87", Name: "verify failure action", Run: failure},
		{Number: "88", Name: "verify connection after failure action", Run: afterFailure},
		{Number: "89", Name: "verify failure actions do not retain emitted events, by requesting entity restart", Run: failureDropsEvents},
		{Number: "90", Name: "verify failure actions do not allow side effects", Run: failureDropsEffects},
	}
	for i := range cases {
		c := &cases[i]
		c.Section, c.Kind = "Event sourced entities: function", suite.Model
		if c.Services == nil {
			c.Services = []string{modelService}
		}
	}
	return cases
}

func discovery(t *suite.T) {
	for _, service := range []string{modelService, twoService} {
		if e := t.Entity(service); e.GetEntityType() != entityType {
			t.Fatalf("%s has the entity type %q, not %q", service, e.GetEntityType(), entityType)
		}
	}
	if id := t.Entity(modelService).GetPersistenceId(); id != "event-sourced-tck-model" {
		t.Fatalf("%s has the persistence id %q, not event-sourced-tck-model", modelService, id)
	}
}

func configuredDiscovery(t *suite.T) {
	t.Equal("the entity", &cloudstate.Entity{
		EntityType:    entityType,
		ServiceName:   configured,
		PersistenceId: "event-sourced-configured",
		PassivationStrategy: &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
			Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: 100},
		}},
	}, t.Entity(configured))
}

// A modelStream is one to the function, with the suite as proxy.
type modelStream struct {
	*suite.Stream[streamIn, streamOut]
	key string
	id  int64 // of the last command
}

// open begins a stream with these messages after the init.
func open(t *suite.T, init *streamIn, events ...*streamIn) *modelStream {
	s := &modelStream{suite.Open(t, cloudstate.NewEventSourcedClient(t.Function).Handle), init.GetInit().GetEntityId(), 0}
	s.Send(init)
	for _, e := range events {
		s.Send(e)
	}
	return s
}

// ask sends the next command and returns its id.
func (s *modelStream) ask(actions ...*action) int64 {
	s.id++
	s.Send(command(s.id, s.key, actions...))
	return s.id
}

// gets sends the next command and expects that reply.
func (s *modelStream) gets(text string, parts []part, actions ...*action) {
	s.Expect(reply(s.ask(actions...), text, parts...))
}

// emits sends the next command, which emits, and expects a reply with the events.
func (s *modelStream) emits(text string, values ...string) {
	s.gets(text, []part{events(values...)}, emits(values...)...)
}

// reads sends the next command, which only reads.
func (s *modelStream) reads(text string) { s.gets(text, nil) }

func fresh(t *suite.T) *modelStream { return open(t, initial(modelService, t.Key())) }

func emptyState(t *suite.T) {
	s := fresh(t)
	s.reads("")
	s.Close()
}

func singleEvent(t *suite.T) {
	s := fresh(t)
	s.emits("A", "A")
	s.reads("A")
	s.Close()
}

func multipleEvents(t *suite.T) {
	s := fresh(t)
	s.emits("ABC", "A", "B", "C")
	s.reads("ABC")
	s.Close()
}

func eventsAndSnapshots(t *suite.T) {
	s := fresh(t)
	s.emits("A", "A")
	s.emits("AB", "B")
	s.emits("ABC", "C")
	s.emits("ABCD", "D")
	s.gets("ABCDE", []part{events("E"), snapshot("ABCDE")}, emit("E"))
	s.emits("ABCDEFGH", "F", "G", "H")
	s.gets("ABCDEFGHIJ", []part{events("I", "J"), snapshot("ABCDEFGHIJ")}, emits("I", "J")...)
	s.emits("ABCDEFGHIJK", "K")
	s.reads("ABCDEFGHIJK")
	s.Close()
}

func initialSnapshot(t *suite.T) {
	s := open(t, initialWith(modelService, t.Key(), 5, "ABCDE"))
	s.reads("ABCDE")
	s.Close()
}

func initialSnapshotAndEvents(t *suite.T) {
	s := open(t, initialWith(modelService, t.Key(), 5, "ABCDE"), stored(6, "F"), stored(7, "G"))
	s.reads("ABCDEFG")
	s.Close()
}

func rehydration(t *suite.T) {
	s := fresh(t)
	s.emits("A", "A")
	s.emits("AB", "B")
	s.emits("ABC", "C")
	s.emits("ABCD", "D")
	s.gets("ABCDE", []part{events("E"), snapshot("ABCDE")}, emit("E"))
	s.emits("ABCDEF", "F")
	s.emits("ABCDEFG", "G")
	s.Close()
	again := open(t, initialWith(modelService, s.key, 5, "ABCDE"), stored(6, "F"), stored(7, "G"))
	again.reads("ABCDEFG")
	again.Close()
}

func forward(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.emits("ABC", "A", "B", "C")
	s.Expect(forwarded(s.ask(forwardTo(other)), other))
	s.reads("ABC")
	s.Close()
}

func forwardWithEvents(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.Expect(forwarded(s.ask(emit("A"), forwardTo(other)), other, events("A")))
	s.Close()
}

func forwardWithSnapshot(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.emits("ABC", "A", "B", "C")
	id := s.ask(emit("D"), emit("E"), forwardTo(other))
	s.Expect(forwarded(id, other, events("D", "E"), snapshot("ABCDE")))
	s.Close()
}

func sideEffect(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.emits("ABC", "A", "B", "C")
	s.gets("ABC", []part{effects(other)}, effectOn(other))
	s.reads("ABC")
	s.Close()
}

func synchronousSideEffect(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.gets("", []part{synchronousEffects(other)}, synchronousEffectOn(other))
	s.Close()
}

func forwardAndSideEffect(t *suite.T) {
	s, other, another := fresh(t), t.Key(), t.Key()
	s.Expect(forwarded(s.ask(forwardTo(other), effectOn(another)), other, effects(another)))
	s.Close()
}

func multipleSideEffects(t *suite.T) {
	s := fresh(t)
	s.gets("", []part{effects("1", "2", "3")}, effectOn("1"), effectOn("2"), effectOn("3"))
	s.Close()
}

func everything(t *suite.T) {
	s := fresh(t)
	s.gets("ABCDE", []part{events("A", "B", "C", "D", "E"), snapshot("ABCDE"), effects("1", "2", "3")},
		append(emits("A", "B", "C", "D", "E"), effectOn("1"), effectOn("2"), effectOn("3"))...)
	s.Close()
}

func failure(t *suite.T) {
	s := fresh(t)
	s.Expect(refused(s.ask(fail("expected failure")), "expected failure", false))
	s.Close()
}

func afterFailure(t *suite.T) {
	s := fresh(t)
	s.emits("A", "A")
	s.Expect(refused(s.ask(fail("expected failure")), "expected failure", false))
	s.reads("A")
	s.Close()
}

// failureDropsEvents lets the function choose: it may ask to be built anew, or
// take back by itself what it has emitted.
func failureDropsEvents(t *suite.T) {
	s := fresh(t)
	s.emits("A", "A")
	s.emits("AB", "B")
	s.emits("ABC", "C")
	s = s.failsWith(t, "failure 1", []*streamIn{stored(1, "A"), stored(2, "B"), stored(3, "C")}, emit("4"), emit("5"), fail("failure 1"))
	s.emits("ABCD", "D")
	s = s.failsWith(t, "failure 2", []*streamIn{stored(1, "A"), stored(2, "B"), stored(3, "C"), stored(4, "D")}, emit("6"), fail("failure 2"), emit("7"))
	s.gets("ABCDE", []part{events("E"), snapshot("ABCDE")}, emit("E"))
	s.Close()
}

// failsWith sends a command that emits and then fails, and returns the stream
// on which to go on: a new one, with what is stored, if the function has asked
// for that.
func (s *modelStream) failsWith(t *suite.T, description string, sofar []*streamIn, actions ...*action) *modelStream {
	id := s.ask(actions...)
	got := s.Next()
	restart := got.GetReply().GetClientAction().GetFailure().GetRestart()
	t.Equal("what the function says", refused(id, description, restart), got)
	if !restart {
		return s
	}
	s.Close()
	return open(t, initial(modelService, s.key), sofar...)
}

func failureDropsEffects(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.Expect(refused(s.ask(effectOn(other), fail("expected failure")), "expected failure", false))
	s.Close()
}

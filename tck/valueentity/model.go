// SPDX-License-Identifier: Apache-2.0

// Package valueentity has the cases about value entities: 46 to 64 about
// functions, 65 to 69 about proxies, and, beyond the reference, those that begin
// with V. In these, a script plays a function that does what no good function
// does, and the next command must find everything in order.
package valueentity

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Model returns the cases about functions.
func Model() []suite.Case {
	both := []string{modelService, twoService}
	cases := []suite.Case{
		{Number: "46", Name: "verify entity discovery", Run: discovery, Services: both},
		{Number: "47", Name: "verify configured entity", Run: configuredDiscovery, Services: []string{configured}},
		{Number: "48", Name: "verify initial empty state", Run: emptyState},
		{Number: "49", Name: "verify update state", Run: updateState},
		{Number: "50", Name: "verify delete state", Run: deleteState},
		{Number: "51", Name: "verify sub invocations with multiple update states", Run: multipleUpdates},
		{Number: "52", Name: "verify sub invocations with multiple update states and delete states", Run: updatesAndDelete},
		{Number: "53", Name: "verify sub invocations with update, delete and update states", Run: updateDeleteUpdate},
		{Number: "54", Name: "verify rehydration after passivation", Run: rehydration},
		{Number: "55", Name: "verify reply with multiple side effects", Run: multipleSideEffects},
		{Number: "56", Name: "verify reply with side effect to second service", Run: sideEffect},
		{Number: "57", Name: "verify reply with multiple side effects and state", Run: effectsAndState},
		{Number: "58", Name: "verify synchronous side effect to second service", Run: synchronousSideEffect},
		{Number: "59", Name: "verify forward to second service", Run: forward},
		{Number: "60", Name: "verify forward with updated state to second service", Run: forwardWithUpdate},
		{Number: "61", Name: "verify forward and side effect to second service", Run: forwardAndSideEffect},
		{Number: "62", Name: "verify failure action", Run: failure},
		{Number: "63", Name: "verify connection after failure action", Run: afterFailure},
		{Number: "64", Name: "verify failure action do not allow side effects", Run: failureDropsEffects},
	}
	for i := range cases {
		c := &cases[i]
		c.Section, c.Kind = "Value entities: function", suite.Model
		if c.Services == nil {
			c.Services = []string{modelService}
		}
	}
	return cases
}

func discovery(t *suite.T) {
	for service, id := range map[string]string{modelService: "value-entity-tck-model", twoService: "value-entity-tck-model-two"} {
		e := t.Entity(service)
		if e.GetEntityType() != entityType {
			t.Fatalf("%s has the entity type %q, not %q", service, e.GetEntityType(), entityType)
		}
		if e.GetPersistenceId() != id {
			t.Fatalf("%s has the persistence id %q, not %s", service, e.GetPersistenceId(), id)
		}
	}
}

func configuredDiscovery(t *suite.T) {
	t.Equal("the entity", &cloudstate.Entity{
		EntityType:    entityType,
		ServiceName:   configured,
		PersistenceId: "value-entity-configured",
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

func open(t *suite.T, init *streamIn) *modelStream {
	s := suite.Open(t, cloudstate.NewValueEntityClient(t.Function).Handle)
	s.Send(init)
	return &modelStream{Stream: s, key: init.GetInit().GetEntityId()}
}

func fresh(t *suite.T) *modelStream { return open(t, initial(modelService, t.Key())) }

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

// updates sends the next command, which updates the state several times, of
// which the last one counts.
func (s *modelStream) updates(values ...string) {
	last := values[len(values)-1]
	s.gets(last, []part{updated(last)}, updates(values...)...)
}

// reads sends the next command, which only reads.
func (s *modelStream) reads(text string) { s.gets(text, nil) }

func emptyState(t *suite.T) {
	s := fresh(t)
	s.reads("")
	s.Close()
}

func updateState(t *suite.T) {
	s := fresh(t)
	s.updates("A")
	s.reads("A")
	s.Close()
}

func deleteState(t *suite.T) {
	s := fresh(t)
	s.updates("A")
	s.gets("", []part{deleted()}, remove())
	s.reads("")
	s.Close()
}

func multipleUpdates(t *suite.T) {
	s := fresh(t)
	s.updates("A", "B", "C")
	s.reads("C")
	s.Close()
}

func updatesAndDelete(t *suite.T) {
	s := fresh(t)
	s.gets("", []part{deleted()}, update("A"), update("B"), remove())
	s.reads("")
	s.Close()
}

func updateDeleteUpdate(t *suite.T) {
	s := fresh(t)
	s.gets("B", []part{updated("B")}, update("A"), remove(), update("B"))
	s.reads("B")
	s.Close()
}

func rehydration(t *suite.T) {
	s := fresh(t)
	for _, v := range []string{"A", "B", "C", "D"} {
		s.updates(v)
	}
	s.Close()
	again := open(t, initialWith(modelService, s.key, "D"))
	again.updates("E")
	again.reads("E")
	again.Close()
}

func multipleSideEffects(t *suite.T) {
	s := fresh(t)
	s.gets("", []part{effects("1", "2", "3")}, effectOn("1"), effectOn("2"), effectOn("3"))
	s.Close()
}

func sideEffect(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.updates("X")
	s.gets("X", []part{effects(other)}, effectOn(other))
	s.reads("X")
	s.Close()
}

func effectsAndState(t *suite.T) {
	s := fresh(t)
	s.gets("E", []part{updated("E"), effects("1", "2", "3")},
		append(updates("A", "B", "C", "D", "E"), effectOn("1"), effectOn("2"), effectOn("3"))...)
	s.Close()
}

func synchronousSideEffect(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.gets("", []part{synchronousEffects(other)}, synchronousEffectOn(other))
	s.Close()
}

func forward(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.updates("X")
	s.Expect(forwarded(s.ask(forwardTo(other)), other))
	s.reads("X")
	s.Close()
}

func forwardWithUpdate(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.Expect(forwarded(s.ask(update("A"), forwardTo(other)), other, updated("A")))
	s.Close()
}

func forwardAndSideEffect(t *suite.T) {
	s, other, another := fresh(t), t.Key(), t.Key()
	s.Expect(forwarded(s.ask(forwardTo(other), effectOn(another)), other, effects(another)))
	s.Close()
}

func failure(t *suite.T) {
	s := fresh(t)
	s.Expect(refused(s.ask(fail("expected failure")), "expected failure"))
	s.Close()
}

func afterFailure(t *suite.T) {
	s := fresh(t)
	s.updates("A")
	s.Expect(refused(s.ask(fail("expected failure")), "expected failure"))
	s.reads("A")
	s.Close()
}

func failureDropsEffects(t *suite.T) {
	s, other := fresh(t), t.Key()
	s.Expect(refused(s.ask(effectOn(other), fail("expected failure")), "expected failure"))
	s.Close()
}

// SPDX-License-Identifier: Apache-2.0

// Package crdt has the cases about CRDTs: 96 to 177 about functions, 178 to 183
// about proxies.
package crdt

import (
	"slices"
	"strconv"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Model returns the cases about functions.
func Model() []suite.Case {
	cases := slices.Concat([]suite.Case{
		{Number: "96", Name: "verify CRDT entity discovery", Run: discovery, Services: []string{modelService, twoService}},
		{Number: "97", Name: "verify CRDT configured entity", Run: configuredDiscovery, Services: []string{configured}},
	}, counterCases(), setCases(), registerCases(), flagCases(), mapCases(), voteCases(), commandCases())
	for i := range cases {
		c := &cases[i]
		c.Section, c.Kind = "CRDTs: function", suite.Model
		if c.Services == nil {
			c.Services = []string{modelService}
		}
	}
	return cases
}

// kindCases are those that there are of each type of data.
type kindCases struct {
	empty      []step
	changes    []step
	init       []step
	replicated []step
	mix        []step
	more       []suite.Case // without numbers, between the others
	rehydrated []step
	deleted    []step
}

// of numbers the cases of a type.
func of(kind string, first int, k *kindCases) []suite.Case {
	verify := func(name string, steps []step) suite.Case {
		return suite.Case{Name: "verify " + kind + " " + name, Run: play(kind, steps...)}
	}
	cases := slices.Concat([]suite.Case{
		verify("initial empty state", k.empty),
		verify("state changes", k.changes),
		verify("initial delta in init", k.init),
		verify("initial empty state with replicated initial delta", k.replicated),
		verify("mix of local and replicated state changes", k.mix),
	}, k.more, []suite.Case{
		verify("rehydration after passivation", k.rehydrated),
		verify("delete action received from entity", k.deleted),
		verify("delete action sent to entity", []step{isDeleted()}),
	})
	for i := range cases {
		cases[i].Number = strconv.Itoa(first + i)
	}
	return cases
}

func discovery(t *suite.T) {
	for _, service := range []string{modelService, twoService} {
		if e := t.Entity(service); e.GetEntityType() != entityType {
			t.Fatalf("%s has the entity type %q, not %q", service, e.GetEntityType(), entityType)
		}
	}
}

func configuredDiscovery(t *suite.T) {
	e := t.Entity(configured)
	if e.GetEntityType() != entityType {
		t.Fatalf("%s has the entity type %q, not %q", configured, e.GetEntityType(), entityType)
	}
	t.Equal("the passivation", &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
		Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: 100},
	}}, e.GetPassivationStrategy())
}

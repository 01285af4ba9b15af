// SPDX-License-Identifier: Apache-2.0

// Package action has the cases about actions: 3 to 36 about functions, 37 to 45
// about proxies. What the proxy says is compared without its metadata, of which
// it may send what it likes to an action.
package action

import (
	"fmt"

	"github.com/kairn-dev/kairn/tck/suite"
)

// An answer is one of the ways in which the model can answer.
type answer struct {
	name string
	step func(text string) []*step
	want func(text string) *response
}

// The ways in which the model can answer.
var (
	reply   = answer{"reply", one(replies), replied}
	noReply = answer{"no reply", func(string) []*step { return nil }, func(string) *response { return nothing() }}
	forward = answer{"forward", one(forwards), forwarded}
	failure = answer{"failure", one(fails), failed}
)

func one(f func(string) *step) func(string) []*step {
	return func(text string) []*step { return []*step{f(text)} }
}

// group asks for an answer, and for more.
func (a answer) group(text string, more ...*step) *group { return of(append(a.step(text), more...)...) }

// Model returns the cases about functions.
func Model() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T)) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprint(len(cases) + 3),
			Section:  "Actions: function",
			Name:     "verify " + name,
			Kind:     suite.Model,
			Services: []string{modelService, twoService},
			Run:      run,
		})
	}
	add("action entity discovery", discovery)
	for _, a := range []answer{reply, noReply, forward, failure} {
		add("unary command "+a.name, unary(a))
		add("unary command "+a.name+" with side effect", unary(a, effect{"other", false}))
		add("unary command "+a.name+" with synchronous side effect", unary(a, effect{"another", true}))
		add("unary command "+a.name+" with multiple side effects", unary(a, effect{"a", false}, effect{"b", false}, effect{"c", false}))
	}
	add("streamed-in command reply", streamedIn(reply))
	add("streamed-in command reply with side effects", streamedInWithEffects(reply))
	add("streamed-in command no reply (no requests)", nothingStreamedIn)
	add("streamed-in command no reply", streamedIn(noReply))
	add("streamed-in command no reply with side effects", streamedInWithEffects(noReply))
	add("streamed-in command forward", streamedIn(forward))
	add("streamed-in command forward with side effects", streamedInWithEffects(forward))
	add("streamed-in command failure", streamedIn(failure))
	add("streamed-in command failure with side effects", streamedInWithEffects(failure))
	add("streamed-out command replies and side effects", streamedOut(reply))
	add("streamed-out command no replies and side effects", streamedOut(noReply))
	add("streamed-out command forwards and side effects", streamedOut(forward))
	add("streamed-out command failures and side effects", streamedOut(failure))
	add("streamed command replies and side effects", streamed(reply))
	add("streamed command no replies and side effects", streamed(noReply))
	add("streamed command forwards and side effects", streamed(forward))
	add("streamed command failures and side effects", streamed(failure))
	return cases
}

func discovery(t *suite.T) {
	for _, service := range []string{modelService, twoService} {
		if e := t.Entity(service); e.GetEntityType() != entityType {
			t.Fatalf("%s has the entity type %q, not %q", service, e.GetEntityType(), entityType)
		}
	}
}

func unary(a answer, all ...effect) func(*suite.T) {
	return func(t *suite.T) {
		text := t.Key()
		g := a.group(text)
		for _, e := range all {
			if e.synchronous {
				g.Steps = append(g.Steps, effectsAtOnce(e.id))
			} else {
				g.Steps = append(g.Steps, effects(e.id))
			}
		}
		ctx, cancel := t.Waiting()
		defer cancel()
		got := &response{}
		if err := t.Function.Invoke(ctx, handleUnary, calls("ProcessUnary", ask(g)), got); err != nil {
			t.Fatalf("the function has not answered: %v", err)
		}
		t.Equal("what the function says", with(a.want(text), all...), got)
	}
}

// streamIn sends requests, and expects one response when there are no more.
func streamIn(t *suite.T, want *response, in ...*request) {
	s := suite.OpenMethod[command, response](t, t.Function, handleStreamedIn)
	s.Send(names("ProcessStreamedIn"))
	for _, r := range in {
		s.Send(message(r))
	}
	s.HalfClose()
	s.Expect(want)
	s.Ended()
}

func nothingStreamedIn(t *suite.T) { streamIn(t, nothing()) }

func streamedIn(a answer) func(*suite.T) {
	return func(t *suite.T) {
		text := t.Key()
		in := ask(a.group(text))
		if a.name == noReply.name {
			in = ask()
		}
		streamIn(t, a.want(text), in)
	}
}

func streamedInWithEffects(a answer) func(*suite.T) {
	return func(t *suite.T) {
		text := t.Key()
		streamIn(t, with(a.want(text), effect{"a", false}, effect{"b", true}, effect{"c", false}, effect{"d", false}),
			ask(a.group(text, effects("a"))),
			ask(of(effectsAtOnce("b"))),
			ask(of(effects("c"), effects("d"))))
	}
}

// groups returns four groups, and the responses that they ask for.
func groups(t *suite.T, a answer) (in []*group, want []*response) {
	more := [][]*step{nil, {effects("one")}, {effectsAtOnce("two")}, {effects("a"), effects("b"), effects("c")}}
	lead := [][]effect{nil, {{"one", false}}, {{"two", true}}, {{"a", false}, {"b", false}, {"c", false}}}
	for i := range more {
		text := t.Key()
		in = append(in, a.group(text, more[i]...))
		want = append(want, with(a.want(text), lead[i]...))
	}
	return in, want
}

func streamedOut(a answer) func(*suite.T) {
	return func(t *suite.T) {
		in, want := groups(t, a)
		s := suite.OpenMethod[command, response](t, t.Function, handleStreamedOut)
		s.Send(calls("ProcessStreamedOut", ask(in...)))
		s.HalfClose()
		for _, w := range want {
			s.Expect(w)
		}
		s.Ended()
	}
}

// streamed expects the response to each request before it sends the next one.
// The last request asks for two.
func streamed(a answer) func(*suite.T) {
	return func(t *suite.T) {
		in, want := groups(t, a)
		s := suite.OpenMethod[command, response](t, t.Function, handleStreamed)
		s.Send(names("ProcessStreamed"))
		for i := range 2 {
			s.Send(message(ask(in[i])))
			s.Expect(want[i])
		}
		s.Send(message(ask(in[2:]...)))
		s.Expect(want[2])
		s.Expect(want[3])
		s.Close()
	}
}

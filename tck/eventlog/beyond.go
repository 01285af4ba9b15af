// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"fmt"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventlogeventing"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T)) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("G%d", len(cases)+1),
			Section:  "Kairn: event logs",
			Name:     name,
			Kind:     suite.Proxy,
			Services: []string{subscriber, entityOne, entityTwo},
			Run:      run,
		})
	}
	add("metadata of an event: what it is, and whose", attributes)
	add("events of one instance come in order", inOrder)
	add("consumer with many responses, one of them a forward", streamed)
	add("consumer that refuses an event gets it again, and then those after it", refuses)
	return cases
}

func attributes(t *suite.T) {
	e := one(t)
	event := pack(eventOne(replies("A")))
	e.emits(emitsOne(e.key, replies("A")), event)
	c := t.Call(handleUnary)
	said := says(t, c, tells("ProcessEventOne", event))
	c.FromFunction(replied(e.key, "A"))
	got := map[string]string{}
	for _, m := range said.GetMetadata().GetEntries() {
		got[m.GetKey()] += m.GetStringValue()
	}
	for name, want := range map[string]string{
		"ce-specversion": "1.0",
		"ce-source":      logOne,
		"ce-type":        event.GetTypeUrl(),
		"ce-subject":     e.key,
		"content-type":   "application/vnd.cloudstate.protobuf.any",
	} {
		if got[name] != want {
			t.Fatalf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got["ce-id"] == "" {
		t.Fatalf("the event has no ce-id")
	}
}

func inOrder(t *suite.T) {
	e := one(t)
	texts := []string{"A", "B", "C", "D", "E"}
	for _, text := range texts {
		e.emits(emitsOne(e.key, replies(text)), pack(eventOne(replies(text))))
	}
	for _, text := range texts {
		told(t, tells("ProcessEventOne", pack(eventOne(replies(text)))), replied(e.key, text))
	}
}

func streamed(t *suite.T) {
	e := one(t)
	steps := []*step{replies("A"), forwards("B"), replies("C")}
	event := pack(eventTwo(steps...))
	e.emits(emitsTwo(e.key, steps...), event)
	c := t.Call(handleStreamedOut)
	says(t, c, tells("ProcessEventTwo", event))
	c.FromFunction(replied(e.key, "A"))
	c.FromFunction(forwarded(e.key, "B"))
	told(t, tells("Effect", pack(&eventlogeventing.EffectRequest{Id: e.key, Message: "B"})), replied(e.key, "B"))
	c.FromFunction(replied(e.key, "C"))
	c.Ended()
}

func refuses(t *suite.T) {
	t.AllowReports()
	release := t.Script(processOne)
	e := one(t)
	first, second := pack(eventOne(replies("A"))), pack(eventOne(replies("B")))
	e.emits(emitsOne(e.key, replies("A")), first)
	ctx, cancel := t.Waiting()
	defer cancel()
	call, err := t.Target.Script.Actions.Next(ctx, processOne)
	if err != nil {
		t.Fatalf("%v", err)
	}
	e.emits(emitsOne(e.key, replies("B")), second)
	release()
	if err := call.Send(failed("not now")); err != nil {
		t.Fatalf("the proxy has given up the call: %v", err)
	}
	call.End(nil)
	told(t, tells("ProcessEventOne", first), failed("not now"))
	told(t, tells("ProcessEventOne", first), replied(e.key, "A"))
	told(t, tells("ProcessEventOne", second), replied(e.key, "B"))
}

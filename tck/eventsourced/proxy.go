// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Proxy returns the cases about proxies.
func Proxy() []suite.Case {
	both := []string{modelService, twoService}
	cases := []suite.Case{
		{Number: "91", Name: "verify state changes", Services: both[:1], Run: stateChanges},
		{Number: "92", Name: "verify forwards and side effects", Services: both, Run: forwardsAndSideEffects},
		{Number: "93", Name: "verify failures", Services: both[:1], Run: failures},
		{Number: "94", Name: "verify HTTP API", Services: both, HTTP: true, Run: httpAPI},
		{Number: "95", Name: "verify passivation timeout", Services: []string{configured}, Run: passivation},
	}
	for i := range cases {
		cases[i].Section, cases[i].Kind = "Event sourced entities: proxy", suite.Proxy
	}
	return cases
}

// A connection is a stream for an instance, as seen in between.
type connection struct {
	*suite.Connection
	key string
	id  int64 // of the last command
}

// opened waits for the stream that the proxy opens for an instance, which
// begins with an init without a snapshot.
func opened(t *suite.T, service, key string) *connection {
	c := &connection{t.Connection(handle, service, key), key, 0}
	c.FromProxy(initial(service, key))
	return c
}

// passed expects the next command of the first entity, and its reply.
func (c *connection) passed(actions []*action, text string, parts ...part) {
	c.command(actions...)
	c.FromFunction(reply(c.id, text, parts...))
}

func (c *connection) command(actions ...*action) {
	c.id++
	c.FromProxy(command(c.id, c.key, actions...))
}

// called expects the next command of one of the other entities, and its reply.
func (c *connection) called() {
	c.id++
	c.FromProxy(call(c.id, c.key))
	c.FromFunction(reply(c.id, ""))
}

func stateChanges(t *suite.T) {
	client, key := client{t}, t.Key()
	client.gets("", key)
	s := opened(t, modelService, key)
	s.passed(nil, "")
	client.gets("A", key, emit("A"))
	s.passed(emits("A"), "A", events("A"))
	client.gets("ABCD", key, emits("B", "C", "D")...)
	s.passed(emits("B", "C", "D"), "ABCD", events("B", "C", "D"))
	client.gets("ABCDE", key, emit("E"))
	s.passed(emits("E"), "ABCDE", events("E"), snapshot("ABCDE"))
	client.gets("ABCDEFGHI", key, emits("F", "G", "H", "I")...)
	s.passed(emits("F", "G", "H", "I"), "ABCDEFGHI", events("F", "G", "H", "I"))
	client.gets("ABCDEFGHIJK", key, emits("J", "K")...)
	s.passed(emits("J", "K"), "ABCDEFGHIJK", events("J", "K"), snapshot("ABCDEFGHIJK"))
}

func forwardsAndSideEffects(t *suite.T) {
	client, key, other := client{t}, t.Key(), t.Key()
	client.gets("A", key, emit("A"))
	s := opened(t, modelService, key)
	s.passed(emits("A"), "A", events("A"))

	client.gets("", key, forwardTo(other))
	s.command(forwardTo(other))
	s.FromFunction(forwarded(s.id, other))
	two := opened(t, twoService, other)
	two.called()

	client.gets("A", key, effectOn(other))
	s.passed([]*action{effectOn(other)}, "A", effects(other))
	two.called()

	client.gets("A", key)
	s.passed(nil, "A")
}

func failures(t *suite.T) {
	client, key := client{t}, t.Key()
	client.gets("123", key, emits("1", "2", "3")...)
	s := opened(t, modelService, key)
	s.passed(emits("1", "2", "3"), "123", events("1", "2", "3"))

	client.fails("expected failure", key, fail("expected failure"))
	s.command(fail("expected failure"))
	s.FromFunction(refused(s.id, "expected failure", false))

	client.gets("123", key)
	s.passed(nil, "123")

	actions := []*action{emit("4"), fail("another failure"), emit("5")}
	client.fails("another failure", key, actions...)
	s.command(actions...)
	s = s.failed(t, "another failure", "1", "2", "3")

	client.gets("12345", key, emits("4", "5")...)
	s.passed(emits("4", "5"), "12345", events("4", "5"), snapshot("12345"))
}

// failed expects the function to refuse the last command, and returns the
// stream on which to go on: if the function has asked for a restart, one that
// the proxy opens at once, with what is stored.
func (c *connection) failed(t *suite.T, description string, sofar ...string) *connection {
	got := c.NextFromFunction().(*streamOut)
	restart := got.GetReply().GetClientAction().GetFailure().GetRestart()
	t.Equal("what the function says", refused(c.id, description, restart), got)
	if !restart {
		return c
	}
	c.Closed()
	again := opened(t, modelService, c.key)
	for i, value := range sofar {
		again.FromProxy(stored(int64(i)+1, value))
	}
	return again
}

func passivation(t *suite.T) {
	key := t.Key()
	if err := t.Invoke(callConfigured, request(key), &eventsourced.Response{}); err != nil {
		t.Fatalf("the client got %v", err)
	}
	answered := time.Now()
	s := opened(t, configured, key)
	s.called()
	s.Closed()
	if took := time.Since(answered); took > 2*time.Second {
		t.Fatalf("the stream was closed after %v, though the entity asks for passivation after 100 ms", took)
	}
}

// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"net/http"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Proxy returns the cases about proxies.
func Proxy() []suite.Case {
	both := []string{modelService, twoService}
	cases := []suite.Case{
		{Number: "65", Name: "verify state changes", Services: both[:1], Run: stateChanges},
		{Number: "66", Name: "verify forwards and side effects", Services: both, Run: forwardsAndSideEffects},
		{Number: "67", Name: "verify failures", Services: both[:1], Run: failures},
		{Number: "68", Name: "verify HTTP API", Services: both, HTTP: true, Run: httpAPI},
		{Number: "69", Name: "verify passivation timeout", Services: []string{configured}, Run: passivation},
	}
	for i := range cases {
		cases[i].Section, cases[i].Kind = "Value entities: proxy", suite.Proxy
	}
	return cases
}

// A connection is a stream for an instance, as seen in between.
type connection struct {
	*suite.Connection
	key string
	id  int64 // of the last command
}

// opened waits for the stream that the proxy opens for an instance of which
// nothing is stored.
func opened(t *suite.T, service, key string) *connection {
	return openedBy(t, service, initial(service, key))
}

func openedBy(t *suite.T, service string, init *streamIn) *connection {
	key := init.GetInit().GetEntityId()
	c := &connection{t.Connection(handle, service, key), key, 0}
	c.FromProxy(init)
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
	client.gets("one", key, update("one"))
	s.passed(updates("one"), "one", updated("one"))
	client.gets("two", key, update("two"))
	s.passed(updates("two"), "two", updated("two"))
	client.gets("two", key)
	s.passed(nil, "two")
	client.gets("", key, remove())
	s.passed([]*action{remove()}, "", deleted())
	client.gets("", key)
	s.passed(nil, "")
	client.gets("foo", key, update("foo"))
	s.passed(updates("foo"), "foo", updated("foo"))
	client.gets("", key, remove())
	s.passed([]*action{remove()}, "", deleted())
}

func forwardsAndSideEffects(t *suite.T) {
	client, key, other := client{t}, t.Key(), t.Key()
	client.gets("one", key, update("one"))
	s := opened(t, modelService, key)
	s.passed(updates("one"), "one", updated("one"))

	client.gets("", key, forwardTo(other))
	s.command(forwardTo(other))
	s.FromFunction(forwarded(s.id, other))
	two := opened(t, twoService, other)
	two.called()

	client.gets("one", key, effectOn(other))
	s.passed([]*action{effectOn(other)}, "one", effects(other))
	two.called()

	client.gets("one", key)
	s.passed(nil, "one")
}

func failures(t *suite.T) {
	client, key := client{t}, t.Key()
	client.gets("one", key, update("one"))
	s := opened(t, modelService, key)
	s.passed(updates("one"), "one", updated("one"))

	client.fails("expected failure", key, fail("expected failure"))
	s.command(fail("expected failure"))
	s.FromFunction(refused(s.id, "expected failure"))

	client.gets("one", key)
	s.passed(nil, "one")
}

func httpAPI(t *suite.T) {
	key, other := t.Key(), t.Key()
	path := "/tck/model/entity/" + key
	t.Post(path, `{}`, http.StatusOK, `{"message":""}`)
	s := opened(t, modelService, key)
	s.passed(nil, "")

	t.Post("/"+twoService+"/Call", `{"id":"`+other+`"}`, http.StatusOK, `{"message":""}`)
	opened(t, twoService, other).called()

	t.Post(path, `{"actions":[{"update":{"value":"one"}}]}`, http.StatusOK, `{"message":"one"}`)
	s.passed(updates("one"), "one", updated("one"))

	t.Post(path, `{"actions":[{"fail":{"message":"boom"}}]}`, http.StatusInternalServerError, `boom`)
	s.command(fail("boom"))
	s.FromFunction(refused(s.id, "boom"))

	t.Post(path, `{"actions":[{"update":{"value":"two"}}]}`, http.StatusOK, `{"message":"two"}`)
	s.passed(updates("two"), "two", updated("two"))

	t.Post(path, `{}`, http.StatusOK, `{"message":"two"}`)
	s.passed(nil, "two")
}

func passivation(t *suite.T) {
	key := t.Key()
	if err := t.Invoke(callConfigured, request(key), &valueentity.Response{}); err != nil {
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

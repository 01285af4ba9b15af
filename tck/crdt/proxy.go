// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Barrier is a call of the model's second entity.
func Barrier() suite.Barrier {
	return suite.Barrier{Service: twoService, Call: func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error {
		return proxy.Invoke(ctx, callTwo, request(key), &crdt.Response{})
	}}
}

// Proxy returns the cases about proxies.
func Proxy() []suite.Case {
	both := []string{modelService, twoService}
	cases := []suite.Case{
		{Number: "178", Name: "verify state changes", Services: both[:1], Run: stateChanges},
		{Number: "179", Name: "verify forwards and side effects", Services: both, Run: forwardsAndSideEffects},
		{Number: "180", Name: "verify failures", Services: both[:1], Run: failures},
		{Number: "181", Name: "verify streamed responses for connection tracking", Services: both[:1], Run: connectionTracking},
		{Number: "182", Name: "verify HTTP API", Services: both, HTTP: true, Run: httpAPI},
		{Number: "183", Name: "verify passivation timeout", Services: []string{configured}, Run: passivation},
	}
	for i := range cases {
		cases[i].Section, cases[i].Kind = "CRDTs: proxy", suite.Proxy
	}
	return cases
}

// A client calls the model through the proxy, and compares what it gets.
type client struct {
	t   *suite.T
	key string
}

// gets calls the first entity and expects that state.
func (c client) gets(want *state, actions ...*action) {
	c.answered(process, &crdt.Response{State: want}, actions...)
}

// getsTwo calls the second entity and expects the empty response.
func (c client) getsTwo(actions ...*action) { c.answered(callTwo, &crdt.Response{}, actions...) }

func (c client) answered(path string, want *crdt.Response, actions ...*action) {
	c.t.Gets(path, request(c.key, actions...), want)
}

// fails calls the first entity and expects an error with that description.
func (c client) fails(description string, actions ...*action) {
	c.t.Fails(process, request(c.key, actions...), &crdt.Response{}, description)
}

// watches calls the streamed command.
func (c client) watches(in *crdt.StreamedRequest) *suite.Stream[crdt.StreamedRequest, crdt.Response] {
	s := suite.OpenMethod[crdt.StreamedRequest, crdt.Response](c.t, c.t.Proxy, processStreamed)
	s.Send(in)
	s.HalfClose()
	return s
}

// A connection is a stream for an instance, as seen in between.
type connection struct {
	*suite.Connection
	key string
	id  int64 // of the last command
}

// opened waits for the stream that the proxy opens for an instance of which
// nothing is known.
func opened(t *suite.T, service, key string) *connection {
	c := &connection{t.Connection(handle, service, key), key, 0}
	c.FromProxy(initial(service, key, nil))
	return c
}

// command expects the next command.
func (c *connection) command(name string, in proto.Message) {
	c.id++
	c.FromProxy(command(name, c.id, c.key, in))
}

// passed expects the next command of the first entity, and its reply.
func (c *connection) passed(actions []*action, want *state, parts ...part) {
	c.command("Process", request(c.key, actions...))
	c.FromFunction(reply(c.id, says(want), parts...))
}

// refused expects the next command of the first entity, and that it is refused.
func (c *connection) refused(description string, actions ...*action) {
	c.command("Process", request(c.key, actions...))
	c.FromFunction(reply(c.id, refuses(c.id, description)))
}

// called expects the next command of one of the other entities, and its reply.
func (c *connection) called(actions []*action, parts ...part) {
	c.command("Call", request(c.key, actions...))
	c.FromFunction(reply(c.id, says(nil), parts...))
}

func stateChanges(t *suite.T) {
	client := client{t, t.KeyOf("PNCounter")}
	client.gets(pnCounter(0))
	s := opened(t, modelService, client.key)
	s.passed(nil, pnCounter(0))
	client.gets(pnCounter(2), updates(changes(1, -2, 3)...)...)
	s.passed(updates(changes(1, -2, 3)...), pnCounter(2), updated(pnCounterDelta(2)))
	client.gets(pnCounter(7), updates(changes(4, -5, 6)...)...)
	s.passed(updates(changes(4, -5, 6)...), pnCounter(7), updated(pnCounterDelta(5)))
	client.gets(pnCounter(7), remove())
	s.passed([]*action{remove()}, pnCounter(7), deleted())
	s.Closed()
}

// forwardsAndSideEffects: both entities have an instance with the same key.
func forwardsAndSideEffects(t *suite.T) {
	client := client{t, t.KeyOf("GSet")}
	client.gets(gSet("one"), updates(gSetAdds("one")...)...)
	s := opened(t, modelService, client.key)
	s.passed(updates(gSetAdds("one")...), gSet("one"), updated(gSetDelta("one")))

	client.gets(nil, forwardTo(client.key))
	s.command("Process", request(client.key, forwardTo(client.key)))
	s.FromFunction(reply(s.id, forwards(client.key)))
	two := opened(t, twoService, client.key)
	two.called(nil)

	client.gets(gSet("one"), effectsOn(client.key)...)
	s.passed(effectsOn(client.key), gSet("one"), effects(client.key))
	two.called(nil)

	client.gets(gSet("one"), remove())
	s.passed([]*action{remove()}, gSet("one"), deleted())
	s.Closed()
	client.getsTwo(remove())
	two.called([]*action{remove()}, deleted())
	two.Closed()
}

func failures(t *suite.T) {
	client := client{t, t.KeyOf("GCounter")}
	client.gets(gCounter(42), updates(increments(42)...)...)
	s := opened(t, modelService, client.key)
	s.passed(updates(increments(42)...), gCounter(42), updated(gCounterDelta(42)))
	client.fails("expected failure", fail("expected failure"))
	s.refused("expected failure", fail("expected failure"))
	client.gets(gCounter(42), remove())
	s.passed([]*action{remove()}, gCounter(42), deleted())
	s.Closed()
}

// connectionTracking: a client that watches, and one whose connection is a vote.
func connectionTracking(t *suite.T) {
	client := client{t, t.KeyOf("Vote")}
	off, on := vote(false, 0, 1), vote(true, 1, 1)

	watching := &crdt.StreamedRequest{Id: client.key}
	monitor := client.watches(watching)
	monitor.Expect(&crdt.Response{State: off})
	s := opened(t, modelService, client.key)
	s.command("ProcessStreamed", watching)
	s.FromFunction(firstReply(s.id, says(off)))
	watchID := s.id

	connecting := &crdt.StreamedRequest{Id: client.key, InitialUpdate: votes(true)[0], CancelUpdate: votes(false)[0], Empty: true}
	connect := client.watches(connecting)
	monitor.Expect(&crdt.Response{State: on})
	s.command("ProcessStreamed", connecting)
	s.FromFunction(firstReply(s.id, nil, updated(voteCast(true))))
	s.FromFunction(streamed(watchID, on))

	connect.Cancel()
	monitor.Expect(&crdt.Response{State: off})
	s.FromProxy(cancelled(s.id, client.key))
	s.FromFunction(noted(s.id, updated(voteCast(false))))
	s.FromFunction(streamed(watchID, off))

	monitor.Cancel()
	s.FromProxy(cancelled(watchID, client.key))
	s.FromFunction(noted(watchID))

	client.gets(off, remove())
	s.passed([]*action{remove()}, off, deleted())
	s.Closed()
}

func httpAPI(t *suite.T) {
	key, other := t.KeyOf("PNCounter"), t.Key()
	path := "/tck/model/crdt/" + key
	t.Post(path, `{}`, http.StatusOK, `{"state":{"pncounter":{"value":"0"}}}`)
	s := opened(t, modelService, key)
	s.passed(nil, pnCounter(0))

	t.Post("/"+twoService+"/Call", `{"id":"`+other+`"}`, http.StatusOK, `{}`)
	opened(t, twoService, other).called(nil)

	t.Post(path, `{"actions":[{"update":{"pncounter":{"change":42}}}]}`, http.StatusOK, `{"state":{"pncounter":{"value":"42"}}}`)
	s.passed(updates(changes(42)...), pnCounter(42), updated(pnCounterDelta(42)))

	t.Post(path, `{"actions":[{"fail":{"message":"expected failure"}}]}`, http.StatusInternalServerError, `expected failure`)
	s.refused("expected failure", fail("expected failure"))

	t.Post(path, `{"actions":[{"update":{"pncounter":{"change":-123}}}]}`, http.StatusOK, `{"state":{"pncounter":{"value":"-81"}}}`)
	s.passed(updates(changes(-123)...), pnCounter(-81), updated(pnCounterDelta(-123)))

	t.Post(path, `{"actions":[{"delete":{}}]}`, http.StatusOK, `{"state":{"pncounter":{"value":"-81"}}}`)
	s.passed([]*action{remove()}, pnCounter(-81), deleted())
	s.Closed()
}

func passivation(t *suite.T) {
	key := t.Key()
	if err := t.Invoke(callConfigured, request(key), &crdt.Response{}); err != nil {
		t.Fatalf("the client got %v", err)
	}
	answered := time.Now()
	s := opened(t, configured, key)
	s.called(nil)
	s.Closed()
	if took := time.Since(answered); took > 2*time.Second {
		t.Fatalf("the stream was closed after %v, though the entity asks for passivation after 100 ms", took)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package eventlog has the cases about methods that consume the events of
// entities: 184 to 186, which look at proxies. What the proxy says to the
// consumer is compared without its metadata, but for the case that is about that.
package eventlog

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventlogeventing"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Proxy returns the cases of the reference.
func Proxy() []suite.Case {
	cases := []suite.Case{
		{Number: "184", Name: "verify events are consumed", Run: consumed},
		{Number: "185", Name: "verify forwards of consumed events", Run: consumedAndForwarded},
		{Number: "186", Name: "verify events in JSON", Run: consumedJSON},
	}
	for i := range cases {
		c := &cases[i]
		c.Section, c.Kind = "Event logs: proxy", suite.Proxy
		c.Services = []string{subscriber, entityOne, entityTwo}
	}
	return cases
}

// An emitter is an instance whose events are consumed, as seen in between.
type emitter struct {
	*suite.Connection
	t       *suite.T
	key     string
	service string
	name    string // of its command
	path    string // likewise
	id      int64  // of the last command
}

// emits has an instance emit its first event.
func (e *emitter) emits(in proto.Message, event *anypb.Any) {
	e.t.Gets(e.path, in, &emptypb.Empty{})
	if e.Connection == nil {
		e.Connection = e.t.Connection(handle, e.service, e.key)
		e.FromProxy(initial(e.service, e.key))
	}
	e.id++
	e.FromProxy(commands(e.id, e.name, e.key, in))
	e.FromFunction(emitted(e.id, event))
}

func one(t *suite.T) *emitter {
	return &emitter{t: t, key: t.Key(), service: entityOne, name: "EmitEvent", path: emitEvent}
}

// told expects a call of a unary method of the subscriber, and its response.
func told(t *suite.T, in *command, out *response) {
	c := t.Call(handleUnary)
	says(t, c, in)
	c.FromFunction(out)
}

// says expects the proxy to say that, whatever the metadata, and returns what it
// said.
func says(t *suite.T, c *suite.Connection, want *command) *command {
	said := c.NextFromProxy().(*command)
	got := proto.CloneOf(said)
	got.Metadata = nil
	t.Equal("what the proxy says", want, got)
	return said
}

func consumed(t *suite.T) {
	e := one(t)
	e.emits(emitsOne(e.key, replies("some message")), pack(eventOne(replies("some message"))))
	told(t, tells("ProcessEventOne", pack(eventOne(replies("some message")))), replied(e.key, "some message"))
}

func consumedAndForwarded(t *suite.T) {
	e := one(t)
	e.emits(emitsOne(e.key, forwards("some message")), pack(eventOne(forwards("some message"))))
	told(t, tells("ProcessEventOne", pack(eventOne(forwards("some message")))), forwarded(e.key, "some message"))
	told(t, tells("Effect", pack(&eventlogeventing.EffectRequest{Id: e.key, Message: "some message"})), replied(e.key, "some message"))
}

func consumedJSON(t *suite.T) {
	e := &emitter{t: t, key: t.Key(), service: entityTwo, name: "EmitJsonEvent", path: emitJSONEvent}
	e.emits(&eventlogeventing.JsonEvent{Id: e.key, Message: "some message"}, inJSON("some message"))
	told(t, tells("ProcessAnyEvent", inJSON("some message")), replied(e.key, "some message"))
}

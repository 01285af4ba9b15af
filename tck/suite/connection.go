// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/intercept"
)

// A Connection is a call between proxy and function, as seen in between. What
// either side says is read in order; what isn't read is held against the case.
type Connection struct {
	t    *T
	call *exchange.Call
}

// FromProxy waits for the proxy's next message and compares it.
func (c *Connection) FromProxy(want proto.Message) { c.expect(exchange.Caller, want) }

// FromFunction waits for the function's next message and compares it.
func (c *Connection) FromFunction(want proto.Message) { c.expect(exchange.Callee, want) }

// NextFromProxy waits for the proxy's next message, whatever it is.
func (c *Connection) NextFromProxy() proto.Message { return c.message(exchange.Caller) }

// NextFromFunction waits for the function's next message, whatever it is.
func (c *Connection) NextFromFunction() proto.Message { return c.message(exchange.Callee) }

// HalfClosed waits until the proxy says no more, without anything being wrong.
func (c *Connection) HalfClosed() { c.end(exchange.Caller) }

// Ended waits until the function has ended the call, without anything being
// wrong.
func (c *Connection) Ended() { c.end(exchange.Callee) }

// Closed waits until the proxy has half-closed the call and the function has
// ended it, both without anything being wrong.
func (c *Connection) Closed() {
	c.HalfClosed()
	c.Ended()
}

// Over waits until the call is over, however it ended.
func (c *Connection) Over() {
	for !c.next(exchange.Callee).End() {
	}
	c.Ignore()
}

func (c *Connection) end(side exchange.Side) {
	switch e := c.next(side); {
	case !e.End():
		c.t.Fatalf("%s should have ended call #%d, but said:\n%s", c.name(side), c.call.Number, exchange.Text(e.Message))
	case e.Err != nil:
		c.t.Fatalf("%s should have ended call #%d well, but: %v", c.name(side), c.call.Number, e.Err)
	}
}

// Ignore lets anything happen in the call from now on.
func (c *Connection) Ignore() { c.call.Ignore() }

func (c *Connection) expect(side exchange.Side, want proto.Message) {
	e := c.next(side)
	if e.End() {
		c.t.Fatalf("%s has ended call #%d (%s) instead of saying:\n%s",
			c.name(side), c.call.Number, status.Convert(e.Err).Message(), exchange.Text(want))
	}
	c.t.Equal("what "+c.name(side)+" says", want, e.Message)
}

func (c *Connection) message(side exchange.Side) proto.Message {
	e := c.next(side)
	if e.End() {
		c.t.Fatalf("%s has ended call #%d (%s)", c.name(side), c.call.Number, status.Convert(e.Err).Message())
	}
	return e.Message
}

func (c *Connection) next(side exchange.Side) *exchange.Entry {
	ctx, cancel := c.t.Waiting()
	defer cancel()
	e, err := c.call.Next(ctx, side)
	if err != nil {
		c.t.Fatalf("nothing came from %s in call #%d within %v", c.name(side), c.call.Number, Wait)
	}
	return e
}

func (c *Connection) name(side exchange.Side) string {
	if side == exchange.Caller {
		return "the " + c.call.Link.Caller
	}
	return "the " + c.call.Link.Callee
}

// method finds calls of the proxy by their method.
func method(path string) func(*exchange.Call, proto.Message) bool {
	return func(c *exchange.Call, _ proto.Message) bool {
		return c.Link == exchange.ProxyToFunction && c.Method == path
	}
}

// stream finds calls of the proxy by the instance that they are for.
func stream(path, service, key string) func(*exchange.Call, proto.Message) bool {
	return func(c *exchange.Call, first proto.Message) bool {
		s, k := instance(c, first)
		return c.Method == path && s == service && k == key
	}
}

// instance returns what instance a call of the proxy is for.
func instance(c *exchange.Call, first proto.Message) (service, key string) {
	if c.Link != exchange.ProxyToFunction || first == nil {
		return "", ""
	}
	return intercept.Instance(first)
}

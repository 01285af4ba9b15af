// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

// A scene is a case in which a script plays one instance, a GCounter. Beside it
// stands another instance, of the function itself, which must not notice.
type scene struct {
	client
	service string
	release func() // lets the function have the streams that are opened from now on

	bystander *connection
}

func newScene(t *suite.T) *scene { return newSceneOf(t, modelService) }

func newSceneOf(t *suite.T, service string) *scene {
	s := &scene{client: client{t, t.KeyOf("GCounter")}, service: service}
	s.release = t.Script(s.key)
	t.AllowReports()
	other := client{t, t.KeyOf("GCounter")}
	other.gets(gCounter(7), updates(increments(7)...)...)
	s.bystander = opened(t, modelService, other.key)
	s.bystander.passed(updates(increments(7)...), gCounter(7), updated(gCounterDelta(7)))
	return s
}

// over ends the scene: the bystander goes on in the stream that it had.
func (s *scene) over() {
	other := client{s.t, s.bystander.key}
	other.gets(gCounter(7))
	s.bystander.passed(nil, gCounter(7))
}

// An act is one stream of the instance, played by the script.
type act struct {
	*connection
	*suite.Act[streamIn, streamOut]
}

// opens waits for the next stream, which begins with an init.
func (s *scene) opens(known *delta) *act {
	c := &connection{s.t.Connection(handle, s.service, s.key), s.key, 0}
	c.FromProxy(initial(s.service, s.key, known))
	return &act{c, suite.Perform(c.Connection, s.t.Target.Script.CRDT, s.key)}
}

// takes expects the next command.
func (a *act) takes(actions ...*action) { a.command("Process", request(a.key, actions...)) }

// A question is a call by the client that is under way.
type question struct{ *suite.Question }

func (s *scene) asks(actions ...*action) question {
	path := process
	if s.service == configured {
		path = callConfigured
	}
	return question{s.t.Ask(path, request(s.key, actions...), &crdt.Response{})}
}

// is expects that state as the answer.
func (q question) is(want *state) { q.Gets(&crdt.Response{State: want}) }

// works expects that the next command finds the function itself, in a new
// stream, and that value.
func (s *scene) works(value uint64) {
	var known *delta
	if value > 0 {
		known = gCounterDelta(value)
	}
	s.gets(gCounter(value))
	c := &connection{s.t.Connection(handle, s.service, s.key), s.key, 0}
	c.FromProxy(initial(s.service, s.key, known))
	c.passed(nil, gCounter(value))
}

// recovers is works for the case that the next command, or several, may still
// be told of the trouble, as long as it isn't for ever.
func (s *scene) recovers(value uint64) {
	s.t.Recovers(func() *suite.Question { return s.asks().Question }, &crdt.Response{State: gCounter(value)})
	s.t.Connection(handle, s.service, s.key).Ignore()
}

// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/script"
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
	t      *suite.T
	stream *script.Stream[streamIn, streamOut]
}

// opens waits for the next stream, which begins with an init.
func (s *scene) opens(known *delta) *act {
	c := &connection{s.t.Connection(handle, s.service, s.key), s.key, 0}
	c.FromProxy(initial(s.service, s.key, known))
	ctx, cancel := s.t.Waiting()
	defer cancel()
	stream, err := s.t.Target.Script.CRDT.Next(ctx, s.key)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	s.t.Cleanup(func() { stream.End(nil) })
	return &act{c, s.t, stream}
}

// takes expects the next command.
func (a *act) takes(actions ...*action) { a.command("Process", request(a.key, actions...)) }

// says sends a message.
func (a *act) says(m *streamOut) {
	if err := a.stream.Send(m); err != nil {
		a.t.Fatalf("the proxy has given up the stream: %v", err)
	}
	a.FromFunction(m)
}

// leaves says a last message, after which the proxy is to give the stream up.
func (a *act) leaves(m *streamOut) {
	a.says(m)
	a.Ignore()
}

// ends ends the stream, well or with an error.
func (a *act) ends(err error) {
	a.Ignore()
	a.stream.End(err)
}

// A question is a call by the client that is under way.
type question struct {
	t       *suite.T
	pending *suite.Pending
}

func (s *scene) asks(actions ...*action) *question {
	path := process
	if s.service == configured {
		path = callConfigured
	}
	return &question{s.t, s.t.Start(path, request(s.key, actions...), &crdt.Response{})}
}

// is expects that state as the answer.
func (q *question) is(want *state) {
	m, err := q.pending.Wait()
	if err != nil {
		q.t.Fatalf("the client should have got %v, but got %v", want, err)
	}
	q.t.Equal("what the client got", &crdt.Response{State: want}, m)
}

// fails expects an error with that description.
func (q *question) fails(description string) {
	_, err := q.pending.Wait()
	if s := status.Convert(err); err == nil || s.Message() != description {
		q.t.Fatalf("the client should have got the error %q, but got %v", description, err)
	}
}

// troubled expects an error that says something.
func (q *question) troubled() {
	if q.maybe() {
		q.t.Fatalf("the client got a reply, though the function did not answer")
	}
}

// maybe expects an answer, or an error that says something, and reports whether
// it was an answer.
func (q *question) maybe() bool {
	_, err := q.pending.Wait()
	if err != nil && (status.Convert(err).Message() == "" || status.Code(err) == codes.OK) {
		q.t.Fatalf("the client got the code %v without a word", status.Code(err))
	}
	return err == nil
}

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
	for range 3 {
		q := s.asks()
		if q.maybe() {
			q.is(gCounter(value))
			s.t.Connection(handle, s.service, s.key).Ignore()
			return
		}
	}
	s.t.Fatalf("the instance did not recover within three commands")
}

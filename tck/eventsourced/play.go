// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/suite"
)

// A play is a case in which a script plays one instance. Beside it stands
// another instance, of the function itself, which must not notice.
type play struct {
	client
	service string
	key     string
	release func() // lets the function have the streams that are opened from now on

	bystander *connection
}

func newPlay(t *suite.T) *play { return newPlayOf(t, modelService) }

func newPlayOf(t *suite.T, service string) *play {
	p := &play{client: client{t}, service: service, key: t.Key()}
	p.release = t.Script(p.key)
	other := t.Key()
	p.gets("B", other, emit("B"))
	p.bystander = opened(t, modelService, other)
	p.bystander.passed(emits("B"), "B", events("B"))
	return p
}

// over ends the play: the bystander goes on in the stream that it had.
func (p *play) over() {
	p.gets("B", p.bystander.key)
	p.bystander.passed(nil, "B")
}

// An act is one stream of the instance, played by the script.
type act struct {
	*connection
	t      *suite.T
	stream *script.Stream[streamIn, streamOut]
}

// opens waits for the next stream, which begins with an init.
func (p *play) opens() *act {
	a := &act{opened(p.t, p.service, p.key), p.t, nil}
	ctx, cancel := p.t.Waiting()
	defer cancel()
	var err error
	if a.stream, err = p.t.Target.Script.EventSourced.Next(ctx, p.key); err != nil {
		p.t.Fatalf("%v", err)
	}
	p.t.Cleanup(func() { a.stream.End(nil) })
	return a
}

// takes expects the next command.
func (a *act) takes(actions ...*action) { a.command(actions...) }

// says sends a message.
func (a *act) says(m *streamOut) {
	if err := a.stream.Send(m); err != nil {
		a.t.Fatalf("the proxy has given up the stream: %v", err)
	}
	a.FromFunction(m)
}

// leaves says a last message, after which the proxy is to give the stream up,
// however it does that.
func (a *act) leaves(m *streamOut) {
	a.says(m)
	a.Ignore()
}

// ends ends the stream, well or with an error. What the proxy has sent
// meanwhile is lost.
func (a *act) ends(err error) {
	a.Ignore()
	a.stream.End(err)
}

// closes waits until the proxy has half-closed the stream, and ends it.
func (a *act) closes() {
	a.HalfClosed()
	a.stream.End(nil)
	a.Ended()
}

// A question is a call by the client that is under way.
type question struct {
	client
	pending *suite.Pending
}

func (p *play) asks(actions ...*action) *question {
	path := process
	if p.service == configured {
		path = callConfigured
	}
	return &question{p.client, p.t.Start(path, request(p.key, actions...), &eventsourced.Response{})}
}

// gets expects that text as the answer.
func (q *question) gets(text string) {
	m, err := q.pending.Wait()
	if err != nil {
		q.t.Fatalf("the client should have got %q, but got %v", text, err)
	}
	q.t.Equal("what the client got", &eventsourced.Response{Message: text}, m)
}

// fails expects an error with that description.
func (q *question) fails(description string) {
	_, err := q.pending.Wait()
	q.failed(description, err)
}

// troubled expects an error that says something.
func (q *question) troubled() {
	if !q.maybe() {
		return
	}
	q.t.Fatalf("the client got a reply, though the function did not answer")
}

// maybe expects an answer, or an error that says something, and reports whether
// it was an answer.
func (q *question) maybe() bool {
	_, err := q.pending.Wait()
	if err == nil {
		return true
	}
	if s := status.Convert(err); s.Message() == "" {
		q.t.Fatalf("the client got the code %v without a word", s.Code())
	}
	return false
}

// works expects that the next command finds the function itself, in a new
// stream, and the state that these stored events make.
func (p *play) works(state string, sofar ...string) {
	p.gets(state, p.key)
	p.reopened(sofar...).passed(nil, state)
}

// reopened waits for a new stream, to the function itself, with what is stored.
func (p *play) reopened(sofar ...string) *connection {
	s := opened(p.t, p.service, p.key)
	for i, value := range sofar {
		s.FromProxy(stored(int64(i)+1, value))
	}
	return s
}

// recovers is works for the case that the next command, or several, may still
// be told of the trouble, as long as it isn't for ever.
func (p *play) recovers(state string) {
	for range 3 {
		q := p.asks()
		if q.maybe() {
			q.gets(state)
			p.t.Connection(handle, p.service, p.key).Ignore()
			return
		}
	}
	p.t.Fatalf("the instance did not recover within three commands")
}

// empty is a message without anything in it.
func empty() *streamOut { return &cloudstate.EventSourcedStreamOut{} }

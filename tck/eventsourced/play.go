// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
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
	*suite.Act[streamIn, streamOut]
}

// opens waits for the next stream, which begins with an init.
func (p *play) opens() *act {
	seen := opened(p.t, p.service, p.key)
	return &act{seen, suite.Perform(seen.Connection, p.t.Target.Script.EventSourced, p.key)}
}

// takes expects the next command.
func (a *act) takes(actions ...*action) { a.command(actions...) }

// A question is a call by the client that is under way.
type question struct{ *suite.Question }

func (p *play) asks(actions ...*action) question {
	path := process
	if p.service == configured {
		path = callConfigured
	}
	return question{p.t.Ask(path, request(p.key, actions...), answer(""))}
}

// text returns what the client got, if that is an answer.
func (q question) text() string { return q.Answer().(*eventsourced.Response).GetMessage() }

// gets expects that text as the answer.
func (q question) gets(text string) { q.Gets(answer(text)) }

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
	p.t.Recovers(func() *suite.Question { return p.asks().Question }, answer(state))
	p.t.Connection(handle, p.service, p.key).Ignore()
}

// empty is a message without anything in it.
func empty() *streamOut { return &cloudstate.EventSourcedStreamOut{} }

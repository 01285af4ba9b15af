// SPDX-License-Identifier: Apache-2.0

// Package single has the cases about what functions do wrong that are alike for
// all entity types whose instances handle one command at a time.
package single

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Names are those of a kind.
type Names struct {
	Letter     string // of the cases' numbers
	Section    string
	Model      string // the service of the first entity
	Configured string // the service of the one that is passivated soon
}

// Methods are those of a kind.
type Methods struct {
	Handle         string // of the protocol
	Process        string // of the first entity
	CallConfigured string // of the one that is passivated soon
}

// A Kind is an entity type, as far as the cases have to know it: In is what the
// proxy says to a function, Out what that says.
type Kind[In, Out any] struct {
	Names
	Methods

	Streams func(*script.Function) *script.Streams[In, Out]

	// Request asks the first entity to keep a value, or for nothing but its state
	// if that is empty; Answer is what a client gets.
	Request func(key, value string) proto.Message
	Answer  func(text string) proto.Message

	// Kept is a value as it is stored, Then the state that it makes of another.
	Kept func(value string) *anypb.Any
	Then func(state, value string) string

	// Begin returns what the proxy says first to an instance of which these are
	// stored, oldest first; Command gives it a command.
	Begin   func(service, key string, kept []*anypb.Any) []*In
	Command func(*cloudstate.Command) *In

	// Reply is the function's answer to a command, with what is to be kept if
	// that is not nil; Failed says that the function can't go on.
	Reply  func(id int64, a *cloudstate.ClientAction, kept *anypb.Any, effects ...*cloudstate.SideEffect) *Out
	Failed func(*cloudstate.Failure) *Out

	Replays bool // whether what is stored is told one by one
}

// crashed says that the function can't go on.
func (k *Kind[In, Out]) crashed(id int64, description string) *Out {
	return k.Failed(&cloudstate.Failure{CommandId: id, Description: description})
}

// says is a reply with that text for the client.
func (k *Kind[In, Out]) says(text string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(k.Answer(text))}}}
}

// refuses is a failure of a command.
func refuses(description string, restart bool) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: 1, Description: description, Restart: restart},
	}}
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

// A play is a case in which a script plays one instance. Beside it stands
// another instance, of the function itself, which must not notice.
type play[In, Out any] struct {
	*Kind[In, Out]
	t       *suite.T
	service string
	key     string
	release func() // lets the function have the streams that are opened from now on

	kept  []*anypb.Any // of the instance
	state string       // that these make

	bystander *stream[In, Out]
}

// A stream is one of an instance, as it is seen.
type stream[In, Out any] struct {
	*suite.Connection
	*play[In, Out]
	id int64 // of the last command
}

func newPlay[In, Out any](t *suite.T, k *Kind[In, Out], service string) *play[In, Out] {
	other := &play[In, Out]{Kind: k, t: t, service: k.Model, key: t.Key()}
	t.Gets(k.Process, k.Request(other.key, "B"), k.Answer("B"))
	p := &play[In, Out]{Kind: k, t: t, service: service, key: t.Key(), bystander: other.opened()}
	p.bystander.takes("B")
	p.bystander.FromFunction(asMessage(k.Reply(1, k.says("B"), k.Kept("B"))))
	p.release = t.Script(p.key)
	t.AllowReports()
	return p
}

// over ends the play: the bystander goes on in the stream that it had.
func (p *play[In, Out]) over() {
	other := p.bystander
	p.t.Gets(p.Process, p.Request(other.key, ""), p.Answer("B"))
	other.takes("")
	other.FromFunction(asMessage(p.Reply(other.id, p.says("B"), nil)))
}

func asMessage(m any) proto.Message { return m.(proto.Message) }

// opened waits for the next stream, which begins with what is stored.
func (p *play[In, Out]) opened() *stream[In, Out] {
	s := &stream[In, Out]{p.t.Connection(p.Handle, p.service, p.key), p, 0}
	for _, m := range p.Begin(p.service, p.key, p.kept) {
		s.FromProxy(asMessage(m))
	}
	return s
}

// takes expects the next command.
func (s *stream[In, Out]) takes(value string) {
	s.id++
	name := "Process"
	if s.service == s.Configured {
		name = "Call"
	}
	s.FromProxy(asMessage(s.Command(&cloudstate.Command{EntityId: s.key, Id: s.id, Name: name, Payload: pack(s.Request(s.key, value))})))
}

// An act is a stream of the instance, played by the script.
type act[In, Out any] struct {
	*stream[In, Out]
	*suite.Act[In, Out]
}

// opens waits for the next stream.
func (p *play[In, Out]) opens() *act[In, Out] { return p.plays(p.opened()) }

// plays takes the script's end of a stream.
func (p *play[In, Out]) plays(s *stream[In, Out]) *act[In, Out] {
	return &act[In, Out]{s, suite.Perform(s.Connection, p.Streams(p.t.Target.Script), p.key)}
}

// keeps answers the command, and has the value kept.
func (a *act[In, Out]) keeps(value string) {
	p := a.play
	p.state = p.Then(p.state, value)
	p.kept = append(p.kept, p.Kept(value))
	a.Says(p.Reply(a.id, p.says(p.state), p.Kept(value)))
}

// asks begins a call by the client.
func (p *play[In, Out]) asks(value string) *suite.Question {
	path := p.Process
	if p.service == p.Configured {
		path = p.CallConfigured
	}
	return p.t.Ask(path, p.Request(p.key, value), p.Answer(""))
}

// stored has the script store values, in a stream that it then gives up.
func (p *play[In, Out]) stored(values ...string) {
	var a *act[In, Out]
	for _, v := range values {
		q := p.asks(v)
		if a == nil {
			a = p.opens()
		}
		a.takes(v)
		a.keeps(v)
		q.Gets(p.Answer(p.state))
	}
	q := p.asks("")
	a.takes("")
	a.Leaves(p.crashed(a.id, "forget it"))
	q.Fails("forget it")
}

// works expects that the next command finds the function itself, in a new stream,
// and what is stored.
func (p *play[In, Out]) works() {
	p.t.Gets(p.Process, p.Request(p.key, ""), p.Answer(p.state))
	s := p.opened()
	s.takes("")
	s.FromFunction(asMessage(p.Reply(s.id, p.says(p.state), nil)))
}

// recovers is works for the case that the next command, or several, may still be
// told of the trouble, as long as it isn't for ever.
func (p *play[In, Out]) recovers() {
	p.t.Recovers(func() *suite.Question { return p.asks("") }, p.Answer(p.state))
	p.t.Connection(p.Handle, p.service, p.key).Ignore()
}

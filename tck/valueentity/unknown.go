// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/tck/suite"
)

// What a proxy can't know, and targets that are not there.

// unknown is a state of a type that is in no descriptor.
func unknown() *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/tck.Unknown", Value: []byte{0xff}}
}

func unknownState(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	m := reply(1, "A", updated("A"))
	m.GetReply().GetStateAction().GetUpdate().Value = unknown()
	a.Says(m)
	q.gets("A")
	q = p.asks()
	a.takes()
	a.Leaves(crashed(2, "enough"))
	q.Fails("enough")

	q = p.asks()
	seen := &connection{t.Connection(handle, p.service, p.key), p.key, 0}
	in := initial(p.service, p.key)
	in.GetInit().GetState().Value = unknown()
	seen.FromProxy(in)
	a = p.act(seen)
	a.takes()
	a.Says(reply(1, "known"))
	q.gets("known")
	p.over()
}

// answers has the script answer the first command with that message.
func (p *play) answers(m *streamOut) (*act, question) {
	q := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	a.Says(m)
	return a, q
}

// goesOn expects the next command in the same stream.
func (p *play) goesOn(a *act) {
	q := p.asks()
	a.takes()
	a.Says(reply(a.id, "as before"))
	q.gets("as before")
}

func otherType(t *suite.T) {
	p := newPlay(t)
	m := reply(1, "A", updated("A"))
	m.GetReply().GetClientAction().GetReply().GetPayload().TypeUrl = "type.googleapis.com/tck.Other"
	a, q := p.answers(m)
	q.gets("A")
	t.Reported("tck.Other")
	p.goesOn(a)
	p.over()
}

func unknownForward(service, name, reported string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		m := forwarded(1, "somewhere", updated("A"))
		forward := m.GetReply().GetClientAction().GetForward()
		forward.ServiceName, forward.CommandName = service, name
		a, q := p.answers(m)
		q.Troubled()
		t.Reported(reported)
		p.goesOn(a)
		p.over()
	}
}

func unknownEffect(synchronous bool) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		m := reply(1, "A", updated("A"), effectsOn(synchronous, []string{"somewhere"}))
		m.GetReply().GetSideEffects()[0].ServiceName = "tck.Unknown"
		a, q := p.answers(m)
		q.gets("A")
		t.Reported("tck.Unknown")
		p.goesOn(a)
		p.over()
	}
}

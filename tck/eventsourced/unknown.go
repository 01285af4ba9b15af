// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// What a proxy can't know, and targets that are not there.

// unknown is an event of a type that is in no descriptor.
func unknown() *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/tck.Unknown", Value: []byte{0xff}}
}

func unknownEvent(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	m := reply(1, "A")
	m.GetReply().Events = []*anypb.Any{unknown()}
	a.Says(m)
	q.gets("A")
	q = p.asks()
	a.takes()
	a.Leaves(crashed(2, "enough"))
	q.Fails("enough")

	q = p.asks()
	a = p.opens()
	a.FromProxy(&streamIn{Message: &cloudstate.EventSourcedStreamIn_Event{
		Event: &cloudstate.EventSourcedEvent{Sequence: 1, Payload: unknown()},
	}})
	a.takes()
	a.Says(reply(1, "known"))
	q.gets("known")
	p.over()
}

func otherType(t *suite.T) {
	p := newPlay(t)
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	m := reply(1, "A", events("A"))
	m.GetReply().GetClientAction().GetReply().GetPayload().TypeUrl = "type.googleapis.com/tck.Other"
	a.Says(m)
	q.gets("A")
	t.Reported("tck.Other")
	p.goesOn(a)
	p.over()
}

func unknownForward(service, name, reported string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		a.Says(forwardedTo(1, service, name, "somewhere", events("A")))
		q.Troubled()
		t.Reported(reported)
		p.goesOn(a)
		p.over()
	}
}

func unknownEffect(synchronous bool) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		m := reply(1, "A", events("A"), effectsOn(synchronous, []string{"somewhere"}))
		m.GetReply().GetSideEffects()[0].ServiceName = "tck.Unknown"
		a.Says(m)
		q.gets("A")
		t.Reported("tck.Unknown")
		p.goesOn(a)
		p.over()
	}
}

// goesOn expects the next command in the same stream.
func (p *play) goesOn(a *act) {
	q := p.asks()
	a.takes()
	a.Says(reply(a.id, "as before"))
	q.gets("as before")
}

// SPDX-License-Identifier: Apache-2.0

// Package trouble has the cases about a proxy whose store fails. They run only
// with a proxy whose store does so on demand, which is for the tests of a proxy to
// see to: what the store is given, and what it is asked for, says what it is to do.
//
//	an event or value that contains [Refuses]   is refused, and nothing of its write is stored
//	an event or value that contains [Full]      likewise, for want of room
//	an event or value that contains [Loses]     is stored, and the proxy does not hear of it, once
//	a key that contains [Unread]                can't be read, the first time
package trouble

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/tck/suite"
)

// What tells the store to fail.
const (
	Refuses = "tck-store-refuses"
	Full    = "tck-store-full"
	Loses   = "tck-store-loses"
	Unread  = "tck-store-unread"
)

// Cases returns the cases.
func Cases() []suite.Case {
	var cases []suite.Case
	for _, k := range []*kind{&journal, &value} {
		for _, c := range []struct {
			name string
			run  func(*play)
		}{
			{"write that the store refuses: the client is told, nothing is stored", refused(Refuses, codes.Internal)},
			{"store without room: RESOURCE_EXHAUSTED, nothing is stored", refused(Full, codes.ResourceExhausted)},
			{"write whose outcome is lost: the client gets its reply, and it counts once", lost},
			{"instance that can't be read: the client is told, the next command brings it up", unread},
		} {
			cases = append(cases, suite.Case{
				Number:     fmt.Sprintf("S%d", len(cases)+1),
				Section:    "Kairn: stores that fail",
				Name:       k.name + ", " + c.name,
				Kind:       suite.Proxy,
				Services:   []string{k.service},
				StoreFails: true,
				Run:        func(t *suite.T) { k.play(t, c.run) },
			})
		}
	}
	return cases
}

// A kind is an entity of the model.
type kind struct {
	name, service, process, handle string

	request func(key, value string) proto.Message // to keep value, if it isn't empty
	reply   func(text string) proto.Message
	after   func(state, value string) string // the state then
}

var journal = kind{
	name:    "event sourced",
	service: eventsourced.EventSourcedTckModel_ServiceDesc.ServiceName,
	process: eventsourced.EventSourcedTckModel_Process_FullMethodName,
	handle:  cloudstate.EventSourced_Handle_FullMethodName,
	request: func(key, value string) proto.Message {
		in := &eventsourced.Request{Id: key}
		if value != "" {
			in.Actions = []*eventsourced.RequestAction{{Action: &eventsourced.RequestAction_Emit{Emit: &eventsourced.Emit{Value: value}}}}
		}
		return in
	},
	reply: func(text string) proto.Message { return &eventsourced.Response{Message: text} },
	after: func(state, value string) string { return state + value },
}

var value = kind{
	name:    "value",
	service: valueentity.ValueEntityTckModel_ServiceDesc.ServiceName,
	process: valueentity.ValueEntityTckModel_Process_FullMethodName,
	handle:  cloudstate.ValueEntity_Handle_FullMethodName,
	request: func(key, value string) proto.Message {
		in := &valueentity.Request{Id: key}
		if value != "" {
			in.Actions = []*valueentity.RequestAction{{Action: &valueentity.RequestAction_Update{Update: &valueentity.Update{Value: value}}}}
		}
		return in
	},
	reply: func(text string) proto.Message { return &valueentity.Response{Message: text} },
	after: func(_, value string) string { return value },
}

// A play is a case with one instance. Beside it stands another one, which must
// not notice: it keeps its stream.
type play struct {
	*kind
	t     *suite.T
	key   string
	state string // of the instance
}

func (k *kind) play(t *suite.T, run func(*play)) {
	other := &play{kind: k, t: t, key: t.Key()}
	other.keeps("B")
	other.opened()
	p := &play{kind: k, t: t, key: t.KeyOf("instance")}
	run(p)
	other.keeps("C")
}

// opened lets anything happen in the next stream of the instance.
func (p *play) opened() { p.t.Connection(p.handle, p.service, p.key).Ignore() }

// keeps has a value kept, if it isn't empty, and expects the state after that.
func (p *play) keeps(value string) {
	if value != "" {
		p.state = p.after(p.state, value)
	}
	p.t.Gets(p.process, p.request(p.key, value), p.reply(p.state))
}

// fails is likewise for what can't be done.
func (p *play) fails(value string, code codes.Code) {
	err := p.t.Invoke(p.process, p.request(p.key, value), p.reply(""))
	if s := status.Convert(err); s.Code() != code || s.Message() == "" {
		p.t.Fatalf("the client should have got the code %v and a text, but got %v %q", code, s.Code(), s.Message())
	}
}

// refused has the instance brought up afresh, since it believes what is not so.
func refused(value string, code codes.Code) func(*play) {
	return func(p *play) {
		p.keeps("A")
		p.opened()
		p.fails(value, code)
		p.keeps("")
		p.opened()
		p.keeps("D")
	}
}

// lost reads in the end what is stored: an instance whose write was refused is
// brought up afresh.
func lost(p *play) {
	p.keeps("A")
	p.opened()
	p.keeps(Loses)
	p.fails(Refuses, codes.Internal)
	p.keeps("")
	p.opened()
}

// unread does not care how far the proxy gets before it reads.
func unread(p *play) {
	p.key = p.t.KeyOf(Unread)
	p.fails("A", codes.Internal)
	p.t.IgnoreInstance(p.key)
	p.keeps("A")
	p.opened()
}

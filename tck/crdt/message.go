// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
)

const (
	entityType = "cloudstate.crdt.Crdt"
	handle     = cloudstate.Crdt_Handle_FullMethodName

	process         = crdt.CrdtTckModel_Process_FullMethodName
	processStreamed = crdt.CrdtTckModel_ProcessStreamed_FullMethodName
	callTwo         = crdt.CrdtTwo_Call_FullMethodName
	callConfigured  = crdt.CrdtConfigured_Call_FullMethodName
)

// The services of the model.
var (
	modelService = crdt.CrdtTckModel_ServiceDesc.ServiceName
	twoService   = crdt.CrdtTwo_ServiceDesc.ServiceName
	configured   = crdt.CrdtConfigured_ServiceDesc.ServiceName
)

type (
	streamIn  = cloudstate.CrdtStreamIn
	streamOut = cloudstate.CrdtStreamOut
	delta     = cloudstate.CrdtDelta
	action    = crdt.RequestAction
	change    = crdt.Update
	state     = crdt.State
)

// What a request may ask of the model.

// updates asks for several updates.
func updates(all ...*change) []*action {
	var actions []*action
	for _, u := range all {
		actions = append(actions, &action{Action: &crdt.RequestAction_Update{Update: u}})
	}
	return actions
}

func remove() *action {
	return &action{Action: &crdt.RequestAction_Delete{Delete: &crdt.Delete{}}}
}

func forwardTo(key string) *action {
	return &action{Action: &crdt.RequestAction_Forward{Forward: &crdt.Forward{Id: key}}}
}

// effectsOn asks for several effects.
func effectsOn(keys ...string) []*action {
	var actions []*action
	for _, key := range keys {
		actions = append(actions, &action{Action: &crdt.RequestAction_Effect{Effect: &crdt.Effect{Id: key}}})
	}
	return actions
}

func synchronousEffectOn(key string) *action {
	return &action{Action: &crdt.RequestAction_Effect{Effect: &crdt.Effect{Id: key, Synchronous: true}}}
}

func fail(message string) *action {
	return &action{Action: &crdt.RequestAction_Fail{Fail: &crdt.Fail{Message: message}}}
}

func request(key string, actions ...*action) *crdt.Request {
	return &crdt.Request{Id: key, Actions: actions}
}

// What the proxy says.

// initial begins a stream for an instance that others have brought to a state;
// d is nil if there are no others.
func initial(service, key string, d *delta) *streamIn {
	return &streamIn{Message: &cloudstate.CrdtStreamIn_Init{Init: &cloudstate.CrdtInit{ServiceName: service, EntityId: key, Delta: d}}}
}

func replicated(d *delta) *streamIn {
	return &streamIn{Message: &cloudstate.CrdtStreamIn_Delta{Delta: d}}
}

func deletion() *streamIn {
	return &streamIn{Message: &cloudstate.CrdtStreamIn_Delete{Delete: &cloudstate.CrdtDelete{}}}
}

func cancelled(id int64, key string) *streamIn {
	return &streamIn{Message: &cloudstate.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &cloudstate.StreamCancelled{EntityId: key, Id: id},
	}}
}

// command is one of the model's entities. The streamed one takes another request.
func command(name string, id int64, key string, in proto.Message) *streamIn {
	_, streamed := in.(*crdt.StreamedRequest)
	return &streamIn{Message: &cloudstate.CrdtStreamIn_Command{
		Command: &cloudstate.Command{EntityId: key, Id: id, Name: name, Payload: pack(in), Streamed: streamed},
	}}
}

// What the function says.

// A part is what a message of the function has besides its client action.
type part struct {
	state   *cloudstate.CrdtStateAction
	effects []*cloudstate.SideEffect
	last    bool // of a streamed command
}

// updated is a change of the data; if d is nil, there is none.
func updated(d *delta) part { return updatedAt(cloudstate.CrdtWriteConsistency(0), d) }

func updatedAt(c cloudstate.CrdtWriteConsistency, d *delta) part {
	if d == nil {
		return part{}
	}
	return part{state: &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: d}, WriteConsistency: c}}
}

func deleted() part {
	return part{state: &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Delete{Delete: &cloudstate.CrdtDelete{}}}}
}

func effects(keys ...string) part { return effectsOf(false, keys) }

func synchronousEffects(keys ...string) part { return effectsOf(true, keys) }

func effectsOf(synchronous bool, keys []string) part {
	var p part
	for _, key := range keys {
		p.effects = append(p.effects, &cloudstate.SideEffect{
			ServiceName: twoService, CommandName: "Call", Payload: pack(request(key)), Synchronous: synchronous,
		})
	}
	return p
}

func ending() part { return part{last: true} }

// sum puts parts together.
func sum(parts []part) part {
	var all part
	for _, p := range parts {
		if p.state != nil {
			all.state = p.state
		}
		all.effects = append(all.effects, p.effects...)
		all.last = all.last || p.last
	}
	return all
}

// says is a reply with that state for the client.
func says(s *state) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
		Reply: &cloudstate.Reply{Payload: pack(&crdt.Response{State: s})},
	}}
}

// forwards lets the second entity answer.
func forwards(key string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
		Forward: &cloudstate.Forward{ServiceName: twoService, CommandName: "Call", Payload: pack(request(key))},
	}}
}

func refuses(id int64, description string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}}
}

// reply answers a command.
func reply(id int64, a *cloudstate.ClientAction, parts ...part) *streamOut {
	return replyOf(id, a, false, parts)
}

// firstReply answers a streamed command that goes on; a may be nil.
func firstReply(id int64, a *cloudstate.ClientAction, parts ...part) *streamOut {
	return replyOf(id, a, true, parts)
}

func replyOf(id int64, a *cloudstate.ClientAction, streamed bool, parts []part) *streamOut {
	all := sum(parts)
	return &streamOut{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{
		CommandId: id, ClientAction: a, SideEffects: all.effects, StateAction: all.state, Streamed: streamed,
	}}}
}

// streamed is a further message of a streamed command.
func streamed(id int64, s *state, parts ...part) *streamOut {
	all := sum(parts)
	return &streamOut{Message: &cloudstate.CrdtStreamOut_StreamedMessage{StreamedMessage: &cloudstate.CrdtStreamedMessage{
		CommandId: id, ClientAction: says(s), SideEffects: all.effects, EndStream: all.last,
	}}}
}

// noted answers a cancellation.
func noted(id int64, parts ...part) *streamOut {
	all := sum(parts)
	return &streamOut{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{
		StreamCancelledResponse: &cloudstate.CrdtStreamCancelledResponse{CommandId: id, SideEffects: all.effects, StateAction: all.state},
	}}
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

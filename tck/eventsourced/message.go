// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
)

const (
	entityType = "cloudstate.eventsourced.EventSourced"
	handle     = cloudstate.EventSourced_Handle_FullMethodName

	process        = eventsourced.EventSourcedTckModel_Process_FullMethodName
	callTwo        = eventsourced.EventSourcedTwo_Call_FullMethodName
	callConfigured = eventsourced.EventSourcedConfigured_Call_FullMethodName
)

// The services of the model.
var (
	modelService = eventsourced.EventSourcedTckModel_ServiceDesc.ServiceName
	twoService   = eventsourced.EventSourcedTwo_ServiceDesc.ServiceName
	configured   = eventsourced.EventSourcedConfigured_ServiceDesc.ServiceName
)

type (
	streamIn  = cloudstate.EventSourcedStreamIn
	streamOut = cloudstate.EventSourcedStreamOut
	action    = eventsourced.RequestAction
)

// What a request may ask of the model.

func emit(value string) *action {
	return &action{Action: &eventsourced.RequestAction_Emit{Emit: &eventsourced.Emit{Value: value}}}
}

func forwardTo(key string) *action {
	return &action{Action: &eventsourced.RequestAction_Forward{Forward: &eventsourced.Forward{Id: key}}}
}

func effectOn(key string) *action {
	return &action{Action: &eventsourced.RequestAction_Effect{Effect: &eventsourced.Effect{Id: key}}}
}

func synchronousEffectOn(key string) *action {
	return &action{Action: &eventsourced.RequestAction_Effect{Effect: &eventsourced.Effect{Id: key, Synchronous: true}}}
}

func fail(message string) *action {
	return &action{Action: &eventsourced.RequestAction_Fail{Fail: &eventsourced.Fail{Message: message}}}
}

// emits asks for several events.
func emits(values ...string) []*action {
	var all []*action
	for _, v := range values {
		all = append(all, emit(v))
	}
	return all
}

func request(key string, actions ...*action) *eventsourced.Request {
	return &eventsourced.Request{Id: key, Actions: actions}
}

// What the proxy says.

func initial(service, key string) *streamIn {
	return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: service, EntityId: key},
	}}
}

func initialWith(service, key string, seq int64, state string) *streamIn {
	in := initial(service, key)
	in.GetInit().Snapshot = &cloudstate.EventSourcedSnapshot{SnapshotSequence: seq, Snapshot: persisted(state)}
	return in
}

func stored(seq int64, value string) *streamIn { return storedAs(seq, persisted(value)) }

func storedAs(seq int64, payload *anypb.Any) *streamIn {
	return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Event{
		Event: &cloudstate.EventSourcedEvent{Sequence: seq, Payload: payload},
	}}
}

// command is one of the model's first entity.
func command(id int64, key string, actions ...*action) *streamIn {
	return commandOf("Process", id, key, actions...)
}

// call is a command of the model's other entities.
func call(id int64, key string) *streamIn { return commandOf("Call", id, key) }

func commandOf(name string, id int64, key string, actions ...*action) *streamIn {
	return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Command{
		Command: &cloudstate.Command{EntityId: key, Id: id, Name: name, Payload: pack(request(key, actions...))},
	}}
}

// What the function says.

// A part is what a reply has besides its client action.
type part func(*cloudstate.EventSourcedReply)

func events(values ...string) part {
	return func(r *cloudstate.EventSourcedReply) {
		for _, v := range values {
			r.Events = append(r.Events, persisted(v))
		}
	}
}

func snapshot(state string) part {
	return func(r *cloudstate.EventSourcedReply) { r.Snapshot = persisted(state) }
}

func effects(keys ...string) part { return effectsOn(false, keys) }

func synchronousEffects(keys ...string) part { return effectsOn(true, keys) }

func effectsOn(synchronous bool, keys []string) part {
	return func(r *cloudstate.EventSourcedReply) {
		for _, key := range keys {
			r.SideEffects = append(r.SideEffects, &cloudstate.SideEffect{
				ServiceName: twoService, CommandName: "Call", Payload: pack(request(key)), Synchronous: synchronous,
			})
		}
	}
}

// reply answers a command with that text.
func reply(id int64, text string, parts ...part) *streamOut {
	return replyWith(id, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
		Reply: &cloudstate.Reply{Payload: pack(&eventsourced.Response{Message: text})},
	}}, parts...)
}

// forwarded lets the second entity answer the command.
func forwarded(id int64, key string, parts ...part) *streamOut {
	return replyWith(id, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
		Forward: &cloudstate.Forward{ServiceName: twoService, CommandName: "Call", Payload: pack(request(key))},
	}}, parts...)
}

// refused answers a command with a failure.
func refused(id int64, description string, restart bool, parts ...part) *streamOut {
	return replyWith(id, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description, Restart: restart},
	}}, parts...)
}

func replyWith(id int64, a *cloudstate.ClientAction, parts ...part) *streamOut {
	r := &cloudstate.EventSourcedReply{CommandId: id, ClientAction: a}
	for _, p := range parts {
		p(r)
	}
	return &streamOut{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: r}}
}

func persisted(value string) *anypb.Any { return pack(&eventsourced.Persisted{Value: value}) }

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

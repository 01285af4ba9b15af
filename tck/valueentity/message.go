// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
)

const (
	entityType = "cloudstate.valueentity.ValueEntity"
	handle     = cloudstate.ValueEntity_Handle_FullMethodName

	process        = valueentity.ValueEntityTckModel_Process_FullMethodName
	callTwo        = valueentity.ValueEntityTwo_Call_FullMethodName
	callConfigured = valueentity.ValueEntityConfigured_Call_FullMethodName
)

// The services of the model.
var (
	modelService = valueentity.ValueEntityTckModel_ServiceDesc.ServiceName
	twoService   = valueentity.ValueEntityTwo_ServiceDesc.ServiceName
	configured   = valueentity.ValueEntityConfigured_ServiceDesc.ServiceName
)

type (
	streamIn  = cloudstate.ValueEntityStreamIn
	streamOut = cloudstate.ValueEntityStreamOut
	action    = valueentity.RequestAction
)

// What a request may ask of the model.

func update(value string) *action {
	return &action{Action: &valueentity.RequestAction_Update{Update: &valueentity.Update{Value: value}}}
}

// updates asks for several updates.
func updates(values ...string) []*action {
	var all []*action
	for _, v := range values {
		all = append(all, update(v))
	}
	return all
}

func remove() *action {
	return &action{Action: &valueentity.RequestAction_Delete{Delete: &valueentity.Delete{}}}
}

func forwardTo(key string) *action {
	return &action{Action: &valueentity.RequestAction_Forward{Forward: &valueentity.Forward{Id: key}}}
}

func effectOn(key string) *action {
	return &action{Action: &valueentity.RequestAction_Effect{Effect: &valueentity.Effect{Id: key}}}
}

func synchronousEffectOn(key string) *action {
	return &action{Action: &valueentity.RequestAction_Effect{Effect: &valueentity.Effect{Id: key, Synchronous: true}}}
}

func fail(message string) *action {
	return &action{Action: &valueentity.RequestAction_Fail{Fail: &valueentity.Fail{Message: message}}}
}

func request(key string, actions ...*action) *valueentity.Request {
	return &valueentity.Request{Id: key, Actions: actions}
}

// What the proxy says.

// initial begins a stream for an instance of which nothing is stored.
func initial(service, key string) *streamIn {
	return &streamIn{Message: &cloudstate.ValueEntityStreamIn_Init{
		Init: &cloudstate.ValueEntityInit{ServiceName: service, EntityId: key, State: &cloudstate.ValueEntityInitState{}},
	}}
}

// initialWith begins a stream for an instance of which that is stored.
func initialWith(service, key, state string) *streamIn {
	in := initial(service, key)
	in.GetInit().GetState().Value = persisted(state)
	return in
}

// command is one of the model's first entity.
func command(id int64, key string, actions ...*action) *streamIn {
	return commandOf("Process", id, key, actions...)
}

// call is a command of the model's other entities.
func call(id int64, key string) *streamIn { return commandOf("Call", id, key) }

func commandOf(name string, id int64, key string, actions ...*action) *streamIn {
	return &streamIn{Message: &cloudstate.ValueEntityStreamIn_Command{
		Command: &cloudstate.Command{EntityId: key, Id: id, Name: name, Payload: pack(request(key, actions...))},
	}}
}

// What the function says.

// A part is what a reply has besides its client action.
type part func(*cloudstate.ValueEntityReply)

func updated(value string) part {
	return func(r *cloudstate.ValueEntityReply) { r.StateAction = updateTo(persisted(value)) }
}

func updateTo(value *anypb.Any) *cloudstate.ValueEntityAction {
	return &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Update{
		Update: &cloudstate.ValueEntityUpdate{Value: value},
	}}
}

func deleted() part {
	return func(r *cloudstate.ValueEntityReply) {
		r.StateAction = &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Delete{Delete: &cloudstate.ValueEntityDelete{}}}
	}
}

func effects(keys ...string) part { return effectsOn(false, keys) }

func synchronousEffects(keys ...string) part { return effectsOn(true, keys) }

func effectsOn(synchronous bool, keys []string) part {
	return func(r *cloudstate.ValueEntityReply) {
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
		Reply: &cloudstate.Reply{Payload: pack(&valueentity.Response{Message: text})},
	}}, parts...)
}

// forwarded lets the second entity answer the command.
func forwarded(id int64, key string, parts ...part) *streamOut {
	return replyWith(id, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
		Forward: &cloudstate.Forward{ServiceName: twoService, CommandName: "Call", Payload: pack(request(key))},
	}}, parts...)
}

// refused answers a command with a failure.
func refused(id int64, description string) *streamOut {
	return replyWith(id, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}})
}

func replyWith(id int64, a *cloudstate.ClientAction, parts ...part) *streamOut {
	r := &cloudstate.ValueEntityReply{CommandId: id, ClientAction: a}
	for _, p := range parts {
		p(r)
	}
	return &streamOut{Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: r}}
}

func persisted(value string) *anypb.Any { return pack(&valueentity.Persisted{Value: value}) }

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

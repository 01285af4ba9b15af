// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventlogeventing"
)

// The methods of the protocol.
const (
	handle            = cloudstate.EventSourced_Handle_FullMethodName
	handleUnary       = cloudstate.ActionProtocol_HandleUnary_FullMethodName
	handleStreamedOut = cloudstate.ActionProtocol_HandleStreamedOut_FullMethodName
)

// The methods of the model.
const (
	emitEvent     = eventlogeventing.EventSourcedEntityOne_EmitEvent_FullMethodName
	emitJSONEvent = eventlogeventing.EventSourcedEntityTwo_EmitJsonEvent_FullMethodName
	processOne    = eventlogeventing.EventLogSubscriberModel_ProcessEventOne_FullMethodName
)

// The services of the model, and the logs of two of them.
var (
	subscriber = eventlogeventing.EventLogSubscriberModel_ServiceDesc.ServiceName
	entityOne  = eventlogeventing.EventSourcedEntityOne_ServiceDesc.ServiceName
	entityTwo  = eventlogeventing.EventSourcedEntityTwo_ServiceDesc.ServiceName
)

const logOne = "eventlogeventing-one"

type (
	streamIn  = cloudstate.EventSourcedStreamIn
	streamOut = cloudstate.EventSourcedStreamOut
	command   = cloudstate.ActionCommand
	response  = cloudstate.ActionResponse
	step      = eventlogeventing.ProcessStep
)

// What an event may ask of the subscriber.

func replies(message string) *step {
	return &step{Step: &eventlogeventing.ProcessStep_Reply{Reply: &eventlogeventing.Reply{Message: message}}}
}

func forwards(message string) *step {
	return &step{Step: &eventlogeventing.ProcessStep_Forward{Forward: &eventlogeventing.Forward{Message: message}}}
}

func eventOne(s *step) *eventlogeventing.EventOne { return &eventlogeventing.EventOne{Step: s} }

func eventTwo(steps ...*step) *eventlogeventing.EventTwo {
	return &eventlogeventing.EventTwo{Step: steps}
}

// emitsOne asks for an event of the first type.
func emitsOne(key string, s *step) *eventlogeventing.EmitEventRequest {
	return &eventlogeventing.EmitEventRequest{Id: key, Event: &eventlogeventing.EmitEventRequest_EventOne{EventOne: eventOne(s)}}
}

// emitsTwo asks for one of the second type.
func emitsTwo(key string, steps ...*step) *eventlogeventing.EmitEventRequest {
	return &eventlogeventing.EmitEventRequest{Id: key, Event: &eventlogeventing.EmitEventRequest_EventTwo{EventTwo: eventTwo(steps...)}}
}

// inJSON is an event of the second entity.
func inJSON(message string) *anypb.Any {
	text := fmt.Appendf(nil, `{"message":%q}`, message)
	return &anypb.Any{
		TypeUrl: "json.cloudstate.io/JsonEvent",
		Value:   protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), text),
	}
}

// What the proxy says.

func initial(service, key string) *streamIn {
	return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: service, EntityId: key},
	}}
}

func commands(id int64, name, key string, in proto.Message) *streamIn {
	return &streamIn{Message: &cloudstate.EventSourcedStreamIn_Command{
		Command: &cloudstate.Command{EntityId: key, Id: id, Name: name, Payload: pack(in)},
	}}
}

// tells is a call of the subscriber with an event.
func tells(name string, event *anypb.Any) *command {
	return &command{ServiceName: subscriber, Name: name, Payload: event}
}

// What the function says.

func emitted(id int64, events ...*anypb.Any) *streamOut {
	return &streamOut{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: &cloudstate.EventSourcedReply{
		CommandId:    id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(&emptypb.Empty{})}}},
		Events:       events,
	}}}
}

func replied(key, message string) *response {
	return &response{Response: &cloudstate.ActionResponse_Reply{
		Reply: &cloudstate.Reply{Payload: pack(&eventlogeventing.Response{Id: key, Message: message})},
	}}
}

func forwarded(key, message string) *response {
	return &response{Response: &cloudstate.ActionResponse_Forward{Forward: &cloudstate.Forward{
		ServiceName: subscriber, CommandName: "Effect", Payload: pack(&eventlogeventing.EffectRequest{Id: key, Message: message}),
	}}}
}

func failed(description string) *response {
	return &response{Response: &cloudstate.ActionResponse_Failure{Failure: &cloudstate.Failure{Description: description}}}
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

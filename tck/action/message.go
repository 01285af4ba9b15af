// SPDX-License-Identifier: Apache-2.0

package action

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
)

// The methods of the protocol.
const (
	entityType        = "cloudstate.action.ActionProtocol"
	handleUnary       = cloudstate.ActionProtocol_HandleUnary_FullMethodName
	handleStreamedIn  = cloudstate.ActionProtocol_HandleStreamedIn_FullMethodName
	handleStreamedOut = cloudstate.ActionProtocol_HandleStreamedOut_FullMethodName
	handleStreamed    = cloudstate.ActionProtocol_HandleStreamed_FullMethodName
)

// The methods of the model.
const (
	processUnary       = action.ActionTckModel_ProcessUnary_FullMethodName
	processStreamedIn  = action.ActionTckModel_ProcessStreamedIn_FullMethodName
	processStreamedOut = action.ActionTckModel_ProcessStreamedOut_FullMethodName
	processStreamed    = action.ActionTckModel_ProcessStreamed_FullMethodName
	callTwo            = action.ActionTwo_Call_FullMethodName
)

// The services of the model.
var (
	modelService = action.ActionTckModel_ServiceDesc.ServiceName
	twoService   = action.ActionTwo_ServiceDesc.ServiceName
)

type (
	command  = cloudstate.ActionCommand
	response = cloudstate.ActionResponse
	request  = action.Request
	group    = action.ProcessGroup
	step     = action.ProcessStep
)

// What a request may ask of the model.

func replies(message string) *step {
	return &step{Step: &action.ProcessStep_Reply{Reply: &action.Reply{Message: message}}}
}

func forwards(id string) *step {
	return &step{Step: &action.ProcessStep_Forward{Forward: &action.Forward{Id: id}}}
}

func fails(message string) *step {
	return &step{Step: &action.ProcessStep_Fail{Fail: &action.Fail{Message: message}}}
}

func effects(id string) *step {
	return &step{Step: &action.ProcessStep_Effect{Effect: &action.SideEffect{Id: id}}}
}

func effectsAtOnce(id string) *step {
	return &step{Step: &action.ProcessStep_Effect{Effect: &action.SideEffect{Id: id, Synchronous: true}}}
}

// of is a group of steps.
func of(steps ...*step) *group { return &group{Steps: steps} }

func ask(groups ...*group) *request { return &request{Groups: groups} }

// What the proxy says.

// names is a message that only says which command is called.
func names(name string) *command { return &command{ServiceName: modelService, Name: name} }

// calls is a message that says which command is called, and with what.
func calls(name string, in *request) *command {
	return &command{ServiceName: modelService, Name: name, Payload: pack(in)}
}

// message is one of those that follow in a stream.
func message(in *request) *command { return &command{Payload: pack(in)} }

// callsTwo is a call of the second action.
func callsTwo(id string) *command {
	return &command{ServiceName: twoService, Name: "Call", Payload: pack(&action.OtherRequest{Id: id})}
}

// What the function says.

func nothing() *response { return &response{} }

func replied(text string) *response {
	return &response{Response: &cloudstate.ActionResponse_Reply{
		Reply: &cloudstate.Reply{Payload: pack(&action.Response{Message: text})},
	}}
}

func forwarded(id string) *response {
	return &response{Response: &cloudstate.ActionResponse_Forward{Forward: &cloudstate.Forward{
		ServiceName: twoService, CommandName: "Call", Payload: pack(&action.OtherRequest{Id: id}),
	}}}
}

func failed(description string) *response {
	return &response{Response: &cloudstate.ActionResponse_Failure{Failure: &cloudstate.Failure{Description: description}}}
}

// An effect is one that a response has.
type effect struct {
	id          string
	synchronous bool
}

// with adds effects to a response.
func with(r *response, all ...effect) *response {
	for _, e := range all {
		r.SideEffects = append(r.SideEffects, &cloudstate.SideEffect{
			ServiceName: twoService, CommandName: "Call", Payload: pack(&action.OtherRequest{Id: e.id}), Synchronous: e.synchronous,
		})
	}
	return r
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

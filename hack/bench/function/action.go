// SPDX-License-Identifier: Apache-2.0

package function

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// An action answers each message.
type action struct {
	cloudstate.UnimplementedActionProtocolServer
	response *cloudstate.ActionResponse
}

func newAction(reply *anypb.Any) *action {
	return &action{response: &cloudstate.ActionResponse{
		Response: &cloudstate.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: reply}},
	}}
}

// HandleUnary answers a call of one message.
func (a *action) HandleUnary(context.Context, *cloudstate.ActionCommand) (*cloudstate.ActionResponse, error) {
	return a.response, nil
}

// HandleStreamed answers each message but the first, which has none of the
// client's.
func (a *action) HandleStreamed(s grpc.BidiStreamingServer[cloudstate.ActionCommand, cloudstate.ActionResponse]) error {
	var in cloudstate.ActionCommand
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	return answer(s, &in, a.response)
}

// Talk answers each message, without a proxy that speaks the protocol.
func (DirectActions) Talk(s grpc.BidiStreamingServer[benchpb.Request, benchpb.Reply]) error {
	return answer(s, &benchpb.Request{}, &benchpb.Reply{Payload: content})
}

// answer answers each message with the same one, and receives into in.
func answer(s grpc.ServerStream, in, out any) error {
	for {
		if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.SendMsg(out); err != nil {
			return err
		}
	}
}

// DirectActions is the service of the action without the protocol.
type DirectActions struct {
	benchpb.UnimplementedActionsServer
}

// Do answers with 100 bytes.
func (DirectActions) Do(context.Context, *benchpb.Request) (*benchpb.Reply, error) {
	return &benchpb.Reply{Payload: content}, nil
}

// SPDX-License-Identifier: Apache-2.0

package function

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A value is the value entity.
type value struct {
	cloudstate.UnimplementedValueEntityServer
	reply, state *anypb.Any
}

// Handle serves one instance. The messages are used again for each command:
// grpc-go has encoded one before Send returns.
func (v *value) Handle(s grpc.BidiStreamingServer[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]) error {
	var in cloudstate.ValueEntityStreamIn
	update := &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Update{
		Update: &cloudstate.ValueEntityUpdate{Value: v.state},
	}}
	reply := &cloudstate.ValueEntityReply{ClientAction: &cloudstate.ClientAction{
		Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: v.reply}},
	}}
	out := &cloudstate.ValueEntityStreamOut{Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: reply}}
	for {
		if err := s.RecvMsg(&in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		cmd := in.GetCommand()
		if cmd == nil {
			continue
		}
		reply.CommandId = cmd.GetId()
		reply.StateAction = nil
		if cmd.GetName() == "Do" {
			reply.StateAction = update
		}
		if err := s.Send(out); err != nil {
			return err
		}
	}
}

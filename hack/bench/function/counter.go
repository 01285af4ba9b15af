// SPDX-License-Identifier: Apache-2.0

package function

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A counter is the replicated counter.
type counter struct {
	cloudstate.UnimplementedCrdtServer
	reply *anypb.Any
}

// Handle serves one instance. The messages are used again for each command:
// grpc-go has encoded one before Send returns.
func (c *counter) Handle(s grpc.BidiStreamingServer[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]) error {
	var in cloudstate.CrdtStreamIn
	one := &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: &cloudstate.CrdtDelta{
		Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: 1}},
	}}}
	reply := &cloudstate.CrdtReply{ClientAction: &cloudstate.ClientAction{
		Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: c.reply}},
	}}
	out := &cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_Reply{Reply: reply}}
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
			reply.StateAction = one
		}
		if err := s.Send(out); err != nil {
			return err
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package function

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// said is what a client gets.
func said(reply *anypb.Any) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: reply}}}
}

// serve serves one instance. It sends out for each command, after answer has made
// it the answer to that. The messages are used again for each command: grpc-go has
// encoded one before Send returns.
func serve[In, Out any, M interface {
	*In
	GetCommand() *cloudstate.Command
}](s grpc.BidiStreamingServer[In, Out], out *Out, answer func(id int64, do bool),
) error {
	in := M(new(In))
	for {
		if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		cmd := in.GetCommand()
		if cmd == nil {
			continue
		}
		answer(cmd.GetId(), cmd.GetName() == "Do")
		if err := s.Send(out); err != nil {
			return err
		}
	}
}

// An entity is the event sourced one.
type entity struct {
	cloudstate.UnimplementedEventSourcedServer
	reply, event *anypb.Any
}

// Handle serves one instance.
func (e *entity) Handle(s grpc.BidiStreamingServer[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]) error {
	events := []*anypb.Any{e.event}
	reply := &cloudstate.EventSourcedReply{ClientAction: said(e.reply)}
	out := &cloudstate.EventSourcedStreamOut{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: reply}}
	return serve(s, out, func(id int64, do bool) {
		reply.CommandId, reply.Events = id, nil
		if do {
			reply.Events = events
		}
	})
}

// A value is the value entity.
type value struct {
	cloudstate.UnimplementedValueEntityServer
	reply, state *anypb.Any
}

// Handle serves one instance.
func (v *value) Handle(s grpc.BidiStreamingServer[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]) error {
	update := &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Update{
		Update: &cloudstate.ValueEntityUpdate{Value: v.state},
	}}
	reply := &cloudstate.ValueEntityReply{ClientAction: said(v.reply)}
	out := &cloudstate.ValueEntityStreamOut{Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: reply}}
	return serve(s, out, func(id int64, do bool) {
		reply.CommandId, reply.StateAction = id, nil
		if do {
			reply.StateAction = update
		}
	})
}

// A counter is the replicated counter.
type counter struct {
	cloudstate.UnimplementedCrdtServer
	reply *anypb.Any
}

// Handle serves one instance.
func (c *counter) Handle(s grpc.BidiStreamingServer[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]) error {
	one := &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: &cloudstate.CrdtDelta{
		Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: 1}},
	}}}
	reply := &cloudstate.CrdtReply{ClientAction: said(c.reply)}
	out := &cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_Reply{Reply: reply}}
	return serve(s, out, func(id int64, do bool) {
		reply.CommandId, reply.StateAction = id, nil
		if do {
			reply.StateAction = one
		}
	})
}

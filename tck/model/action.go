// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/sdk"
)

// Actions returns the actions of the model.
func Actions() []sdk.Entity {
	return []sdk.Entity{
		sdk.Action{Service: &action.ActionTckModel_ServiceDesc, Server: &steps{}},
		sdk.Action{Service: &action.ActionTwo_ServiceDesc, Server: &actionTwo{}},
	}
}

// steps is the first action: it does what a request says, step by step.
type steps struct {
	action.UnimplementedActionTckModelServer
}

// An outcome is what the steps of a response come to; at most one is set.
type outcome struct {
	reply   *action.Response
	forward *action.OtherRequest
	failure error
}

// take takes a step, whose effects go with the next response.
func (o *outcome) take(ctx context.Context, step *action.ProcessStep) {
	switch s := step.GetStep().(type) {
	case *action.ProcessStep_Reply:
		*o = outcome{reply: &action.Response{Message: s.Reply.GetMessage()}}
	case *action.ProcessStep_Forward:
		*o = outcome{forward: &action.OtherRequest{Id: s.Forward.GetId()}}
	case *action.ProcessStep_Fail:
		*o = outcome{failure: errors.New(s.Fail.GetMessage())}
	case *action.ProcessStep_Effect:
		var opts []sdk.EffectOption
		if s.Effect.GetSynchronous() {
			opts = append(opts, sdk.Synchronous())
		}
		sdk.Effect(ctx, action.ActionTwo_Call_FullMethodName, &action.OtherRequest{Id: s.Effect.GetId()}, opts...)
	}
}

// takeAll takes the steps of all groups, for one response.
func (o *outcome) takeAll(ctx context.Context, in *action.Request) {
	for _, g := range in.GetGroups() {
		for _, s := range g.GetSteps() {
			o.take(ctx, s)
		}
	}
}

// ProcessUnary takes all steps for one response.
func (*steps) ProcessUnary(ctx context.Context, in *action.Request) (*action.Response, error) {
	var o outcome
	o.takeAll(ctx, in)
	switch {
	case o.failure != nil:
		return nil, o.failure
	case o.forward != nil:
		return sdk.Forward[*action.Response](ctx, action.ActionTwo_Call_FullMethodName, o.forward)
	case o.reply == nil:
		return sdk.NoReply[*action.Response](ctx)
	}
	return o.reply, nil
}

// ProcessStreamedIn takes the steps of all requests for one response.
func (*steps) ProcessStreamedIn(stream grpc.ClientStreamingServer[action.Request, action.Response]) error {
	var o outcome
	for {
		in, err := stream.Recv()
		switch {
		case err == nil:
			o.takeAll(stream.Context(), in)
		case !errors.Is(err, io.EOF):
			return err
		case o.failure != nil:
			return o.failure
		case o.forward != nil:
			return sdk.SendForward(stream.Context(), action.ActionTwo_Call_FullMethodName, o.forward)
		case o.reply != nil:
			return stream.SendAndClose(o.reply)
		default:
			return nil
		}
	}
}

// ProcessStreamedOut makes a response of each group.
func (*steps) ProcessStreamedOut(in *action.Request, stream grpc.ServerStreamingServer[action.Response]) error {
	return respond(stream.Context(), in, stream.Send)
}

// ProcessStreamed makes a response of each group of each request.
func (*steps) ProcessStreamed(stream grpc.BidiStreamingServer[action.Request, action.Response]) error {
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := respond(stream.Context(), in, stream.Send); err != nil {
			return err
		}
	}
}

// respond makes a response of each group.
func respond(ctx context.Context, in *action.Request, send func(*action.Response) error) error {
	for _, g := range in.GetGroups() {
		var o outcome
		for _, s := range g.GetSteps() {
			o.take(ctx, s)
		}
		if err := o.send(ctx, send); err != nil {
			return err
		}
	}
	return nil
}

func (o *outcome) send(ctx context.Context, send func(*action.Response) error) error {
	switch {
	case o.failure != nil:
		return sdk.SendFailure(ctx, o.failure)
	case o.forward != nil:
		return sdk.SendForward(ctx, action.ActionTwo_Call_FullMethodName, o.forward)
	case o.reply != nil:
		return send(o.reply)
	}
	return sdk.SendEffects(ctx)
}

// actionTwo is the action that forwards and effects go to.
type actionTwo struct {
	action.UnimplementedActionTwoServer
}

func (*actionTwo) Call(context.Context, *action.OtherRequest) (*action.Response, error) {
	return &action.Response{}, nil
}

// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventlogeventing"
	"github.com/kairn-dev/kairn/sdk"
)

// EventLogs returns the entities whose events are consumed, and the consumer.
func EventLogs() []sdk.Entity {
	return []sdk.Entity{
		sdk.Action{Service: &eventlogeventing.EventLogSubscriberModel_ServiceDesc, Server: &subscriber{}},
		sdk.EventSourced[*logOne]{
			Service:       &eventlogeventing.EventSourcedEntityOne_ServiceDesc,
			PersistenceID: "eventlogeventing-one",
			New:           func(string) *logOne { return &logOne{} },
			Events:        []sdk.EventHandler[*logOne]{sdk.On((*logOne).one), sdk.On((*logOne).two)},
		},
		sdk.EventSourced[*logTwo]{
			Service:       &eventlogeventing.EventSourcedEntityTwo_ServiceDesc,
			PersistenceID: "eventlogeventing-two",
			New:           func(string) *logTwo { return &logTwo{} },
			Events:        []sdk.EventHandler[*logTwo]{sdk.On((*logTwo).any)},
		},
	}
}

// logOne is an instance of the entity with events of two types.
type logOne struct {
	eventlogeventing.UnimplementedEventSourcedEntityOneServer
}

func (*logOne) one(*eventlogeventing.EventOne) {}
func (*logOne) two(*eventlogeventing.EventTwo) {}

func (*logOne) EmitEvent(ctx context.Context, in *eventlogeventing.EmitEventRequest) (*emptypb.Empty, error) {
	switch e := in.GetEvent().(type) {
	case *eventlogeventing.EmitEventRequest_EventOne:
		sdk.Emit(ctx, e.EventOne)
	case *eventlogeventing.EmitEventRequest_EventTwo:
		sdk.Emit(ctx, e.EventTwo)
	}
	return &emptypb.Empty{}, nil
}

// logTwo is an instance of the entity with events in JSON.
type logTwo struct {
	eventlogeventing.UnimplementedEventSourcedEntityTwoServer
}

func (*logTwo) any(*anypb.Any) {}

// A jsonEvent is its event.
type jsonEvent struct {
	Message string `json:"message"`
}

func (*logTwo) EmitJsonEvent(ctx context.Context, in *eventlogeventing.JsonEvent) (*emptypb.Empty, error) { //nolint:revive // the name is generated
	e, err := sdk.JSON("JsonEvent", jsonEvent{in.GetMessage()})
	if err != nil {
		return nil, err
	}
	sdk.Emit(ctx, e)
	return &emptypb.Empty{}, nil
}

// subscriber consumes the events of both.
type subscriber struct {
	eventlogeventing.UnimplementedEventLogSubscriberModelServer
}

// instance returns the key of the instance whose event this is.
func instance(ctx context.Context) string {
	o, _ := sdk.OriginOf(ctx)
	return o.Instance
}

func (*subscriber) ProcessEventOne(ctx context.Context, in *eventlogeventing.EventOne) (*eventlogeventing.Response, error) {
	if f := in.GetStep().GetForward(); f != nil {
		return sdk.Forward[*eventlogeventing.Response](ctx, eventlogeventing.EventLogSubscriberModel_Effect_FullMethodName,
			&eventlogeventing.EffectRequest{Id: instance(ctx), Message: f.GetMessage()})
	}
	return &eventlogeventing.Response{Id: instance(ctx), Message: in.GetStep().GetReply().GetMessage()}, nil
}

func (*subscriber) ProcessEventTwo(in *eventlogeventing.EventTwo, stream grpc.ServerStreamingServer[eventlogeventing.Response]) error {
	ctx := stream.Context()
	for _, step := range in.GetStep() {
		var err error
		if f := step.GetForward(); f != nil {
			err = sdk.SendForward(ctx, eventlogeventing.EventLogSubscriberModel_Effect_FullMethodName,
				&eventlogeventing.EffectRequest{Id: instance(ctx), Message: f.GetMessage()})
		} else {
			err = stream.Send(&eventlogeventing.Response{Id: instance(ctx), Message: step.GetReply().GetMessage()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (*subscriber) Effect(_ context.Context, in *eventlogeventing.EffectRequest) (*eventlogeventing.Response, error) {
	return &eventlogeventing.Response{Id: in.GetId(), Message: in.GetMessage()}, nil
}

func (*subscriber) ProcessAnyEvent(ctx context.Context, in *anypb.Any) (*eventlogeventing.Response, error) {
	var e jsonEvent
	if err := sdk.ReadJSON(in, &e); err != nil {
		return nil, err
	}
	return &eventlogeventing.Response{Id: instance(ctx), Message: e.Message}, nil
}

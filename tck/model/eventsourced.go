// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// EventSourced returns the event sourced entities of the model.
func EventSourced() []sdk.Entity {
	return []sdk.Entity{
		sdk.EventSourced[*text]{
			Service:       &eventsourced.EventSourcedTckModel_ServiceDesc,
			PersistenceID: "event-sourced-tck-model",
			New:           func(string) *text { return &text{} },
			Events:        []sdk.EventHandler[*text]{sdk.On((*text).append)},
			Snapshots:     sdk.Snapshots((*text).snapshot, (*text).restore),
			SnapshotEvery: 5,
		},
		sdk.EventSourced[*two]{
			Service:       &eventsourced.EventSourcedTwo_ServiceDesc,
			PersistenceID: "event-sourced-two",
			New:           func(string) *two { return &two{} },
			Events:        []sdk.EventHandler[*two]{sdk.On((*two).ignore)},
		},
		sdk.EventSourced[*configured]{
			Service:        &eventsourced.EventSourcedConfigured_ServiceDesc,
			PersistenceID:  "event-sourced-configured",
			New:            func(string) *configured { return &configured{} },
			Events:         []sdk.EventHandler[*configured]{sdk.On((*configured).ignore)},
			PassivateAfter: 100 * time.Millisecond,
		},
	}
}

// text is an instance of the first entity: what was emitted, put together.
type text struct {
	eventsourced.UnimplementedEventSourcedTckModelServer
	value string
}

func (t *text) append(e *eventsourced.Persisted) { t.value += e.GetValue() }

func (t *text) snapshot() *eventsourced.Persisted { return &eventsourced.Persisted{Value: t.value} }

func (t *text) restore(s *eventsourced.Persisted) { t.value = s.GetValue() }

// Process takes the actions in order, then replies with the state.
func (t *text) Process(ctx context.Context, in *eventsourced.Request) (*eventsourced.Response, error) {
	var forward *eventsourced.Request
	for _, a := range in.GetActions() {
		switch a := a.GetAction().(type) {
		case *eventsourced.RequestAction_Emit:
			sdk.Emit(ctx, &eventsourced.Persisted{Value: a.Emit.GetValue()})
		case *eventsourced.RequestAction_Forward:
			forward = &eventsourced.Request{Id: a.Forward.GetId()}
		case *eventsourced.RequestAction_Effect:
			var opts []sdk.EffectOption
			if a.Effect.GetSynchronous() {
				opts = append(opts, sdk.Synchronous())
			}
			sdk.Effect(ctx, eventsourced.EventSourcedTwo_Call_FullMethodName, &eventsourced.Request{Id: a.Effect.GetId()}, opts...)
		case *eventsourced.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	if forward != nil {
		return sdk.Forward[*eventsourced.Response](ctx, eventsourced.EventSourcedTwo_Call_FullMethodName, forward)
	}
	return &eventsourced.Response{Message: t.value}, nil
}

// two is an instance of the entity that forwards and effects go to.
type two struct {
	eventsourced.UnimplementedEventSourcedTwoServer
}

func (*two) ignore(*eventsourced.Persisted) {}

func (*two) Call(context.Context, *eventsourced.Request) (*eventsourced.Response, error) {
	return &eventsourced.Response{}, nil
}

// configured is an instance of the entity that is passivated soon.
type configured struct {
	eventsourced.UnimplementedEventSourcedConfiguredServer
}

func (*configured) ignore(*eventsourced.Persisted) {}

func (*configured) Call(context.Context, *eventsourced.Request) (*eventsourced.Response, error) {
	return &eventsourced.Response{}, nil
}

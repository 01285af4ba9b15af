// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"time"

	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// The entities that the conformance suite expects of a function.
func models() []sdk.Entity {
	return []sdk.Entity{
		sdk.EventSourced[*model]{
			Service:       &tck.EventSourcedTckModel_ServiceDesc,
			PersistenceID: "event-sourced-tck-model",
			New:           func(string) *model { return &model{} },
			Events:        []sdk.EventHandler[*model]{sdk.On((*model).append)},
			Snapshots:     sdk.Snapshots((*model).snapshot, (*model).append),
			SnapshotEvery: 5,
		},
		sdk.EventSourced[*two]{
			Service:       &tck.EventSourcedTwo_ServiceDesc,
			PersistenceID: "event-sourced-tck-model-two",
			New:           func(string) *two { return &two{} },
			Events:        []sdk.EventHandler[*two]{sdk.On(func(*two, *tck.Persisted) {})},
		},
		sdk.EventSourced[*configured]{
			Service:        &tck.EventSourcedConfigured_ServiceDesc,
			PersistenceID:  "event-sourced-configured",
			New:            func(string) *configured { return &configured{} },
			Events:         []sdk.EventHandler[*configured]{sdk.On(func(*configured, *tck.Persisted) {})},
			PassivateAfter: 100 * time.Millisecond,
		},
	}
}

type model struct {
	tck.UnimplementedEventSourcedTckModelServer
	text string
}

func (m *model) Process(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	forward, forwarded := "", false
	for _, a := range in.GetActions() {
		switch a := a.GetAction().(type) {
		case *tck.RequestAction_Emit:
			sdk.Emit(ctx, &tck.Persisted{Value: a.Emit.GetValue()})
		case *tck.RequestAction_Forward:
			forward, forwarded = a.Forward.GetId(), true
		case *tck.RequestAction_Effect:
			var opts []sdk.EffectOption
			if a.Effect.GetSynchronous() {
				opts = append(opts, sdk.Synchronous())
			}
			sdk.Effect(ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: a.Effect.GetId()}, opts...)
		case *tck.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	if forwarded {
		return sdk.Forward[*tck.Response](ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: forward})
	}
	return &tck.Response{Message: m.text}, nil
}

func (m *model) append(e *tck.Persisted) { m.text += e.GetValue() }

func (m *model) snapshot() *tck.Persisted { return &tck.Persisted{Value: m.text} }

type two struct {
	tck.UnimplementedEventSourcedTwoServer
}

func (*two) Call(context.Context, *tck.Request) (*tck.Response, error) { return nil, nil }

type configured struct {
	tck.UnimplementedEventSourcedConfiguredServer
}

func (*configured) Call(context.Context, *tck.Request) (*tck.Response, error) {
	return &tck.Response{}, nil
}

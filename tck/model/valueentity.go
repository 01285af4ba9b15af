// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/sdk"
)

// ValueEntities returns the value entities of the model.
func ValueEntities() []sdk.Entity {
	return []sdk.Entity{
		sdk.ValueEntity[*value]{
			Service:       &valueentity.ValueEntityTckModel_ServiceDesc,
			PersistenceID: "value-entity-tck-model",
			New:           func(string) *value { return &value{} },
			State:         sdk.State((*value).set),
		},
		sdk.ValueEntity[*valueTwo]{
			Service:       &valueentity.ValueEntityTwo_ServiceDesc,
			PersistenceID: "value-entity-tck-model-two",
			New:           func(string) *valueTwo { return &valueTwo{} },
			State:         sdk.State((*valueTwo).ignore),
		},
		sdk.ValueEntity[*valueConfigured]{
			Service:        &valueentity.ValueEntityConfigured_ServiceDesc,
			PersistenceID:  "value-entity-configured",
			New:            func(string) *valueConfigured { return &valueConfigured{} },
			State:          sdk.State((*valueConfigured).ignore),
			PassivateAfter: 100 * time.Millisecond,
		},
	}
}

// value is an instance of the first entity: a text.
type value struct {
	valueentity.UnimplementedValueEntityTckModelServer
	text string
}

func (v *value) set(to *valueentity.Persisted) { v.text = to.GetValue() }

// Process takes the actions in order, then replies with the state.
func (v *value) Process(ctx context.Context, in *valueentity.Request) (*valueentity.Response, error) {
	var forward *valueentity.Request
	text := v.text
	for _, a := range in.GetActions() {
		switch a := a.GetAction().(type) {
		case *valueentity.RequestAction_Update:
			text = a.Update.GetValue()
			sdk.Update(ctx, &valueentity.Persisted{Value: text})
		case *valueentity.RequestAction_Delete:
			text = ""
			sdk.Delete(ctx)
		case *valueentity.RequestAction_Forward:
			forward = &valueentity.Request{Id: a.Forward.GetId()}
		case *valueentity.RequestAction_Effect:
			var opts []sdk.EffectOption
			if a.Effect.GetSynchronous() {
				opts = append(opts, sdk.Synchronous())
			}
			sdk.Effect(ctx, valueentity.ValueEntityTwo_Call_FullMethodName, &valueentity.Request{Id: a.Effect.GetId()}, opts...)
		case *valueentity.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	if forward != nil {
		return sdk.Forward[*valueentity.Response](ctx, valueentity.ValueEntityTwo_Call_FullMethodName, forward)
	}
	return &valueentity.Response{Message: text}, nil
}

// valueTwo is an instance of the entity that forwards and effects go to.
type valueTwo struct {
	valueentity.UnimplementedValueEntityTwoServer
}

func (*valueTwo) ignore(*valueentity.Persisted) {}

func (*valueTwo) Call(context.Context, *valueentity.Request) (*valueentity.Response, error) {
	return &valueentity.Response{}, nil
}

// valueConfigured is an instance of the entity that is passivated soon.
type valueConfigured struct {
	valueentity.UnimplementedValueEntityConfiguredServer
}

func (*valueConfigured) ignore(*valueentity.Persisted) {}

func (*valueConfigured) Call(context.Context, *valueentity.Request) (*valueentity.Response, error) {
	return &valueentity.Response{}, nil
}

// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/sdk"
)

// CRDTs returns the CRDTs of the model.
func CRDTs() []sdk.Entity {
	return []sdk.Entity{
		sdk.CRDT[*replicated]{
			Service: &crdt.CrdtTckModel_ServiceDesc,
			New:     func(id string) *replicated { return &replicated{data: dataFor(id)} },
			Data:    func(r *replicated) sdk.Data { return r.data },
		},
		sdk.CRDT[*crdtTwo]{
			Service: &crdt.CrdtTwo_ServiceDesc,
			New:     func(string) *crdtTwo { return &crdtTwo{} },
			Data:    func(c *crdtTwo) sdk.Data { return &c.nothing },
		},
		sdk.CRDT[*crdtConfigured]{
			Service:        &crdt.CrdtConfigured_ServiceDesc,
			New:            func(string) *crdtConfigured { return &crdtConfigured{} },
			Data:           func(c *crdtConfigured) sdk.Data { return &c.nothing },
			PassivateAfter: 100 * time.Millisecond,
		},
	}
}

// replicated is an instance of the first entity: data of any type.
type replicated struct {
	crdt.UnimplementedCrdtTckModelServer
	data sdk.Data
}

// Process takes the actions in order, then replies with the state.
func (r *replicated) Process(ctx context.Context, in *crdt.Request) (*crdt.Response, error) {
	var forward *crdt.Request
	for _, a := range in.GetActions() {
		switch a := a.GetAction().(type) {
		case *crdt.RequestAction_Update:
			if err := r.update(ctx, a.Update); err != nil {
				return nil, err
			}
		case *crdt.RequestAction_Delete:
			sdk.Delete(ctx)
		case *crdt.RequestAction_Forward:
			forward = &crdt.Request{Id: a.Forward.GetId()}
		case *crdt.RequestAction_Effect:
			crdtEffect(ctx, a.Effect)
		case *crdt.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	if forward != nil {
		return sdk.Forward[*crdt.Response](ctx, crdt.CrdtTwo_Call_FullMethodName, forward)
	}
	return r.response(), nil
}

// ProcessStreamed replies with the state, now and whenever it has changed.
func (r *replicated) ProcessStreamed(in *crdt.StreamedRequest, stream grpc.ServerStreamingServer[crdt.Response]) error {
	ctx := stream.Context()
	if in.GetInitialUpdate() != nil {
		if err := r.update(ctx, in.GetInitialUpdate()); err != nil {
			return err
		}
	}
	if in.GetCancelUpdate() != nil {
		sdk.OnCancel(ctx, func(ctx context.Context) {
			if err := r.update(ctx, in.GetCancelUpdate()); err != nil {
				panic(err) // a request that nobody sends
			}
		})
	}
	if in.GetEmpty() {
		return nil
	}
	sdk.OnChange(ctx, func(ctx context.Context) (*crdt.Response, error) {
		for _, e := range in.GetEffects() {
			crdtEffect(ctx, e)
		}
		now := r.response()
		if in.GetEndState() != nil && proto.Equal(in.GetEndState(), now.GetState()) {
			sdk.EndStream(ctx)
		}
		return now, nil
	})
	return stream.Send(r.response())
}

func (r *replicated) update(ctx context.Context, u *crdt.Update) error {
	sdk.Consistently(ctx, sdk.WriteConsistency(u.GetWriteConsistency()))
	return apply(r.data, u)
}

func (r *replicated) response() *crdt.Response { return &crdt.Response{State: stateOf(r.data)} }

func crdtEffect(ctx context.Context, e *crdt.Effect) {
	var opts []sdk.EffectOption
	if e.GetSynchronous() {
		opts = append(opts, sdk.Synchronous())
	}
	sdk.Effect(ctx, crdt.CrdtTwo_Call_FullMethodName, &crdt.Request{Id: e.GetId()}, opts...)
}

// apply makes a change that is for that type of data.
func apply(data sdk.Data, u *crdt.Update) error {
	switch d := data.(type) {
	case *sdk.GCounter:
		d.Increment(u.GetGcounter().GetIncrement())
	case *sdk.PNCounter:
		d.Add(u.GetPncounter().GetChange())
	case *sdk.GSet[string]:
		d.Add(u.GetGset().GetAdd())
	case *sdk.ORSet[string]:
		applySet(d, u.GetOrset())
	case *sdk.LWWRegister[string]:
		d.SetBy(clockOf(u.GetLwwregister().GetClock()), u.GetLwwregister().GetValue())
	case *sdk.Flag:
		d.Enable()
	case *sdk.ORMap[string, sdk.Data]:
		return applyMap(d, u.GetOrmap())
	case *sdk.Vote:
		d.Vote(u.GetVote().GetSelfVote())
	default:
		return fmt.Errorf("%v can't be done to a %T", u, data)
	}
	return nil
}

func applySet(set *sdk.ORSet[string], u *crdt.ORSetUpdate) {
	switch u := u.GetAction().(type) {
	case *crdt.ORSetUpdate_Add:
		set.Add(u.Add)
	case *crdt.ORSetUpdate_Remove:
		set.Remove(u.Remove)
	case *crdt.ORSetUpdate_Clear:
		set.Clear()
	}
}

func applyMap(m *sdk.ORMap[string, sdk.Data], u *crdt.ORMapUpdate) error {
	switch u := u.GetAction().(type) {
	case *crdt.ORMapUpdate_Add:
		m.Add(u.Add)
	case *crdt.ORMapUpdate_Update:
		return apply(m.Add(u.Update.GetKey()), u.Update.GetUpdate())
	case *crdt.ORMapUpdate_Remove:
		m.Remove(u.Remove)
	case *crdt.ORMapUpdate_Clear:
		m.Clear()
	}
	return nil
}

func clockOf(c *crdt.LWWRegisterClock) sdk.Clock {
	switch c.GetClockType() {
	case crdt.LWWRegisterClockType_REVERSE:
		return sdk.ReverseClock()
	case crdt.LWWRegisterClockType_CUSTOM:
		return sdk.CustomClock(c.GetCustomClockValue())
	case crdt.LWWRegisterClockType_CUSTOM_AUTO_INCREMENT:
		return sdk.CustomAutoIncrementClock(c.GetCustomClockValue())
	}
	return sdk.Clock{}
}

// crdtTwo is an instance of the entity that forwards and effects go to.
type crdtTwo struct {
	crdt.UnimplementedCrdtTwoServer
	nothing sdk.GCounter
}

// Call deletes the instance if it is asked to.
func (*crdtTwo) Call(ctx context.Context, in *crdt.Request) (*crdt.Response, error) {
	for _, a := range in.GetActions() {
		if a.GetDelete() != nil {
			sdk.Delete(ctx)
		}
	}
	return &crdt.Response{}, nil
}

// crdtConfigured is an instance of the entity that is passivated soon.
type crdtConfigured struct {
	crdt.UnimplementedCrdtConfiguredServer
	nothing sdk.GCounter
}

func (*crdtConfigured) Call(context.Context, *crdt.Request) (*crdt.Response, error) {
	return &crdt.Response{}, nil
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

const valueEntityType = "cloudstate.valueentity.ValueEntity"

// ValueEntity describes an entity whose state is stored as one value, which
// every update replaces. S is the type of the state: a pointer to a type that
// implements the server interface generated for the service.
type ValueEntity[S any] struct {
	// Service is the generated description of the entity's gRPC service,
	// such as &bank.Accounts_ServiceDesc. Its methods are unary, and each
	// request has a field with the option cloudstate.entity_key.
	Service *grpc.ServiceDesc

	// PersistenceID is the name under which the state is stored. Once there
	// is state, it must not change.
	PersistenceID string

	// New returns the state of an instance of which nothing is stored.
	New func(id string) S

	// State sets a state to a value: to one that was stored, or to that of
	// an [Update]. See the function [State].
	State Setter[S]

	// PassivateAfter is after how long without a command the proxy gives up
	// an instance's stream and state; the proxy's default if zero.
	PassivateAfter time.Duration
}

// A Setter sets a state of type S to a value. Make it with [State].
type Setter[S any] struct {
	handler
	err error
}

// State returns what sets a state to values of type V, a generated message. The
// function must have no effect but on the state, must leave nothing of what the
// state was before, and may keep the value.
func State[S any, V proto.Message](set func(state S, value V)) Setter[S] {
	h, err := handlerOf(set)
	return Setter[S]{handler: h, err: err}
}

func (e ValueEntity[S]) register(s *Server) []error {
	if e.Service == nil {
		return []error{fmt.Errorf("entity %q of %v: Service is missing", e.PersistenceID, reflect.TypeFor[S]())}
	}
	errs := checkState[S](e.Service, "a value entity", e.PersistenceID, e.New, e.PassivateAfter)
	if e.State.err == nil && e.State.create == nil {
		errs = append(errs, errors.New("State is missing: make it with sdk.State"))
	}
	errs = append(errs, compact(e.State.err)...)
	methods, more := commandsOf(e.Service)
	entity := &valueEntity{name: e.Service.ServiceName, methods: methods, set: &e.State.handler}
	if e.New != nil {
		entity.create = func(id string) any { return e.New(id) }
	}
	s.values[entity.name] = entity
	return s.add(append(errs, more...), kind{
		entityType:    valueEntityType,
		service:       entity.name,
		persistenceID: e.PersistenceID,
		passivation:   e.PassivateAfter,
	})
}

// A valueEntity is a [ValueEntity] that has been checked, without its type
// parameter.
type valueEntity struct {
	name    string
	methods map[string]*method
	create  func(id string) any
	set     *handler
}

// A valueService is the protocol's service for value entities.
type valueService struct {
	cloudstate.UnimplementedValueEntityServer
	log      *slog.Logger
	entities map[string]*valueEntity
	gate     *gate
}

// Handle serves one activation of one instance. It ends when the proxy has
// ended its side, or when the instance can't go on.
func (s *valueService) Handle(stream grpc.BidiStreamingServer[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]) error {
	v := &value{activation: activation{log: s.log, gate: s.gate}, entities: s.entities}
	v.begin(stream.Context())
	return converse(&v.activation, stream, v.take, func(f *cloudstate.Failure) *cloudstate.ValueEntityStreamOut {
		return &cloudstate.ValueEntityStreamOut{Message: &cloudstate.ValueEntityStreamOut_Failure{Failure: f}}
	})
}

// A value is the state of one key of a value entity while it has a stream.
type value struct {
	activation
	entities map[string]*valueEntity // by service
	entity   *valueEntity            // nil before the init
	state    any

	// stored is what a refused command takes the state back to; nil if
	// there is nothing.
	stored *anypb.Any
	next   change // by the command being handled
}

// A change is what a command does to what is stored.
type change struct {
	made  bool
	value *anypb.Any // nil for a deletion
}

// take handles one message. An error is a fault: the state can't be trusted.
func (v *value) take(in *cloudstate.ValueEntityStreamIn) (*cloudstate.ValueEntityStreamOut, error) {
	switch m := in.GetMessage().(type) {
	case *cloudstate.ValueEntityStreamIn_Command:
		return v.command(m.Command)
	case *cloudstate.ValueEntityStreamIn_Init:
		return nil, v.init(m.Init)
	default:
		return nil, errors.New("the proxy sent an empty message")
	}
}

func (v *value) init(m *cloudstate.ValueEntityInit) error {
	if v.entity != nil {
		return errors.New("the proxy sent a second init")
	}
	e := v.entities[m.GetServiceName()]
	if e == nil {
		return fmt.Errorf("no value entity serves %q", m.GetServiceName())
	}
	v.entity, v.service, v.id = e, e.name, m.GetEntityId()
	v.stored = m.GetState().GetValue()
	return v.restore()
}

// restore makes the state from what is stored.
func (v *value) restore() error {
	v.state = v.entity.create(v.id)
	if v.stored == nil {
		return nil
	}
	set := v.entity.set
	if name := typeName(v.stored.GetTypeUrl()); name != set.name {
		return fmt.Errorf("what is stored is a %s, the State of the entity %s is a %s", name, v.entity.name, set.name)
	}
	m := set.create()
	if err := proto.Unmarshal(v.stored.GetValue(), m); err != nil {
		return fmt.Errorf("decode what is stored, a %s: %w", set.name, err)
	}
	set.apply(v.state, m)
	return nil
}

// update sets the state, and keeps the value for the answer.
func (v *value) update(to proto.Message) error {
	if to == nil || !to.ProtoReflect().IsValid() {
		return errors.New("the value is nil; sdk.Delete deletes it")
	}
	set := v.entity.set
	if name := nameOf(to); name != set.name {
		return fmt.Errorf("the State of the entity %s is a %s, not a %s", v.entity.name, set.name, name)
	}
	// Encoded first, so that what is stored is what the state was given,
	// whatever it does with it.
	encoded, err := proto.Marshal(to)
	if err != nil {
		return fmt.Errorf("encode the value, a %s: %w", set.name, err)
	}
	v.next = change{made: true, value: &anypb.Any{TypeUrl: set.typeURL, Value: encoded}}
	set.apply(v.state, to)
	return nil
}

func (v *value) command(m *cloudstate.Command) (*cloudstate.ValueEntityStreamOut, error) {
	if err := v.takes(m); err != nil {
		return nil, err
	}
	a := &valueAnswer{}
	a.reply.CommandId = m.GetId()
	method := v.entity.methods[m.GetName()]
	if method == nil {
		return a.with(refusal(m.GetId(), v.unknown(m), false)), nil
	}
	v.next = change{}
	c := &command{method: method, owner: owner{value: v}}
	reply, refused, err := v.run(c, v.state, m)
	switch {
	case err != nil:
		return nil, err
	case refused != nil && v.next.made:
		if err := v.restore(); err != nil {
			return nil, err
		}
		fallthrough
	case refused != nil:
		return a.with(refusal(m.GetId(), refused, false)), nil
	}
	action, err := a.client.of(c, reply)
	if err != nil {
		return nil, err
	}
	a.reply.SideEffects = c.effects
	v.store(a)
	return a.with(action), nil
}

// store has the change of the command stored with its answer.
func (v *value) store(a *valueAnswer) {
	if !v.next.made {
		return
	}
	v.stored = v.next.value
	if v.stored == nil {
		v.state = v.entity.create(v.id)
		a.delete.Delete = &cloudstate.ValueEntityDelete{}
		a.state.Action = &a.delete
	} else {
		a.value.Value = v.stored
		a.update.Update = &a.value
		a.state.Action = &a.update
	}
	a.reply.StateAction = &a.state
}

// A valueAnswer is a reply with the messages that it usually consists of, in one
// allocation.
type valueAnswer struct {
	out    cloudstate.ValueEntityStreamOut
	wrap   cloudstate.ValueEntityStreamOut_Reply
	reply  cloudstate.ValueEntityReply
	client clientAction

	state  cloudstate.ValueEntityAction
	update cloudstate.ValueEntityAction_Update
	value  cloudstate.ValueEntityUpdate
	delete cloudstate.ValueEntityAction_Delete
}

// with returns the stream message that has action in it.
func (a *valueAnswer) with(action *cloudstate.ClientAction) *cloudstate.ValueEntityStreamOut {
	a.reply.ClientAction = action
	a.wrap.Reply = &a.reply
	a.out.Message = &a.wrap
	return &a.out
}

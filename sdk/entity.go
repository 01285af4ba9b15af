// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// DefaultSnapshotEvery is how many events are between two snapshots of an
// entity that doesn't say.
const DefaultSnapshotEvery = 100

// An Entity is a service that a function serves, with or without state. The
// types of this package are the only ones: [EventSourced], [ValueEntity], [CRDT]
// and [Action].
type Entity interface {
	// register adds the entity to s, or says all that is wrong with it.
	register(s *Server) []error
}

// EventSourced describes an entity whose state is what its events make of it.
// S is the type of the state: a pointer to a type that implements the server
// interface generated for the service.
type EventSourced[S any] struct {
	// Service is the generated description of the entity's gRPC service,
	// such as &shop.ShoppingCart_ServiceDesc. Its methods are unary, and each
	// request has a field with the option cloudstate.entity_key.
	Service *grpc.ServiceDesc

	// PersistenceID is the name under which the state is stored. Once there
	// is state, it must not change.
	PersistenceID string

	// New returns the state of an instance that has no events yet.
	New func(id string) S

	// Events has a handler for each type of event that was ever stored.
	Events []EventHandler[S]

	// Snapshots, if set, spare long replays. See [Snapshots].
	Snapshots Snapshotter[S]

	// SnapshotEvery is after how many events a snapshot is taken;
	// [DefaultSnapshotEvery] if zero.
	SnapshotEvery int

	// PassivateAfter is after how long without a command the proxy gives up
	// an instance's stream and state; the proxy's default if zero.
	PassivateAfter time.Duration
}

// An EventHandler changes a state of type S by one type of event. Make it with
// [On].
type EventHandler[S any] struct {
	handler
	err error
}

// On returns the handler of events of type E, a generated message. The
// function must have no effect but on the state: it runs once when the event
// is emitted and again at every replay. It may keep the event.
//
// The handler of [anypb.Any] is given the events of all types that have none of
// their own, and all that are JSON, see [ReadJSON].
func On[S any, E proto.Message](apply func(state S, event E)) EventHandler[S] {
	h, err := handlerOf(apply)
	return EventHandler[S]{handler: h, err: err}
}

// handlerOf returns a handler of messages of type M without its type parameters.
func handlerOf[S any, M proto.Message](apply func(S, M)) (handler, error) {
	name, create, err := message[M]()
	if err == nil && apply == nil {
		err = fmt.Errorf("the handler of %s is nil", name)
	}
	return handler{
		name:    name,
		typeURL: typeURL(name),
		create:  create,
		apply:   func(state any, m proto.Message) { apply(state.(S), m.(M)) },
	}, err
}

// A Snapshotter turns a state into a message and back. Make it with
// [Snapshots].
type Snapshotter[S any] struct {
	snapshots
	err error
}

// Snapshots returns what takes snapshots of a state as messages of type P and
// brings a new state to where a snapshot was taken. The message must not
// change any more once it has been returned, and it must hold all that the
// events had made of the state.
func Snapshots[S any, P proto.Message](take func(state S) P, restore func(state S, snapshot P)) Snapshotter[S] {
	name, create, err := message[P]()
	if err == nil && (take == nil || restore == nil) {
		err = fmt.Errorf("a function of the snapshots %s is nil", name)
	}
	return Snapshotter[S]{
		snapshots: snapshots{
			name:    name,
			create:  create,
			take:    func(state any) proto.Message { return take(state.(S)) },
			restore: func(state any, m proto.Message) { restore(state.(S), m.(P)) },
		},
		err: err,
	}
}

// message returns the full name of the message type M and what makes one.
func message[M proto.Message]() (name string, create func() proto.Message, err error) {
	var zero M
	if any(zero) == nil {
		return "", nil, fmt.Errorf("%v is an interface, not a generated message", reflect.TypeFor[M]())
	}
	t := zero.ProtoReflect().Type()
	return string(t.Descriptor().FullName()), func() proto.Message { return t.New().Interface() }, nil
}

func (e EventSourced[S]) register(s *Server) []error {
	if e.Service == nil {
		return []error{fmt.Errorf("entity %q of %v: Service is missing", e.PersistenceID, reflect.TypeFor[S]())}
	}
	entity := &eventSourced{
		name:     e.Service.ServiceName,
		handlers: map[string]*handler{},
		every:    int64(e.SnapshotEvery),
	}
	if entity.every == 0 {
		entity.every = DefaultSnapshotEvery
	}
	errs := e.checkFields()
	errs = append(errs, e.addHandlers(entity.handlers)...)
	if e.Snapshots.create != nil {
		entity.snapshots = &e.Snapshots.snapshots
	}
	if e.New != nil {
		entity.create = func(id string) any { return e.New(id) }
	}
	methods, more := commandsOf(e.Service)
	entity.methods = methods
	s.eventSourced[entity.name] = entity
	return s.add(append(errs, more...), kind{
		entityType:    eventSourcedType,
		service:       entity.name,
		persistenceID: e.PersistenceID,
		passivation:   e.PassivateAfter,
	})
}

// checkFields says what is wrong with each field by itself.
func (e EventSourced[S]) checkFields() []error {
	errs := checkState[S](e.Service, "an event sourced entity", e.PersistenceID, e.New, e.PassivateAfter)
	if e.SnapshotEvery < 0 {
		errs = append(errs, fmt.Errorf("SnapshotEvery is negative: %d", e.SnapshotEvery))
	}
	if e.SnapshotEvery > 0 && e.Snapshots.create == nil {
		errs = append(errs, errors.New("SnapshotEvery is set, but Snapshots is not"))
	}
	return append(errs, compact(e.Snapshots.err)...)
}

// checkState says what is wrong with the fields that all descriptions of
// entities with a stored state of type S have.
func checkState[S any](service *grpc.ServiceDesc, what, persistenceID string, create func(string) S, passivation time.Duration) []error {
	errs := checkInstances[S](service, create, passivation)
	if len(service.Streams) > 0 {
		errs = append(errs, fmt.Errorf("the commands of %s are unary, which %s is not", what, streamNames(service)))
	}
	return append(errs, compact(checkPersistenceID(persistenceID))...)
}

// checkInstances says what is wrong with the fields that all descriptions of
// entities with a state of type S have.
func checkInstances[S any](service *grpc.ServiceDesc, create func(string) S, passivation time.Duration) []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	state := reflect.TypeFor[S]()
	wrong(create == nil, "New is missing")
	wrong(state.Kind() != reflect.Pointer && state.Kind() != reflect.Interface,
		"the state %v must be a pointer, so that it can be changed", state)
	wrong(passivation != 0 && passivation < time.Millisecond, "PassivateAfter is less than a millisecond: %v", passivation)
	return append(errs, compact(implements(state, service))...)
}

// addHandlers puts the handlers into byName and says what is wrong with them.
func (e EventSourced[S]) addHandlers(byName map[string]*handler) []error {
	if len(e.Events) == 0 {
		return []error{errors.New("there are no event handlers: list them in Events, each made with sdk.On")}
	}
	var errs []error
	for i := range e.Events {
		h := &e.Events[i]
		switch {
		case h.err != nil:
			errs = append(errs, fmt.Errorf("event handler %d: %w", i, h.err))
		case h.create == nil:
			errs = append(errs, fmt.Errorf("event handler %d was not made with sdk.On", i))
		case byName[h.name] != nil:
			errs = append(errs, fmt.Errorf("event %s has two handlers", h.name))
		default:
			byName[h.name] = &h.handler
		}
	}
	return errs
}

// checkPersistenceID says whether any proxy can use id as part of a key.
func checkPersistenceID(id string) error {
	if id == "" {
		return errors.New("PersistenceID is missing")
	}
	if strings.ContainsFunc(id, func(r rune) bool {
		return r == '|' || r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.IsSpace(r)
	}) {
		return fmt.Errorf("PersistenceID %q has a space, a %q or a character that can't be printed", id, '|')
	}
	return nil
}

// implements says why state isn't a server of service, if it isn't.
func implements(state reflect.Type, service *grpc.ServiceDesc) error {
	want := reflect.TypeOf(service.HandlerType).Elem()
	if state.Implements(want) {
		return nil
	}
	for m := range want.Methods() {
		have, ok := state.MethodByName(m.Name)
		switch {
		case !m.IsExported():
			return fmt.Errorf("%v does not implement %v: embed %s", state, want, strings.TrimPrefix(m.Name, "mustEmbed"))
		case !ok:
			return fmt.Errorf("%v does not implement %v: it has no method %s", state, want, m.Name)
		case !sameSignature(have.Type, m.Type):
			return fmt.Errorf("%v does not implement %v: its method %s must be a %v", state, want, m.Name, m.Type)
		}
	}
	return fmt.Errorf("%v does not implement %v", state, want)
}

// sameSignature compares a method with its receiver to one without.
func sameSignature(have, want reflect.Type) bool {
	if have.NumIn() != want.NumIn()+1 || have.NumOut() != want.NumOut() {
		return false
	}
	for i := range want.NumIn() {
		if have.In(i+1) != want.In(i) {
			return false
		}
	}
	for i := range want.NumOut() {
		if have.Out(i) != want.Out(i) {
			return false
		}
	}
	return true
}

func streamNames(service *grpc.ServiceDesc) string {
	var names []string
	for _, s := range service.Streams {
		names = append(names, s.StreamName)
	}
	return strings.Join(names, ", ")
}

// compact returns the errors that are not nil.
func compact(errs ...error) []error {
	var found []error
	for _, err := range errs {
		if err != nil {
			found = append(found, err)
		}
	}
	return found
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

const eventSourcedType = "cloudstate.eventsourced.EventSourced"

// An eventSourced entity is an [EventSourced] that has been checked, without
// its type parameter.
type eventSourced struct {
	name      string
	methods   map[string]*method
	handlers  map[string]*handler // by the full name of the event
	create    func(id string) any
	snapshots *snapshots // nil if there are none
	every     int64      // events from a snapshot to the next
}

// A handler is an [EventHandler] without its type parameters.
type handler struct {
	name    string // full name of the event
	typeURL string
	create  func() proto.Message
	apply   func(state any, event proto.Message)
}

// snapshots is a [Snapshotter] without its type parameters.
type snapshots struct {
	name    string // full name of the snapshot
	create  func() proto.Message
	take    func(state any) proto.Message
	restore func(state any, snapshot proto.Message)
}

// An eventSourcedService is the protocol's service for event sourced entities.
type eventSourcedService struct {
	cloudstate.UnimplementedEventSourcedServer
	log      *slog.Logger
	entities map[string]*eventSourced
	gate     *gate
}

// Handle serves one activation of one instance. It ends when the proxy has
// ended its side, or when the instance can't go on.
func (s *eventSourcedService) Handle(stream grpc.BidiStreamingServer[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]) error {
	i := &instance{activation: activation{log: s.log, gate: s.gate}, entities: s.entities}
	i.begin(stream.Context())
	return converse(&i.activation, stream, i.take, func(f *cloudstate.Failure) *cloudstate.EventSourcedStreamOut {
		return &cloudstate.EventSourcedStreamOut{Message: &cloudstate.EventSourcedStreamOut_Failure{Failure: f}}
	})
}

// An instance is the state of one key of an event sourced entity while it has a
// stream.
type instance struct {
	activation
	entities map[string]*eventSourced // by service
	entity   *eventSourced            // nil before the init
	state    any
	last     int64 // sequence number of the last event applied
	stored   int64 // that of the last snapshot
	spoilt   bool  // the state has events of a refused command
	deleted  bool  // by a command that was answered

	emitted  []*anypb.Any // by the command being handled
	deleting bool         // what that command wants done with the instance
}

// take handles one message. An error is a fault: the state can't be trusted.
func (i *instance) take(in *cloudstate.EventSourcedStreamIn) (*cloudstate.EventSourcedStreamOut, error) {
	switch m := in.GetMessage().(type) {
	case *cloudstate.EventSourcedStreamIn_Command:
		return i.command(m.Command)
	case *cloudstate.EventSourcedStreamIn_Event:
		return nil, i.replay(m.Event)
	case *cloudstate.EventSourcedStreamIn_Init:
		return nil, i.init(m.Init)
	default:
		return nil, errors.New("the proxy sent an empty message")
	}
}

func (i *instance) init(m *cloudstate.EventSourcedInit) error {
	if i.entity != nil {
		return errors.New("the proxy sent a second init")
	}
	e := i.entities[m.GetServiceName()]
	if e == nil {
		return fmt.Errorf("no event sourced entity serves %q", m.GetServiceName())
	}
	i.entity, i.service, i.id = e, e.name, m.GetEntityId()
	i.state = e.create(i.id)
	if m.GetSnapshot() == nil {
		return nil
	}
	return i.restore(m.GetSnapshot())
}

func (i *instance) restore(m *cloudstate.EventSourcedSnapshot) error {
	s := i.entity.snapshots
	switch name := typeName(m.GetSnapshot().GetTypeUrl()); {
	case s == nil:
		return fmt.Errorf("there is a snapshot %s, but the entity %s has no Snapshots", name, i.entity.name)
	case s.name != name:
		return fmt.Errorf("the stored snapshot is a %s, those of the entity %s are %s", name, i.entity.name, s.name)
	}
	state := s.create()
	if err := proto.Unmarshal(m.GetSnapshot().GetValue(), state); err != nil {
		return fmt.Errorf("decode snapshot %s: %w", s.name, err)
	}
	s.restore(i.state, state)
	i.last, i.stored = m.GetSnapshotSequence(), m.GetSnapshotSequence()
	return nil
}

func (i *instance) replay(m *cloudstate.EventSourcedEvent) error {
	if i.entity == nil {
		return errors.New("the proxy sent an event before the init")
	}
	switch n := m.GetSequence(); {
	case i.last == 0 && n > 0:
		i.last, i.stored = n-1, n-1 // of an instance that was deleted at n-1, unless that is 0
	case n != i.last+1:
		return fmt.Errorf("event %d follows on %d", n, i.last)
	}
	h := i.entity.handlerOf(m.GetPayload().GetTypeUrl())
	if h == nil {
		return fmt.Errorf("stored event %d is a %s, which has no handler: add sdk.On with a func(%T, <that message>) to Events of the entity %s",
			m.GetSequence(), typeName(m.GetPayload().GetTypeUrl()), i.state, i.entity.name)
	}
	event, err := h.read(m.GetPayload())
	if err != nil {
		return fmt.Errorf("decode event %d, a %s: %w", m.GetSequence(), h.name, err)
	}
	h.apply(i.state, event)
	i.last = m.GetSequence()
	return nil
}

func (i *instance) command(m *cloudstate.Command) (*cloudstate.EventSourcedStreamOut, error) {
	if err := i.takes(m); err != nil {
		return nil, err
	}
	if i.spoilt {
		return nil, errors.New("the proxy sent a command after a failure that asked for a restart")
	}
	if i.deleted {
		return nil, errors.New("the proxy sent a command after the instance was deleted: it can't delete event sourced instances")
	}
	a := &answer{}
	a.reply.CommandId = m.GetId()
	method := i.entity.methods[m.GetName()]
	if method == nil {
		return a.with(refusal(m.GetId(), i.unknown(m), false)), nil
	}
	i.emitted, i.deleting = nil, false
	c := &command{method: method, owner: owner{instance: i}}
	reply, refused, err := i.run(c, i.state, m)
	switch {
	case err != nil:
		return nil, err
	case refused != nil:
		i.spoilt = len(i.emitted) > 0
		return a.with(refusal(m.GetId(), refused, i.spoilt)), nil
	}
	return i.answer(a, c, reply)
}

// emit applies an event of the command being handled, and keeps it for the answer.
func (i *instance) emit(event proto.Message) error {
	if event == nil || !event.ProtoReflect().IsValid() {
		return errors.New("the event is nil")
	}
	if e, ok := event.(*anypb.Any); ok {
		return i.emitAny(e)
	}
	name := nameOf(event)
	h := i.entity.handlers[name]
	if h == nil {
		return i.unhandled(name, event)
	}
	// Encoded first, so that what is stored is what the handler was given,
	// whatever it does with it.
	value, err := proto.Marshal(event)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	i.emitted = append(i.emitted, &anypb.Any{TypeUrl: h.typeURL, Value: value})
	h.apply(i.state, event)
	return nil
}

// emitAny applies an event that is given as it is stored.
func (i *instance) emitAny(event *anypb.Any) error {
	h := i.entity.handlerOf(event.GetTypeUrl())
	if h == nil {
		return i.unhandled(event.GetTypeUrl(), event)
	}
	if event.GetTypeUrl() == "" {
		return errors.New("the event has no type")
	}
	m, err := h.read(event)
	if err != nil {
		return fmt.Errorf("decode event %s: %w", h.name, err)
	}
	i.emitted = append(i.emitted, &anypb.Any{TypeUrl: event.GetTypeUrl(), Value: event.GetValue()})
	h.apply(i.state, m)
	return nil
}

func (i *instance) unhandled(name string, event proto.Message) error {
	return fmt.Errorf("event %s has no handler: add sdk.On with a func(%T, %T) to Events of the entity %s", name, i.state, event, i.entity.name)
}

// deletion is the field of an EventSourcedReply that has the instance deleted: an
// empty duration as field 6. Later generations of the protocol have it; the one
// that this package speaks does not, and a proxy of that one skips it.
var deletion = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), nil)

// An answer is a reply with the messages that it usually consists of, in one
// allocation.
type answer struct {
	out    cloudstate.EventSourcedStreamOut
	wrap   cloudstate.EventSourcedStreamOut_Reply
	reply  cloudstate.EventSourcedReply
	client clientAction
}

// with returns the stream message that has action in it.
func (a *answer) with(action *cloudstate.ClientAction) *cloudstate.EventSourcedStreamOut {
	a.reply.ClientAction = action
	a.wrap.Reply = &a.reply
	a.out.Message = &a.wrap
	return &a.out
}

// answer completes the answer to a command that was not refused.
func (i *instance) answer(a *answer, c *command, reply proto.Message) (*cloudstate.EventSourcedStreamOut, error) {
	a.reply.Events, a.reply.SideEffects = i.emitted, c.effects
	i.last += int64(len(i.emitted))
	if i.deleting {
		i.deleted = true
		a.reply.ProtoReflect().SetUnknown(deletion)
	} else if err := i.snapshot(a, len(i.emitted)); err != nil {
		return nil, err
	}
	action, err := a.client.of(c, reply)
	if err != nil {
		return nil, err
	}
	return a.with(action), nil
}

// snapshot adds a snapshot to the answer if it is time for one. Without new
// events it isn't: proxies ignore it then.
func (i *instance) snapshot(a *answer, events int) error {
	s := i.entity.snapshots
	if s == nil || events == 0 || i.last-i.stored < i.entity.every {
		return nil
	}
	value, err := proto.Marshal(s.take(i.state))
	if err != nil {
		return fmt.Errorf("encode snapshot %s: %w", s.name, err)
	}
	a.reply.Snapshot = &anypb.Any{TypeUrl: typeURL(s.name), Value: value}
	i.stored = i.last
	return nil
}

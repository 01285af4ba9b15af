// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// An instance is what is stored of one key, and its stream while it has one.
type instance struct {
	service string
	id      string
	open    func(*instance) exchanger

	mu       sync.Mutex   // held for one command; protects what follows
	events   []*anypb.Any // nil where they were deleted
	snapshot *cloudstate.EventSourcedSnapshot
	erased   int64 // sequence number at which the events of before were deleted
	value    *anypb.Any
	crdt     replicated
	stream   exchanger // nil while passivated
	commands int64     // in this stream
}

// An exchanger is the stream of an instance, of whatever protocol.
type exchanger interface {
	// exchange gives the function a command.
	exchange(c *cloudstate.Command) answer
	// end ends the stream and waits until the function has ended its side.
	end()
}

// An answer is what the function says to a command.
type answer struct {
	fault  *cloudstate.Failure // instead of an answer
	id     int64               // of the command
	action *cloudstate.ClientAction
	store  func() // what is to be stored
	outcome
}

func newInstance(function *services, e *cloudstate.Entity, id string) *instance {
	i := &instance{service: e.GetServiceName(), id: id}
	i.open = func(i *instance) exchanger { return openEventSourced(function.eventSourced, i) }
	switch e.GetEntityType() {
	case valueEntityType:
		i.open = func(i *instance) exchanger { return openValueEntity(function.valueEntity, i) }
	case crdtType:
		i.open = func(i *instance) exchanger { return openCRDT(function.crdt, i) }
	}
	return i
}

// handle gives the function one command and stores what it answers.
func (i *instance) handle(ctx context.Context, c *cloudstate.Command) (*outcome, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.handleOne(ctx, c)
}

// handleOne is handle for those who hold mu.
func (i *instance) handleOne(ctx context.Context, c *cloudstate.Command) (*outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	if i.crdt.deleted {
		return nil, errDeleted
	}
	if i.stream == nil {
		i.stream = i.open(i)
		i.commands = 0
	}
	i.commands++
	c.Id = i.commands
	before := len(i.events)
	a := i.stream.exchange(c)
	switch {
	case a.fault != nil:
		i.end()
		return nil, status.Error(codes.Internal, a.fault.GetDescription())
	case a.id != c.GetId():
		i.end()
		return nil, status.Errorf(codes.Internal, "reply to command %d while %d is outstanding", a.id, c.GetId())
	}
	a.reply, a.forward, a.failure = a.action.GetReply(), a.action.GetForward(), a.action.GetFailure()
	if a.failure == nil {
		a.store()
		for n, e := range i.events[before:] {
			if e != nil {
				a.events = append(a.events, event{i, before + n + 1, e})
			}
		}
	} else if a.failure.GetRestart() {
		i.end()
	}
	return &a.outcome, nil
}

func (i *instance) passivate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.crdt.watchers) == 0 { // a streamed command keeps the instance awake
		i.end()
	}
}

func (i *instance) end() {
	if i.stream != nil {
		i.stream.end()
	}
	i.stream = nil
	i.crdt.abandon()
}

// gone is the answer of a function that does not answer.
func gone() answer {
	return answer{fault: &cloudstate.Failure{Description: "the function ended the stream"}}
}

// An eventSourced is the stream of an event sourced instance.
type eventSourced struct {
	*stream[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]
	of *instance
}

// openEventSourced opens a stream and replays what is stored. If the function
// ends the stream meanwhile, the answer to the next exchange says so.
func openEventSourced(fn cloudstate.EventSourcedServer, i *instance) eventSourced {
	s := open(fn.Handle)
	s.send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: i.service, EntityId: i.id, Snapshot: i.snapshot},
	}})
	for n := max(i.erased, i.snapshot.GetSnapshotSequence()); n < int64(len(i.events)); n++ {
		s.send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Event{
			Event: &cloudstate.EventSourcedEvent{Sequence: n + 1, Payload: i.events[n]},
		}})
	}
	return eventSourced{s, i}
}

func (s eventSourced) exchange(c *cloudstate.Command) answer {
	out := s.stream.exchange(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: c}})
	switch m := out.GetMessage().(type) {
	case *cloudstate.EventSourcedStreamOut_Reply:
		a := answer{id: m.Reply.GetCommandId(), action: m.Reply.GetClientAction(), store: func() { s.store(m.Reply) }}
		a.effects = m.Reply.GetSideEffects()
		return a
	case *cloudstate.EventSourcedStreamOut_Failure:
		return answer{fault: m.Failure}
	}
	return gone()
}

func (s eventSourced) store(r *cloudstate.EventSourcedReply) {
	s.of.events = append(s.of.events, r.GetEvents()...)
	if deletes(r) {
		s.of.erase()
	} else if r.GetSnapshot() != nil {
		s.of.snapshot = &cloudstate.EventSourcedSnapshot{SnapshotSequence: int64(len(s.of.events)), Snapshot: r.GetSnapshot()}
	}
}

// deletes reports whether r has the instance deleted. That is field 6, which
// this generation of the protocol has no name for.
func deletes(r *cloudstate.EventSourcedReply) bool {
	for fields := r.ProtoReflect().GetUnknown(); len(fields) > 0; {
		number, _, n := protowire.ConsumeField(fields)
		if number == 6 {
			return true
		}
		if n < 0 {
			return false
		}
		fields = fields[n:]
	}
	return false
}

// erase deletes the instance: the next command finds a function that begins with
// nothing, and the numbers of events go on to count.
func (i *instance) erase() {
	i.erased, i.snapshot = int64(len(i.events)), nil
	clear(i.events)
	i.end()
}

// A valueEntity is the stream of a value entity's instance.
type valueEntity struct {
	*stream[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]
	of *instance
}

func openValueEntity(fn cloudstate.ValueEntityServer, i *instance) valueEntity {
	s := open(fn.Handle)
	s.send(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{
		Init: &cloudstate.ValueEntityInit{ServiceName: i.service, EntityId: i.id, State: &cloudstate.ValueEntityInitState{Value: i.value}},
	}})
	return valueEntity{s, i}
}

func (s valueEntity) exchange(c *cloudstate.Command) answer {
	out := s.stream.exchange(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Command{Command: c}})
	switch m := out.GetMessage().(type) {
	case *cloudstate.ValueEntityStreamOut_Reply:
		a := answer{id: m.Reply.GetCommandId(), action: m.Reply.GetClientAction(), store: func() { s.store(m.Reply.GetStateAction()) }}
		a.effects = m.Reply.GetSideEffects()
		return a
	case *cloudstate.ValueEntityStreamOut_Failure:
		return answer{fault: m.Failure}
	}
	return gone()
}

func (s valueEntity) store(a *cloudstate.ValueEntityAction) {
	switch a := a.GetAction().(type) {
	case *cloudstate.ValueEntityAction_Update:
		s.of.value = a.Update.GetValue()
	case *cloudstate.ValueEntityAction_Delete:
		s.of.value = nil
	}
}

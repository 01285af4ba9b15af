// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/valueentity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// A protocol is what the entities of one type have of their own.
type protocol struct {
	// replay tells the function what is stored, and returns the position that
	// it has then. It returns what Send does if the stream has ended.
	replay func(*awake, *activation, Stream) (entity.Seq, error)

	command func(wire.Command) Marshaler
	message func(*inbox) message // the one that an answer is read into
}

// A message is what the function says.
type message interface {
	Unmarshaler

	// Accept decides what the message means as the answer to command id of
	// key, whose last position so far is last.
	Accept(key entity.Key, last entity.Seq, id int64) (instance.Decision, error)

	// Failure returns the function's failure to go on, if that is the message.
	Failure() *wire.Failure
}

// An inbox has room for a message of any protocol, to be used again and again.
type inbox struct {
	eventSourced eventsourced.Message
	value        valueentity.Message
}

// protocols are those that a Set speaks. They never change.
type protocols struct{ eventSourced, value protocol }

func newProtocols() *protocols {
	return &protocols{
		eventSourced: protocol{
			replay:  (*awake).replayEvents,
			command: func(c wire.Command) Marshaler { m := eventsourced.Command(c); return &m },
			message: func(in *inbox) message { return &in.eventSourced },
		},
		value: protocol{
			replay:  (*awake).replayValue,
			command: func(c wire.Command) Marshaler { m := valueentity.Command(c); return &m },
			message: func(in *inbox) message { return &in.value },
		},
	}
}

// of returns the protocol of e, nil if e is of a type that has no instances
// that handle one command at a time.
func (p *protocols) of(e *route.Entity) *protocol {
	switch e.Type {
	case route.EventSourced:
		return &p.eventSourced
	case route.ValueEntity:
		return &p.value
	}
	return nil
}

// replayEvents sends the snapshot of an event sourced entity and the events
// after it.
func (in *awake) replayEvents(act *activation, stream Stream) (entity.Seq, error) {
	journal := in.set.Journal
	snapshot, err := journal.Snapshot(&act.life, in.key)
	if err != nil {
		return 0, fmt.Errorf("load the snapshot of %v: %w", in.key, err)
	}
	if snapshot.Seq > 0 && !snapshot.Deleted {
		in.stats.LoadedSnapshots.add(len(snapshot.Value))
	}
	last := snapshot.Seq
	if snapshot.Deleted { // the function knows of nothing that was before
		snapshot = entity.Snapshot{}
	}
	if err := stream.Send(&eventsourced.Init{Service: in.Service, ID: in.key.ID, Snapshot: snapshot}); err != nil {
		return 0, err
	}
	var msg eventsourced.Replay
	for event, err := range journal.Events(&act.life, in.key, last) {
		if err != nil {
			return 0, fmt.Errorf("load the events of %v: %w", in.key, err)
		}
		if event.Seq != last+1 {
			return 0, fmt.Errorf("load the events of %v: event %d follows %d", in.key, event.Seq, last)
		}
		msg.Event = event
		if err := stream.Send(&msg); err != nil {
			return 0, err
		}
		last = event.Seq
		in.stats.LoadedEvents.add(len(event.Value))
		if last%128 == 0 {
			in.touch(act)
		}
	}
	return last, nil
}

// replayValue sends the state of a value entity.
func (in *awake) replayValue(act *activation, stream Stream) (entity.Seq, error) {
	value, err := in.set.Journal.Value(&act.life, in.key)
	if err != nil {
		return 0, fmt.Errorf("load the value of %v: %w", in.key, err)
	}
	if value.Exists {
		in.stats.LoadedValues.add(len(value.Value))
	}
	return value.Version, stream.Send(&valueentity.Init{Service: in.Service, ID: in.key.ID, Value: value})
}

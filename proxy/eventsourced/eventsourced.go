// SPDX-License-Identifier: Apache-2.0

// Package eventsourced is the protocol of event sourced entities: what is sent
// to the user function, and what its answers mean.
//
// One stream of cloudstate.eventsourced.EventSourced/handle belongs to one
// active instance. The function gets an init with the latest snapshot, the
// events after it, and then commands, each after the answer to the one before.
//
// # What an answer means
//
// A reply must carry the id of the command that the function has. Its events
// are stored before the client sees anything, all or none, and its snapshot
// with them. A snapshot without events is stored too, unless nothing was ever
// stored.
//
// A failure action refuses the command: nothing is stored. If it asks for a
// restart, the instance is loaded again, since the function has applied events
// that don't exist; events that came with it are dropped. Events with a failure
// that does not ask for a restart contradict each other: the answer is a
// protocol error, and nothing of it is stored. (The reference stores them, and
// no known library sends this.)
//
// A reply may delete the instance, in the generations that have that: its events
// are stored, and then the end of its history, at which the next one begins. The
// instance is loaded again, so that the function knows nothing of it either. A
// snapshot beside it is of no use.
//
// A reply without a client action is answered with an empty message.
//
// A Failure message, instead of a reply, says that the function could not
// handle a command: the client gets its description, and the stream is given
// up. A message with another id, or none at all, is a protocol error.
package eventsourced

import (
	"fmt"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// Method is the path of the protocol's only method, in Cloudstate's dialect.
const Method = "/cloudstate.eventsourced.EventSourced/handle"

// Failure returns what the function says of its failure if that is what the
// message is, or nil.
func (m *Message) Failure() *Failure { return m.Failed }

// Accept decides what the message means as the answer to command id of the
// instance key, whose last event so far is last. An error means that the stream
// is of no use any more; it is what the client gets.
func (m *Message) Accept(key entity.Key, last entity.Seq, id int64) (instance.Decision, error) {
	switch {
	case m.Failed != nil:
		return instance.Decision{}, m.Failed.Crash()
	case !m.Replied:
		return instance.Decision{}, fmt.Errorf("empty message instead of a reply to command %d: %w", id, entity.ErrProtocol)
	case m.CommandID != id:
		return instance.Decision{}, fmt.Errorf("reply to command %d while command %d runs: %w", m.CommandID, id, entity.ErrProtocol)
	}
	if f := m.Refused; f != nil {
		return m.refuse(f)
	}
	d := instance.Decision{Outcome: m.Outcome, Write: entity.Write{Key: key}}
	if len(m.Events) > 0 {
		d.Write.Events = number(last, m.Events)
		last += entity.Seq(len(m.Events))
	}
	if m.Deleted {
		return m.delete(d, last), nil
	}
	if m.Snapshot != nil && last > 0 {
		d.Write.Snapshot = &entity.Snapshot{Seq: last, Payload: *m.Snapshot}
	}
	return d, nil
}

func (m *Message) refuse(f *Failure) (instance.Decision, error) {
	if (len(m.Events) > 0 || m.Deleted) && !f.Restart {
		return instance.Decision{}, fmt.Errorf("command %d refused (%s), yet with %d events, deleted: %t: %w",
			m.CommandID, f.Description, len(m.Events), m.Deleted, entity.ErrProtocol)
	}
	o := entity.Outcome{Effects: m.Outcome.Effects, Err: f.Refusal()}
	return instance.Decision{Outcome: o, Restart: f.Restart}, nil
}

// delete ends the history of the instance at last, the position after the events
// of the message, if it has any. The function is to know nothing of it.
func (m *Message) delete(d instance.Decision, last entity.Seq) instance.Decision {
	if last > 0 {
		d.Write.Snapshot, d.Keep = &entity.Snapshot{Seq: last, Deleted: true}, m.Keep
	}
	d.Restart = true
	return d
}

// number gives events the positions after last.
func number(last entity.Seq, events []entity.Payload) []entity.Event {
	numbered := make([]entity.Event, len(events))
	for i, p := range events {
		numbered[i] = entity.Event{Seq: last + 1 + entity.Seq(i), Payload: p}
	}
	return numbered
}

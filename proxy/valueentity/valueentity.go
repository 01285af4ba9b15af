// SPDX-License-Identifier: Apache-2.0

// Package valueentity is the protocol of value entities: what is sent to the
// user function, and what its answers mean.
//
// One stream of cloudstate.valueentity.ValueEntity/handle belongs to one active
// instance. The function gets an init with the state, which is there even if
// nothing is stored, and then commands, each after the answer to the one before.
//
// # What an answer means
//
// A reply must carry the id of the command that the function has. Its state
// action replaces the state, or deletes it, before the client sees anything.
// Either makes the next version of the value, which goes on to count after a
// deletion. The stream of an instance whose state was deleted stays: what the
// function thinks of its state from then on is its own affair, until it is
// activated again and begins with nothing.
//
// An update without a value and a state action without an action say nothing
// that could be stored: they are protocol errors. The function believes that it
// has stored something, so the instance is brought up afresh.
//
// A failure action refuses the command: nothing is stored. With a state action
// beside it the answer contradicts itself: it is a protocol error, unless the
// failure asks for a restart, which is what the function would have to do to
// agree with what is stored. (The reference stores the state, and yet tells the
// client of a failure. No known library sends this.)
//
// A reply without a client action is answered with an empty message.
//
// A Failure message, instead of a reply, says that the function could not
// handle a command: the client gets its description, and the stream is given
// up. A message with another id, or none at all, is a protocol error.
package valueentity

import (
	"fmt"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// Method is the path of the protocol's only method, in Cloudstate's dialect.
const Method = "/cloudstate.valueentity.ValueEntity/handle"

// Accept decides what the message means as the answer to command id of the
// instance key, whose value so far has the version last. An error means that the
// stream is of no use any more; it is what the client gets.
func (m *Message) Accept(key entity.Key, last entity.Seq, id int64) (instance.Decision, error) {
	switch {
	case m.Failed != nil:
		return instance.Decision{}, m.Failed.Crash()
	case !m.Replied:
		return instance.Decision{}, fmt.Errorf("empty message instead of a reply to command %d: %w", id, entity.ErrProtocol)
	case m.CommandID != id:
		return instance.Decision{}, fmt.Errorf("reply to command %d while command %d runs: %w", m.CommandID, id, entity.ErrProtocol)
	case m.Refused != nil:
		return m.refuse()
	}
	value, err := m.value(last + 1)
	if err != nil {
		return instance.Decision{}, err
	}
	return instance.Decision{Outcome: m.Outcome, Write: entity.Write{Key: key, Value: value}}, nil
}

func (m *Message) refuse() (instance.Decision, error) {
	f := m.Refused
	if m.Change != nil && !f.Restart {
		return instance.Decision{}, fmt.Errorf("command %d refused (%s), yet with a state action: %w",
			m.CommandID, f.Description, entity.ErrProtocol)
	}
	o := entity.Outcome{Effects: m.Outcome.Effects, Err: f.Refusal()}
	return instance.Decision{Outcome: o, Restart: f.Restart}, nil
}

// value returns what is to be stored, as that version; nil if nothing is.
func (m *Message) value(version entity.Seq) (*entity.Value, error) {
	c := m.Change
	switch {
	case c == nil:
		return nil, nil
	case c.Delete:
		return &entity.Value{Version: version}, nil
	case !c.Update:
		return nil, fmt.Errorf("empty state action in the reply to command %d: %w", m.CommandID, entity.ErrProtocol)
	case c.Value == nil:
		return nil, fmt.Errorf("update without a value in the reply to command %d: %w", m.CommandID, entity.ErrProtocol)
	}
	return &entity.Value{Version: version, Exists: true, Payload: *c.Value}, nil
}

// Failure returns what the function says of its failure if that is what the
// message is, or nil.
func (m *Message) Failure() *Failure { return m.Failed }

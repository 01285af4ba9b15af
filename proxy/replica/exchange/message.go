// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// Method is the path of the protocol's only method, in Cloudstate's dialect.
const Method = "/cloudstate.crdt.Crdt/handle"

// Consistency is how many members must have a change before it is answered.
type Consistency int32

// The consistencies, numbered as in the protocol.
const (
	Local Consistency = iota
	Majority
	All
)

// An Action is what a message does to the data. The zero Action does nothing.
type Action struct {
	Update      *cloudstate.CrdtDelta
	Delete      bool
	Consistency Consistency
}

func (a *Action) empty() bool { return a.Update == nil && !a.Delete }

// A What tells messages apart.
type What uint8

// The messages of a function, numbered as the fields of a CrdtStreamOut.
const (
	Nothing           What = iota
	Reply                  // to a command
	StreamedMessage        // for an open call
	CancelledResponse      // to the cancellation of a call
	Failed                 // instead of a reply, or for the whole instance
)

// A Message is what the function sends: a CrdtStreamOut.
type Message struct {
	What      What
	CommandID int64
	Outcome   entity.Outcome // reply or forward, and effects
	Refused   *wire.Failure  // the failure action, if that is the reply; the failure, if that is the message
	Action    Action
	Streamed  bool // of a reply: more will follow
	End       bool // of a streamed message: nothing will
	Last      bool // of a failure: the function ends the stream after it
}

// UnmarshalWire reads an encoded message. It keeps nothing of data.
func (m *Message) UnmarshalWire(data []byte) error {
	*m = Message{}
	r := wire.NewReader(bytes.Clone(data))
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			m.become(Reply)
			err = m.reply(r.Value())
		case r.Bytes(2):
			m.become(StreamedMessage)
			err = m.streamed(r.Value())
		case r.Bytes(3):
			m.become(CancelledResponse)
			err = m.cancelled(r.Value())
		case r.Bytes(4):
			err = m.fail(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

// A RepliesOnly reads messages of functions that have nothing to say but replies
// and failures, since there are no streamed commands in their dialect. Nor do
// they say what a write has to reach: that is known beforehand.
type RepliesOnly struct {
	*Message
	Consistency Consistency
}

// UnmarshalWire reads an encoded message. It keeps nothing of data.
func (m RepliesOnly) UnmarshalWire(data []byte) error {
	*m.Message = Message{}
	r := wire.NewReader(bytes.Clone(data))
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			m.become(Reply)
			err = m.reply(r.Value())
		case r.Bytes(2):
			err = m.fail(r.Value())
			m.Last = true
		}
		if err != nil {
			return err
		}
	}
	m.Action.Consistency = m.Consistency
	return r.Err()
}

func (m *Message) fail(msg []byte) error {
	m.become(Failed)
	if m.Refused == nil {
		m.Refused = &wire.Failure{}
	}
	err := m.Refused.Read(msg)
	m.CommandID = m.Refused.CommandID
	return err
}

// become drops what came before if that is another message: the last one holds,
// as the rules for merging have it.
func (m *Message) become(w What) {
	if m.What != w {
		*m = Message{What: w}
		m.Outcome.None = w != Failed
	}
}

func (m *Message) action(msg []byte) error {
	var err error
	m.Refused, err = wire.ClientAction(msg, &m.Outcome, m.Refused)
	m.Outcome.None = m.Refused == nil && m.Outcome.Forward == nil && m.Outcome.Reply.TypeURL == ""
	return err
}

func (m *Message) effect(msg []byte) error {
	e, err := wire.Effect(msg)
	m.Outcome.Effects = append(m.Outcome.Effects, e)
	return err
}

func (m *Message) reply(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Varint(1):
			m.CommandID = int64(r.Uint())
		case r.Bytes(2):
			err = m.action(r.Value())
		case r.Bytes(4):
			err = m.effect(r.Value())
		case r.Bytes(5):
			err = m.Action.read(r.Value())
		case r.Varint(6):
			m.Streamed = r.Uint() != 0
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

func (m *Message) streamed(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Varint(1):
			m.CommandID = int64(r.Uint())
		case r.Bytes(2):
			err = m.action(r.Value())
		case r.Bytes(3):
			err = m.effect(r.Value())
		case r.Varint(4):
			m.End = r.Uint() != 0
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

func (m *Message) cancelled(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Varint(1):
			m.CommandID = int64(r.Uint())
		case r.Bytes(2):
			err = m.effect(r.Value())
		case r.Bytes(3):
			err = m.Action.read(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

func (a *Action) read(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		switch {
		case r.Bytes(1):
			if a.Update == nil {
				a.Update, a.Delete = &cloudstate.CrdtDelta{}, false
			}
			if err := (proto.UnmarshalOptions{Merge: true}).Unmarshal(r.Value(), a.Update); err != nil {
				return fmt.Errorf("malformed delta: %w", err)
			}
		case r.Bytes(2):
			a.Update, a.Delete = nil, true
		case r.Varint(3):
			a.Consistency = Consistency(r.Uint())
		}
	}
	return r.Err()
}

// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"bytes"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// A Failure is the function's failure, as an action or as a message.
type Failure = wire.Failure

// A Message is what the function sends: a ValueEntityStreamOut.
type Message struct {
	Replied   bool // whether it is a reply
	CommandID int64
	Outcome   entity.Outcome // reply or forward, and effects
	Refused   *Failure       // the failure action, if that is the reply
	Change    *Change        // the state action, if there is one

	Failed *Failure // set if the message is a failure and no reply
}

// A Change is a ValueEntityAction: what is to become of the state. It may say
// nothing at all.
type Change struct {
	Update bool
	Value  *entity.Payload // of an update; nil if that has none
	Delete bool
}

// UnmarshalWire reads an encoded message. It keeps nothing of data.
func (m *Message) UnmarshalWire(data []byte) error {
	*m = Message{}
	r := wire.NewReader(bytes.Clone(data))
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			m.Replied, m.Failed = true, nil
			err = m.reply(r.Value())
		case r.Bytes(2):
			if m.Failed == nil {
				*m = Message{Failed: &Failure{}}
			}
			err = m.Failed.Read(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

func (m *Message) reply(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Varint(1):
			m.CommandID = int64(r.Uint())
		case r.Bytes(2):
			m.Refused, err = wire.ClientAction(r.Value(), &m.Outcome, m.Refused)
		case r.Bytes(3):
			var e entity.Effect
			e, err = wire.Effect(r.Value())
			m.Outcome.Effects = append(m.Outcome.Effects, e)
		case r.Bytes(4):
			if m.Change == nil {
				m.Change = &Change{}
			}
			err = m.Change.read(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

// read merges an encoded state action into c: of update and delete, the last one
// holds.
func (c *Change) read(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			c.Update, c.Delete = true, false
			err = c.update(r.Value())
		case r.Bytes(2):
			*c = Change{Delete: true}
			err = wire.Skip(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

func (c *Change) update(msg []byte) error {
	r := wire.NewReader(msg)
	for r.Next() {
		if !r.Bytes(1) {
			continue
		}
		if c.Value == nil {
			c.Value = &entity.Payload{}
		}
		if err := wire.Payload(r.Value(), c.Value); err != nil {
			return err
		}
	}
	return r.Err()
}

// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"bytes"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// A Failure is the function's failure, as an action or as a message.
type Failure = wire.Failure

// A Message is what the function sends: an EventSourcedStreamOut.
type Message struct {
	Replied   bool // whether it is a reply
	CommandID int64
	Outcome   entity.Outcome // reply or forward, and effects
	Refused   *Failure       // the failure action, if that is the reply
	Events    []entity.Payload
	Snapshot  *entity.Payload

	Deleted bool          // whether the instance is to be deleted; later generations have that
	Keep    time.Duration // how long its events are to stay then; 0 if the function doesn't say

	Failed *Failure // set if the message is a failure and no reply
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
			var p entity.Payload
			err = wire.Payload(r.Value(), &p)
			m.Events = append(m.Events, p)
		case r.Bytes(5):
			if m.Snapshot == nil {
				m.Snapshot = &entity.Payload{}
			}
			err = wire.Payload(r.Value(), m.Snapshot)
		case r.Bytes(6):
			m.Deleted = true
			m.Keep, err = wire.Duration(r.Value())
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

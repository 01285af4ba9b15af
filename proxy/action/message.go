// SPDX-License-Identifier: Apache-2.0

package action

import (
	"bytes"

	"github.com/kairn-dev/kairn/proxy/dialect"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// A part says which fields of a Command are sent.
type part int

const (
	whole   part = iota // all: the only message of a request
	opening             // all but the payload: the first message of a streamed request
	later               // the payload: the others
	named               // all but the metadata: each message, in a dialect that has no metadata
)

// first returns what the first message of a request has in the function's
// dialect, where p is it in most.
func first(s *dialect.Service, p part) part {
	if s.Named {
		return named
	}
	return p
}

// A command is a message that gives the function a call, or a part of one: an
// ActionCommand.
type command struct {
	part     part
	service  string
	name     string
	payload  entity.Payload
	metadata entity.Metadata
}

// SizeWire returns how many bytes AppendWire appends.
func (c *command) SizeWire() int {
	n := 0
	if c.part != later {
		n = wire.SizeString(2, c.service) + wire.SizeString(3, c.name)
	}
	if c.part == whole || c.part == opening {
		n += wire.SizeMetadata(5, c.metadata)
	}
	if c.part != opening {
		n += wire.SizePayload(4, c.payload)
	}
	return n
}

// AppendWire appends the encoded message.
func (c *command) AppendWire(b []byte) []byte {
	if c.part != later {
		b = wire.AppendString(b, 2, c.service)
		b = wire.AppendString(b, 3, c.name)
	}
	if c.part != opening {
		b = wire.AppendPayload(b, 4, c.payload)
	}
	if c.part == whole || c.part == opening {
		b = wire.AppendMetadata(b, 5, c.metadata)
	}
	return b
}

// A response is what the function sends: an ActionResponse.
type response struct {
	outcome entity.Outcome
	failure *wire.Failure
}

// UnmarshalWire reads an encoded message. It keeps nothing of data.
func (m *response) UnmarshalWire(data []byte) error {
	*m = response{outcome: entity.Outcome{None: true}}
	r := wire.NewReader(bytes.Clone(data))
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			err = m.fail(r.Value())
		case r.Bytes(2):
			m.failure, m.outcome.Forward, m.outcome.None = nil, nil, false
			err = wire.Reply(r.Value(), &m.outcome)
		case r.Bytes(3):
			err = m.forward(r.Value())
		case r.Bytes(4):
			var e entity.Effect
			e, err = wire.Effect(r.Value())
			m.outcome.Effects = append(m.outcome.Effects, e)
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

// fail reads a failure, over the one that is there if there is.
func (m *response) fail(msg []byte) error {
	if m.failure == nil {
		m.failure, m.outcome = &wire.Failure{}, entity.Outcome{Effects: m.outcome.Effects}
	}
	return m.failure.Read(msg)
}

// forward reads a forward, over the one that is there if there is.
func (m *response) forward(msg []byte) error {
	if m.outcome.Forward == nil {
		m.failure, m.outcome = nil, entity.Outcome{Forward: &entity.Target{}, Effects: m.outcome.Effects}
	}
	return wire.Forward(msg, m.outcome.Forward)
}

// result returns what the response says.
func (m *response) result() entity.Outcome {
	o := m.outcome
	if m.failure != nil {
		o.Err = m.failure.Refusal()
	}
	return o
}

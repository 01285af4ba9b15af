// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// An Init is the first message of a stream. It always has a state, which has no
// value if nothing is stored.
type Init struct {
	Service string
	ID      string
	Value   entity.Value
}

// SizeWire returns how many bytes AppendWire appends.
func (m *Init) SizeWire() int {
	return protowire.SizeTag(1) + protowire.SizeBytes(m.size())
}

func (m *Init) size() int {
	return wire.SizeString(1, m.Service) + wire.SizeString(2, m.ID) + protowire.SizeTag(3) + protowire.SizeBytes(m.sizeState())
}

func (m *Init) sizeState() int {
	if !m.Value.Exists {
		return 0
	}
	return wire.SizePayload(1, m.Value.Payload)
}

// AppendWire appends the encoded message.
func (m *Init) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 1, m.size())
	b = wire.AppendString(b, 1, m.Service)
	b = wire.AppendString(b, 2, m.ID)
	b = wire.AppendLength(b, 3, m.sizeState())
	if m.Value.Exists {
		b = wire.AppendPayload(b, 1, m.Value.Payload)
	}
	return b
}

// A Command is the message that gives the function a command.
type Command wire.Command

// SizeWire returns how many bytes AppendWire appends.
func (m *Command) SizeWire() int { return (*wire.Command)(m).Size(2) }

// AppendWire appends the encoded message.
func (m *Command) AppendWire(b []byte) []byte { return (*wire.Command)(m).Append(b, 2) }

// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// An Init is the first message of a stream. A zero Snapshot stands for none.
type Init struct {
	Service  string
	ID       string
	Snapshot entity.Snapshot
}

// SizeWire returns how many bytes AppendWire appends.
func (m *Init) SizeWire() int {
	n := m.size()
	return protowire.SizeTag(1) + protowire.SizeBytes(n)
}

func (m *Init) size() int {
	n := wire.SizeString(1, m.Service) + wire.SizeString(2, m.ID)
	if m.Snapshot.Seq > 0 {
		n += protowire.SizeTag(3) + protowire.SizeBytes(m.sizeSnapshot())
	}
	return n
}

func (m *Init) sizeSnapshot() int {
	return wire.SizeInt(1, int64(m.Snapshot.Seq)) + wire.SizePayload(2, m.Snapshot.Payload)
}

// AppendWire appends the encoded message.
func (m *Init) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 1, m.size())
	b = wire.AppendString(b, 1, m.Service)
	b = wire.AppendString(b, 2, m.ID)
	if m.Snapshot.Seq > 0 {
		b = wire.AppendLength(b, 3, m.sizeSnapshot())
		b = wire.AppendInt(b, 1, int64(m.Snapshot.Seq))
		b = wire.AppendPayload(b, 2, m.Snapshot.Payload)
	}
	return b
}

// A Replay is the message that tells the function of a stored event.
type Replay struct{ entity.Event }

// SizeWire returns how many bytes AppendWire appends.
func (m *Replay) SizeWire() int {
	return protowire.SizeTag(2) + protowire.SizeBytes(m.size())
}

func (m *Replay) size() int {
	return wire.SizeInt(1, int64(m.Seq)) + wire.SizePayload(2, m.Payload)
}

// AppendWire appends the encoded message.
func (m *Replay) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 2, m.size())
	b = wire.AppendInt(b, 1, int64(m.Seq))
	return wire.AppendPayload(b, 2, m.Payload)
}

// A Command is the message that gives the function a command.
type Command wire.Command

// SizeWire returns how many bytes AppendWire appends.
func (m *Command) SizeWire() int { return (*wire.Command)(m).Size(3) }

// AppendWire appends the encoded message.
func (m *Command) AppendWire(b []byte) []byte { return (*wire.Command)(m).Append(b, 3) }

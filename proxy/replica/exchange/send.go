// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// An Outgoing is a message to the function: part of a CrdtStreamIn.
type Outgoing interface {
	SizeWire() int
	AppendWire(b []byte) []byte
}

// An Init is the first message of a stream. Delta is nil if there is no value.
type Init struct {
	Service string
	ID      string
	Delta   *cloudstate.CrdtDelta
}

// SizeWire returns how many bytes AppendWire appends.
func (m *Init) SizeWire() int { return protowire.SizeTag(1) + protowire.SizeBytes(m.size()) }

func (m *Init) size() int {
	n := wire.SizeString(1, m.Service) + wire.SizeString(2, m.ID)
	if m.Delta != nil {
		n += protowire.SizeTag(3) + protowire.SizeBytes(proto.Size(m.Delta))
	}
	return n
}

// AppendWire appends the encoded message.
func (m *Init) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 1, m.size())
	b = wire.AppendString(b, 1, m.Service)
	b = wire.AppendString(b, 2, m.ID)
	if m.Delta != nil {
		b = appendDelta(b, 3, m.Delta)
	}
	return b
}

// appendDelta appends a delta as field num. Its text is text: payloads were
// looked at when they came in.
func appendDelta(b []byte, num protowire.Number, d *cloudstate.CrdtDelta) []byte {
	b = wire.AppendLength(b, num, proto.Size(d))
	if out, err := (proto.MarshalOptions{Deterministic: true, UseCachedSize: true}).MarshalAppend(b, d); err == nil {
		b = out
	}
	return b
}

// A Delta tells of a change that came from elsewhere.
type Delta struct{ Delta *cloudstate.CrdtDelta }

// SizeWire returns how many bytes AppendWire appends.
func (m *Delta) SizeWire() int {
	return protowire.SizeTag(2) + protowire.SizeBytes(proto.Size(m.Delta))
}

// AppendWire appends the encoded message.
func (m *Delta) AppendWire(b []byte) []byte { return appendDelta(b, 2, m.Delta) }

// A Delete tells that the instance was deleted elsewhere.
type Delete struct{}

// SizeWire returns how many bytes AppendWire appends.
func (*Delete) SizeWire() int { return protowire.SizeTag(3) + protowire.SizeBytes(0) }

// AppendWire appends the encoded message.
func (*Delete) AppendWire(b []byte) []byte { return wire.AppendLength(b, 3, 0) }

// A Command is the message that gives the function a command.
type Command struct {
	Instance string
	ID       int64
	Name     string
	Payload  entity.Payload
	Streamed bool
	Metadata entity.Metadata // none is in the message if there are no entries
}

// SizeWire returns how many bytes AppendWire appends.
func (m *Command) SizeWire() int { return protowire.SizeTag(4) + protowire.SizeBytes(m.size()) }

func (m *Command) size() int {
	n := wire.SizeString(1, m.Instance) + wire.SizeInt(2, m.ID) +
		wire.SizeString(3, m.Name) + wire.SizePayload(4, m.Payload)
	if m.Streamed {
		n += wire.SizeInt(5, 1)
	}
	if len(m.Metadata) > 0 {
		n += wire.SizeMetadata(6, m.Metadata)
	}
	return n
}

// AppendWire appends the encoded message.
func (m *Command) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 4, m.size())
	b = wire.AppendString(b, 1, m.Instance)
	b = wire.AppendInt(b, 2, m.ID)
	b = wire.AppendString(b, 3, m.Name)
	b = wire.AppendPayload(b, 4, m.Payload)
	if m.Streamed {
		b = wire.AppendInt(b, 5, 1)
	}
	if len(m.Metadata) > 0 {
		b = wire.AppendMetadata(b, 6, m.Metadata)
	}
	return b
}

// A Cancel tells that the client of a streamed command went away.
type Cancel struct {
	Instance string
	ID       int64
}

// SizeWire returns how many bytes AppendWire appends.
func (m *Cancel) SizeWire() int { return protowire.SizeTag(5) + protowire.SizeBytes(m.size()) }

func (m *Cancel) size() int { return wire.SizeString(1, m.Instance) + wire.SizeInt(2, m.ID) }

// AppendWire appends the encoded message.
func (m *Cancel) AppendWire(b []byte) []byte {
	b = wire.AppendLength(b, 5, m.size())
	b = wire.AppendString(b, 1, m.Instance)
	return wire.AppendInt(b, 2, m.ID)
}

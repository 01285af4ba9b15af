// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Command is a cloudstate.Command that is not streamed. Without entries there
// is no metadata in the message, not even an empty one.
type Command struct {
	Instance string
	ID       int64
	Name     string
	Payload  entity.Payload
	Metadata entity.Metadata
}

// Size returns how many bytes Append appends.
func (c *Command) Size(num protowire.Number) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(c.size())
}

func (c *Command) size() int {
	n := SizeString(1, c.Instance) + SizeInt(2, c.ID) + SizeString(3, c.Name) + SizePayload(4, c.Payload)
	if len(c.Metadata) > 0 {
		n += SizeMetadata(6, c.Metadata)
	}
	return n
}

// Append appends the command as field num.
func (c *Command) Append(b []byte, num protowire.Number) []byte {
	b = AppendLength(b, num, c.size())
	b = AppendString(b, 1, c.Instance)
	b = AppendInt(b, 2, c.ID)
	b = AppendString(b, 3, c.Name)
	b = AppendPayload(b, 4, c.Payload)
	if len(c.Metadata) > 0 {
		b = AppendMetadata(b, 6, c.Metadata)
	}
	return b
}

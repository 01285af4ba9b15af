// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// A Raw is a message that the edge neither encodes nor decodes. Who receives one
// may keep its bytes.
type Raw struct {
	Bytes []byte
}

// A rawCodec passes the bytes of a Raw through and leaves all other messages,
// those of health and reflection, to protobuf.
type rawCodec struct {
	others encoding.CodecV2
}

func newRawCodec() rawCodec {
	return rawCodec{others: encoding.GetCodecV2(proto.Name)}
}

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*Raw); ok {
		return mem.BufferSlice{mem.SliceBuffer(m.Bytes)}, nil
	}
	b, err := c.others.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	return b, nil
}

func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*Raw); ok {
		m.Bytes = own(data)
		return nil
	}
	if err := c.others.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decoding %T: %w", v, err)
	}
	return nil
}

func (c rawCodec) Name() string { return proto.Name }

// own returns the bytes of data so that they stay valid. Messages of less than
// about a kibibyte arrive in a SliceBuffer, which is plain memory that no pool
// takes back: it isn't copied.
func own(data mem.BufferSlice) []byte {
	if len(data) == 1 {
		if b, ok := data[0].(mem.SliceBuffer); ok {
			return slices.Clip(b) // what follows belongs to the next message
		}
	}
	return data.Materialize()
}

// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// What the messages mean is compared with the generated code in the packages of
// the protocols, which is where whole messages are. Here is what a Reader does
// with bytes that are none.

func field(num protowire.Number, typ protowire.Type, rest ...byte) []byte {
	return append(protowire.AppendTag(nil, num, typ), rest...)
}

func TestMalformedMessages(t *testing.T) {
	for name, msg := range map[string][]byte{
		"a tag that ends early":       {0x80},
		"field number zero":           {0x02, 0x00},
		"a field number that is none": protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3),
		"a length beyond the end":     field(1, protowire.BytesType, 5, 'a'),
		"a varint that ends early":    field(1, protowire.VarintType, 0xff),
		"a varint that is too long":   field(1, protowire.VarintType, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1),
		"a fixed64 that ends early":   field(9, protowire.Fixed64Type, 1, 2, 3),
		"a group that never ends":     field(9, protowire.StartGroupType, field(1, protowire.VarintType, 1)...),
		"the end of no group":         field(9, protowire.EndGroupType),
		"a reserved wire type":        field(1, 6),
		"text that is none":           field(1, protowire.BytesType, 2, 0xff, 0xfe),
	} {
		t.Run(name, func(t *testing.T) {
			var p entity.Payload
			if err := wire.Payload(msg, &p); err == nil {
				t.Errorf("read as %+v", p)
			}
			// and behind what is right
			msg = append(field(2, protowire.BytesType, 1, 'x'), msg...)
			if err := wire.Payload(msg, &p); err == nil {
				t.Errorf("read as %+v", p)
			}
		})
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	msg := field(9, protowire.Fixed32Type, 1, 2, 3, 4)
	msg = append(msg, field(9, protowire.Fixed64Type, 1, 2, 3, 4, 5, 6, 7, 8)...)
	msg = append(msg, field(8, protowire.StartGroupType)...)
	msg = append(msg, field(1, protowire.VarintType, 7)...)
	msg = append(msg, field(8, protowire.EndGroupType)...)
	msg = append(msg, field(1, protowire.VarintType, 7)...) // of a type that is not the field's
	msg = append(msg, field(1, protowire.BytesType, 1, 't')...)
	msg = append(msg, field(2, protowire.BytesType, 1, 'v')...)
	var p entity.Payload
	if err := wire.Payload(msg, &p); err != nil || p.TypeURL != "t" || string(p.Value) != "v" {
		t.Errorf("payload %+v, error %v", p, err)
	}
}

// TestBytesInMetadataNeedNotBeText checks that only text is looked at as text.
func TestBytesInMetadataNeedNotBeText(t *testing.T) {
	entry := append(field(1, protowire.BytesType, 5, 'x', '-', 'b', 'i', 'n'), field(3, protowire.BytesType, 1, 0xff)...)
	msg := append(field(1, protowire.BytesType, byte(len(entry))), entry...)
	var md entity.Metadata
	if err := wire.Metadata(msg, &md); err != nil || len(md) != 1 || md[0].Value != "\xff" {
		t.Errorf("metadata %q, error %v", md, err)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	msg := wire.AppendPayload(nil, 1, entity.Payload{TypeURL: "type.googleapis.com/shop.Item", Value: []byte("value")})
	r := wire.NewReader(msg)
	r.Next()
	var p entity.Payload
	if n := testing.AllocsPerRun(100, func() {
		if err := wire.Payload(r.Value(), &p); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

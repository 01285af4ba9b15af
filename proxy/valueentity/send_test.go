// SPDX-License-Identifier: Apache-2.0

package valueentity_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/valueentity"
)

// A sent is a message that we write.
type sent interface {
	SizeWire() int
	AppendWire(b []byte) []byte
}

// checkSent checks that the generated code reads m as want.
func checkSent(t *rapid.T, m sent, want *cloudstate.ValueEntityStreamIn) {
	data := m.AppendWire([]byte("before"))
	if string(data[:6]) != "before" {
		t.Fatal("what was in the buffer is overwritten")
	}
	data = data[6:]
	if m.SizeWire() != len(data) {
		t.Fatalf("size %d, wrote %d bytes", m.SizeWire(), len(data))
	}
	var got cloudstate.ValueEntityStreamIn
	if err := proto.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, want) {
		t.Fatalf("%+v is read as %v, want %v", m, &got, want)
	}
}

func drawPayload(t *rapid.T) (entity.Payload, *anypb.Any) {
	a := drawAny(t)
	return ofAny(a), a
}

func TestInitIsWrittenAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := valueentity.Init{Service: drawText(t), ID: drawText(t)}
		want := &cloudstate.ValueEntityInit{ServiceName: m.Service, EntityId: m.ID, State: &cloudstate.ValueEntityInitState{}}
		m.Value.Version = entity.Seq(drawInt(t))
		if drawBool(t) {
			m.Value.Exists = true
			m.Value.Payload, want.State.Value = drawPayload(t)
		}
		checkSent(t, &m, &cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{Init: want}})
	})
}

// TestCommandIsWrittenAsTheGeneratedCodeReadsIt checks besides that a command
// without entries has no metadata, not even an empty message, and isn't marked
// as streamed: the TCK compares messages as a whole.
func TestCommandIsWrittenAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, a := drawPayload(t)
		m := valueentity.Command{Instance: drawText(t), ID: drawInt(t), Name: drawText(t), Payload: p}
		want := &cloudstate.Command{EntityId: m.Instance, Id: m.ID, Name: m.Name, Payload: a}
		if drawBool(t) {
			text, bytes := drawText(t), string(drawBytes(t))
			m.Metadata = entity.Metadata{{Name: "text", Value: text}, {Name: "bytes-bin", Value: bytes}}
			want.Metadata = &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
				{Key: "text", Value: &cloudstate.MetadataEntry_StringValue{StringValue: text}},
				{Key: "bytes-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(bytes)}},
			}}
		}
		checkSent(t, &m, &cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Command{Command: want}})
	})
}

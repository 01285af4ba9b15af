// SPDX-License-Identifier: Apache-2.0

package eventsourced_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
)

// A sent is a message that we write.
type sent interface {
	SizeWire() int
	AppendWire(b []byte) []byte
}

// checkSent checks that the generated code reads m as want.
func checkSent(t *rapid.T, m sent, want *cloudstate.EventSourcedStreamIn) {
	data := m.AppendWire([]byte("before"))
	if string(data[:6]) != "before" {
		t.Fatal("what was in the buffer is overwritten")
	}
	data = data[6:]
	if m.SizeWire() != len(data) {
		t.Fatalf("size %d, wrote %d bytes", m.SizeWire(), len(data))
	}
	var got cloudstate.EventSourcedStreamIn
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

func drawSeq(t *rapid.T) entity.Seq { return entity.Seq(rapid.Int64Min(1).Draw(t, "seq")) }

func TestInitIsWrittenAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := eventsourced.Init{Service: drawText(t), ID: drawText(t)}
		want := &cloudstate.EventSourcedInit{ServiceName: m.Service, EntityId: m.ID}
		if drawBool(t) {
			m.Snapshot.Seq = drawSeq(t)
			want.Snapshot = &cloudstate.EventSourcedSnapshot{SnapshotSequence: int64(m.Snapshot.Seq)}
			m.Snapshot.Payload, want.Snapshot.Snapshot = drawPayload(t)
		}
		checkSent(t, &m, &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{Init: want}})
	})
}

func TestReplayIsWrittenAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, a := drawPayload(t)
		m := eventsourced.Replay{Event: entity.Event{Seq: drawSeq(t), Payload: p}}
		want := &cloudstate.EventSourcedEvent{Sequence: int64(m.Seq), Payload: a}
		checkSent(t, &m, &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Event{Event: want}})
	})
}

// TestCommandIsWrittenAsTheGeneratedCodeReadsIt checks besides that a command
// without entries has no metadata, not even an empty message, and isn't marked
// as streamed: the TCK compares messages as a whole.
func TestCommandIsWrittenAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, a := drawPayload(t)
		m := eventsourced.Command{Instance: drawText(t), ID: drawInt(t), Name: drawText(t), Payload: p}
		want := &cloudstate.Command{EntityId: m.Instance, Id: m.ID, Name: m.Name, Payload: a}
		if drawBool(t) {
			text, bytes := drawText(t), string(drawBytes(t))
			m.Metadata = entity.Metadata{{Name: "text", Value: text}, {Name: "bytes-bin", Value: bytes}}
			want.Metadata = &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
				{Key: "text", Value: &cloudstate.MetadataEntry_StringValue{StringValue: text}},
				{Key: "bytes-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(bytes)}},
			}}
		}
		checkSent(t, &m, &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: want}})
	})
}

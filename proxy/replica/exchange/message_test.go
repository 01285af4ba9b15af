// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
)

func count(n uint64) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: n}}}
}

// TestWhatIsSent compares each message with what the generated code makes of it.
func TestWhatIsSent(t *testing.T) {
	any1 := &anypb.Any{TypeUrl: "t", Value: []byte("v")}
	command := &cloudstate.Command{EntityId: "i", Id: 300, Name: "n", Payload: any1, Streamed: true}
	once := proto.CloneOf(command)
	once.Streamed = false
	headed := proto.CloneOf(once)
	headed.Metadata = &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{{Key: "a-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte("\xff")}}}}
	for _, tt := range []struct {
		msg  Outgoing
		want *cloudstate.CrdtStreamIn
	}{
		{&Init{Service: "s", ID: "i"}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Init{Init: &cloudstate.CrdtInit{ServiceName: "s", EntityId: "i"}}}},
		{&Init{Service: "s", Delta: count(0)}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Init{Init: &cloudstate.CrdtInit{ServiceName: "s", Delta: count(0)}}}},
		{&Delta{count(1000)}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delta{Delta: count(1000)}}},
		{&Delete{}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delete{Delete: &cloudstate.CrdtDelete{}}}},
		{&Command{"i", 300, "n", entity.Payload{TypeURL: "t", Value: []byte("v")}, true, nil}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: command}}},
		{&Command{"i", 300, "n", entity.Payload{TypeURL: "t", Value: []byte("v")}, false, nil}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: once}}},
		{&Command{"i", 300, "n", entity.Payload{TypeURL: "t", Value: []byte("v")}, false, entity.Metadata{{Name: "a-bin", Value: "\xff"}}}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: headed}}},
		{&Cancel{"i", 7}, &cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_StreamCancelled{StreamCancelled: &cloudstate.StreamCancelled{EntityId: "i", Id: 7}}}},
	} {
		b := tt.msg.AppendWire(nil)
		if len(b) != tt.msg.SizeWire() {
			t.Errorf("%T has %d bytes, says %d", tt.msg, len(b), tt.msg.SizeWire())
		}
		got := &cloudstate.CrdtStreamIn{}
		if err := proto.Unmarshal(b, got); err != nil || !proto.Equal(got, tt.want) {
			t.Errorf("got %v, %v, want %v", got, err, tt.want)
		}
	}
}

func encoded(t *testing.T, m *cloudstate.CrdtStreamOut) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsReceived(t *testing.T) {
	action := &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: &anypb.Any{TypeUrl: "t", Value: []byte("v")}}}}
	refusal := &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: "no"}}}
	effect := []*cloudstate.SideEffect{{ServiceName: "s", CommandName: "c", Synchronous: true}}
	state := &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: count(3)}, WriteConsistency: 2}

	var m Message
	read := func(out *cloudstate.CrdtStreamOut) {
		t.Helper()
		if err := m.UnmarshalWire(encoded(t, out)); err != nil {
			t.Fatal(err)
		}
	}
	read(&cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{
		CommandId: 300, ClientAction: action, SideEffects: effect, StateAction: state, Streamed: true}}})
	if m.What != Reply || m.CommandID != 300 || !m.Streamed || m.Outcome.None || string(m.Outcome.Reply.Value) != "v" ||
		len(m.Outcome.Effects) != 1 || !proto.Equal(m.Action.Update, count(3)) || m.Action.Consistency != All {
		t.Errorf("reply read as %+v", m)
	}
	read(&cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{CommandId: 1}}})
	if m.What != Reply || !m.Outcome.None || !m.Action.empty() || m.Streamed {
		t.Errorf("empty reply read as %+v", m)
	}
	read(&cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_StreamedMessage{StreamedMessage: &cloudstate.CrdtStreamedMessage{
		CommandId: 5, ClientAction: refusal, SideEffects: effect, EndStream: true}}})
	if m.What != StreamedMessage || m.CommandID != 5 || !m.End || m.Refused.Description != "no" || len(m.Outcome.Effects) != 1 {
		t.Errorf("streamed message read as %+v", m)
	}
	state.Action = &cloudstate.CrdtStateAction_Delete{Delete: &cloudstate.CrdtDelete{}}
	read(&cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{
		StreamCancelledResponse: &cloudstate.CrdtStreamCancelledResponse{CommandId: 6, SideEffects: effect, StateAction: state}}})
	if m.What != CancelledResponse || m.CommandID != 6 || !m.Action.Delete || !m.Outcome.None || len(m.Outcome.Effects) != 1 {
		t.Errorf("response read as %+v", m)
	}
	read(&cloudstate.CrdtStreamOut{Message: &cloudstate.CrdtStreamOut_Failure{Failure: &cloudstate.Failure{CommandId: 7, Description: "d"}}})
	if m.What != Failed || m.CommandID != 7 || m.Refused.Description != "d" {
		t.Errorf("failure read as %+v", m)
	}
	read(&cloudstate.CrdtStreamOut{})
	if m.What != Nothing {
		t.Errorf("nothing read as %+v", m)
	}
}

// TestWhatIsReceivedWithoutStreams reads replies and failures at the numbers
// that they have where there is nothing else.
func TestWhatIsReceivedWithoutStreams(t *testing.T) {
	var m Message
	read := func(num protowire.Number, msg proto.Message) {
		t.Helper()
		b, err := proto.Marshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		b = protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
		if err := (RepliesOnly{&m, Majority}).UnmarshalWire(b); err != nil {
			t.Fatal(err)
		}
	}
	read(1, &cloudstate.CrdtReply{CommandId: 3, StateAction: &cloudstate.CrdtStateAction{
		Action: &cloudstate.CrdtStateAction_Update{Update: count(3)},
	}})
	if m.What != Reply || m.CommandID != 3 || !proto.Equal(m.Action.Update, count(3)) || m.Action.Consistency != Majority {
		t.Errorf("reply read as %+v", m)
	}
	read(2, &cloudstate.Failure{CommandId: 7, Description: "d"})
	if m.What != Failed || !m.Last || m.CommandID != 7 || m.Refused.Description != "d" {
		t.Errorf("failure read as %+v", m)
	}
	read(4, &cloudstate.Failure{CommandId: 7, Description: "d"})
	if m.What != Nothing {
		t.Errorf("nothing read as %+v", m)
	}
}

// FuzzMessage compares what is read with what the generated code reads.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x08, 0x01})
	f.Add([]byte{0x22, 0x04, 0x08, 0x01, 0x12, 0x00})
	f.Add([]byte{0x0a, 0x0a, 0x08, 0x01, 0x2a, 0x06, 0x0a, 0x04, 0x0a, 0x02, 0x08, 0x03})
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Message
		var want cloudstate.CrdtStreamOut
		err, wantErr := m.UnmarshalWire(data), proto.Unmarshal(data, &want)
		if err != nil || wantErr != nil {
			return // what is skipped here is looked into there
		}
		id, update := want.GetReply().GetCommandId(), want.GetReply().GetStateAction().GetUpdate()
		switch w := want.GetMessage().(type) {
		case *cloudstate.CrdtStreamOut_StreamedMessage:
			id = w.StreamedMessage.GetCommandId()
		case *cloudstate.CrdtStreamOut_StreamCancelledResponse:
			id, update = w.StreamCancelledResponse.GetCommandId(), w.StreamCancelledResponse.GetStateAction().GetUpdate()
		case *cloudstate.CrdtStreamOut_Failure:
			id = w.Failure.GetCommandId()
		}
		if m.CommandID != id || (m.What == Nothing) != (want.GetMessage() == nil) || !proto.Equal(m.Action.Update, update) {
			t.Errorf("%x read as %+v, want %v", data, m, &want)
		}
	})
}

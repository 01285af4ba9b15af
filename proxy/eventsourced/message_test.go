// SPDX-License-Identifier: Apache-2.0

package eventsourced_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
)

// The draw functions make any message that the generated code can hold.

func drawText(t *rapid.T) string { return rapid.StringN(0, 8, -1).Draw(t, "text") }

func drawInt(t *rapid.T) int64 { return rapid.Int64().Draw(t, "int") }

func drawBool(t *rapid.T) bool { return rapid.Bool().Draw(t, "bool") }

func drawBytes(t *rapid.T) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes") }

// maybe returns what draw does, or nil.
func maybe[T any](t *rapid.T, draw func(*rapid.T) *T) *T {
	if drawBool(t) {
		return nil
	}
	return draw(t)
}

func several[T any](t *rapid.T, draw func(*rapid.T) *T) []*T {
	list := make([]*T, rapid.IntRange(0, 3).Draw(t, "number"))
	for i := range list {
		list[i] = draw(t)
	}
	return list
}

func drawAny(t *rapid.T) *anypb.Any {
	return &anypb.Any{TypeUrl: drawText(t), Value: drawBytes(t)}
}

func drawEntry(t *rapid.T) *cloudstate.MetadataEntry {
	e := &cloudstate.MetadataEntry{Key: drawText(t)}
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		e.Value = &cloudstate.MetadataEntry_StringValue{StringValue: drawText(t)}
	case 1:
		e.Value = &cloudstate.MetadataEntry_BytesValue{BytesValue: drawBytes(t)}
	}
	return e
}

func drawMetadata(t *rapid.T) *cloudstate.Metadata {
	return &cloudstate.Metadata{Entries: several(t, drawEntry)}
}

func drawFailure(t *rapid.T) *cloudstate.Failure {
	return &cloudstate.Failure{CommandId: drawInt(t), Description: drawText(t), Restart: drawBool(t)}
}

func drawEffect(t *rapid.T) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{
		ServiceName: drawText(t), CommandName: drawText(t), Payload: maybe(t, drawAny),
		Synchronous: drawBool(t), Metadata: maybe(t, drawMetadata),
	}
}

func drawAction(t *rapid.T) *cloudstate.ClientAction {
	a := &cloudstate.ClientAction{}
	switch rapid.IntRange(0, 3).Draw(t, "action") {
	case 0:
		a.Action = &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{
			Payload: maybe(t, drawAny), Metadata: maybe(t, drawMetadata),
		}}
	case 1:
		a.Action = &cloudstate.ClientAction_Forward{Forward: &cloudstate.Forward{
			ServiceName: drawText(t), CommandName: drawText(t),
			Payload: maybe(t, drawAny), Metadata: maybe(t, drawMetadata),
		}}
	case 2:
		a.Action = &cloudstate.ClientAction_Failure{Failure: drawFailure(t)}
	}
	return a
}

func drawOut(t *rapid.T) *cloudstate.EventSourcedStreamOut {
	switch rapid.IntRange(0, 9).Draw(t, "message") {
	case 0:
		return &cloudstate.EventSourcedStreamOut{}
	case 1:
		return &cloudstate.EventSourcedStreamOut{
			Message: &cloudstate.EventSourcedStreamOut_Failure{Failure: drawFailure(t)},
		}
	}
	return &cloudstate.EventSourcedStreamOut{
		Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: &cloudstate.EventSourcedReply{
			CommandId: drawInt(t), ClientAction: maybe(t, drawAction),
			SideEffects: several(t, drawEffect), Events: several(t, drawAny), Snapshot: maybe(t, drawAny),
		}},
	}
}

// The of functions turn what the generated code holds into what ours does.

func ofAny(a *anypb.Any) entity.Payload {
	return entity.Payload{TypeURL: a.GetTypeUrl(), Value: a.GetValue()}
}

func ofMetadata(md *cloudstate.Metadata) (out entity.Metadata) {
	for _, e := range md.GetEntries() {
		v := e.GetStringValue()
		if b, ok := e.GetValue().(*cloudstate.MetadataEntry_BytesValue); ok {
			v = string(b.BytesValue)
		}
		out = append(out, entity.MetadataEntry{Name: e.GetKey(), Value: v})
	}
	return out
}

func ofFailure(f *cloudstate.Failure) *eventsourced.Failure {
	return &eventsourced.Failure{CommandID: f.GetCommandId(), Description: f.GetDescription(), Restart: f.GetRestart()}
}

func ofOut(out *cloudstate.EventSourcedStreamOut) (m eventsourced.Message) {
	if f := out.GetFailure(); f != nil {
		m.Failed = ofFailure(f)
	}
	r := out.GetReply()
	if r == nil {
		return m
	}
	m.Replied, m.CommandID = true, r.GetCommandId()
	switch a := r.GetClientAction().GetAction().(type) {
	case *cloudstate.ClientAction_Reply:
		m.Outcome.Reply, m.Outcome.Meta = ofAny(a.Reply.GetPayload()), ofMetadata(a.Reply.GetMetadata())
	case *cloudstate.ClientAction_Forward:
		m.Outcome.Forward = &entity.Target{
			Service: a.Forward.GetServiceName(), Command: a.Forward.GetCommandName(),
			Payload: ofAny(a.Forward.GetPayload()), Meta: ofMetadata(a.Forward.GetMetadata()),
		}
	case *cloudstate.ClientAction_Failure:
		m.Refused = ofFailure(a.Failure)
	}
	for _, e := range r.GetSideEffects() {
		m.Outcome.Effects = append(m.Outcome.Effects, entity.Effect{Synchronous: e.GetSynchronous(), Target: entity.Target{
			Service: e.GetServiceName(), Command: e.GetCommandName(),
			Payload: ofAny(e.GetPayload()), Meta: ofMetadata(e.GetMetadata()),
		}})
	}
	for _, e := range r.GetEvents() {
		m.Events = append(m.Events, ofAny(e))
	}
	if s := r.GetSnapshot(); s != nil {
		p := ofAny(s)
		m.Snapshot = &p
	}
	return m
}

// same reports whether a and b say the same; no bytes are as good as nil. What
// only later generations have is unknown to the generated code.
func same(a, b eventsourced.Message) bool {
	for _, m := range []*eventsourced.Message{&a, &b} {
		m.Deleted = false
		for _, f := range []*eventsourced.Failure{m.Refused, m.Failed} {
			if f != nil {
				f.Code = 0
			}
		}
		payloads := []*entity.Payload{&m.Outcome.Reply}
		if m.Outcome.Forward != nil {
			payloads = append(payloads, &m.Outcome.Forward.Payload)
		}
		if m.Snapshot != nil {
			payloads = append(payloads, m.Snapshot)
		}
		for i := range m.Events {
			payloads = append(payloads, &m.Events[i])
		}
		for i := range m.Outcome.Effects {
			payloads = append(payloads, &m.Outcome.Effects[i].Payload)
		}
		for _, p := range payloads {
			if len(p.Value) == 0 {
				p.Value = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

func encode(t interface{ Fatal(...any) }, m proto.Message) []byte {
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMessageIsReadAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		out := drawOut(t)
		data := encode(t, out)
		var got eventsourced.Message
		if err := got.UnmarshalWire(data); err != nil {
			t.Fatalf("%v: %v", out, err)
		}
		clear(data) // nothing of it may be kept
		if want := ofOut(out); !same(got, want) {
			t.Fatalf("%v\nis read as %+v\nwant       %+v", out, got, want)
		}
	})
}

// TestWhatLaterGenerationsHave reads a deletion and the code of a failure.
func TestWhatLaterGenerationsHave(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want eventsourced.Message
	}{
		{
			"a deletion", []byte{0x0a, 0x04, 0x08, 0x03, 0x32, 0x00},
			eventsourced.Message{Replied: true, CommandID: 3, Deleted: true},
		},
		{
			"a deletion with a time", []byte{0x0a, 0x08, 0x08, 0x03, 0x32, 0x04, 0x08, 0x07, 0x10, 0x05},
			eventsourced.Message{Replied: true, CommandID: 3, Deleted: true, Keep: 7*time.Second + 5},
		},
		{
			"a deletion with a time that has passed", []byte{0x0a, 0x0f, 0x08, 0x03, 0x32, 0x0b, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
			eventsourced.Message{Replied: true, CommandID: 3, Deleted: true},
		},
		{
			"a deletion with a time that nobody lives to see", []byte{0x0a, 0x0b, 0x08, 0x03, 0x32, 0x07, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
			eventsourced.Message{Replied: true, CommandID: 3, Deleted: true, Keep: 100 * 365 * 24 * time.Hour},
		},
		{
			"a code", []byte{0x12, 0x05, 0x12, 0x01, 'd', 0x20, 0x05},
			eventsourced.Message{Failed: &eventsourced.Failure{Description: "d", Code: 5}},
		},
	} {
		var got eventsourced.Message
		if err := got.UnmarshalWire(tt.data); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s is read as %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

// TestMessageIsMerged checks what becomes of messages that come in parts: by
// the rules of protobuf, a message that follows another one is merged with it.
func TestMessageIsMerged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := encode(t, drawOut(t))
		for range rapid.IntRange(1, 3).Draw(t, "more") {
			data = append(data, encode(t, drawOut(t))...)
		}
		agree(t, data)
	})
}

// agree checks that data is read as the generated code reads it, or refused by
// both.
func agree(t interface {
	Fatalf(string, ...any)
}, data []byte,
) {
	var out cloudstate.EventSourcedStreamOut
	wantErr := proto.Unmarshal(data, &out)
	var got eventsourced.Message
	err := got.UnmarshalWire(data)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%x: error %v, want %v", data, err, wantErr)
	}
	if want := ofOut(&out); err == nil && !same(got, want) {
		t.Fatalf("%x\nis read as %+v\nwant       %+v", data, got, want)
	}
}

func FuzzMessage(f *testing.F) {
	for seed := range 20 {
		out := rapid.Custom(drawOut).Example(seed)
		f.Add(encode(f, out))
	}
	f.Add([]byte{0x0a, 0x04, 0x12, 0x02, 0x1a, 0x00, 0x13, 0x14})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := slices.Clone(data)
		agree(t, data)
		if !bytes.Equal(data, before) {
			t.Fatal("reading changed the data")
		}
	})
}

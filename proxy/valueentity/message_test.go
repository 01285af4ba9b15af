// SPDX-License-Identifier: Apache-2.0

package valueentity_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/valueentity"
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

func drawState(t *rapid.T) *cloudstate.ValueEntityAction {
	a := &cloudstate.ValueEntityAction{}
	switch rapid.IntRange(0, 2).Draw(t, "state") {
	case 0:
		a.Action = &cloudstate.ValueEntityAction_Update{Update: &cloudstate.ValueEntityUpdate{Value: maybe(t, drawAny)}}
	case 1:
		a.Action = &cloudstate.ValueEntityAction_Delete{Delete: &cloudstate.ValueEntityDelete{}}
	}
	return a
}

func drawOut(t *rapid.T) *cloudstate.ValueEntityStreamOut {
	switch rapid.IntRange(0, 9).Draw(t, "message") {
	case 0:
		return &cloudstate.ValueEntityStreamOut{}
	case 1:
		return &cloudstate.ValueEntityStreamOut{
			Message: &cloudstate.ValueEntityStreamOut_Failure{Failure: drawFailure(t)},
		}
	}
	return &cloudstate.ValueEntityStreamOut{
		Message: &cloudstate.ValueEntityStreamOut_Reply{Reply: &cloudstate.ValueEntityReply{
			CommandId: drawInt(t), ClientAction: maybe(t, drawAction),
			SideEffects: several(t, drawEffect), StateAction: maybe(t, drawState),
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

func ofFailure(f *cloudstate.Failure) *valueentity.Failure {
	return &valueentity.Failure{CommandID: f.GetCommandId(), Description: f.GetDescription(), Restart: f.GetRestart()}
}

func ofState(a *cloudstate.ValueEntityAction) *valueentity.Change {
	c := &valueentity.Change{Delete: a.GetDelete() != nil, Update: a.GetUpdate() != nil}
	if v := a.GetUpdate().GetValue(); v != nil {
		p := ofAny(v)
		c.Value = &p
	}
	return c
}

func ofOut(out *cloudstate.ValueEntityStreamOut) (m valueentity.Message) {
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
	if s := r.GetStateAction(); s != nil {
		m.Change = ofState(s)
	}
	return m
}

// same reports whether a and b say the same; no bytes are as good as nil.
func same(a, b valueentity.Message) bool {
	for _, m := range []*valueentity.Message{&a, &b} {
		for _, f := range []*valueentity.Failure{m.Refused, m.Failed} {
			if f != nil {
				f.Code = 0 // unknown to the generated code
			}
		}
		payloads := []*entity.Payload{&m.Outcome.Reply}
		if m.Outcome.Forward != nil {
			payloads = append(payloads, &m.Outcome.Forward.Payload)
		}
		if m.Change != nil && m.Change.Value != nil {
			payloads = append(payloads, m.Change.Value)
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
		var got valueentity.Message
		if err := got.UnmarshalWire(data); err != nil {
			t.Fatalf("%v: %v", out, err)
		}
		clear(data) // nothing of it may be kept
		if want := ofOut(out); !same(got, want) {
			t.Fatalf("%v\nis read as %+v\nwant       %+v", out, got, want)
		}
	})
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
	var out cloudstate.ValueEntityStreamOut
	wantErr := proto.Unmarshal(data, &out)
	var got valueentity.Message
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

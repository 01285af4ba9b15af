// SPDX-License-Identifier: Apache-2.0

package action

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/wire"
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

func drawResponse(t *rapid.T) *cloudstate.ActionResponse {
	m := &cloudstate.ActionResponse{SideEffects: several(t, drawEffect)}
	switch rapid.IntRange(0, 3).Draw(t, "response") {
	case 0:
		m.Response = &cloudstate.ActionResponse_Reply{Reply: &cloudstate.Reply{
			Payload: maybe(t, drawAny), Metadata: maybe(t, drawMetadata),
		}}
	case 1:
		m.Response = &cloudstate.ActionResponse_Forward{Forward: &cloudstate.Forward{
			ServiceName: drawText(t), CommandName: drawText(t),
			Payload: maybe(t, drawAny), Metadata: maybe(t, drawMetadata),
		}}
	case 2:
		m.Response = &cloudstate.ActionResponse_Failure{Failure: drawFailure(t)}
	}
	return m
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

func ofFailure(f *cloudstate.Failure) *wire.Failure {
	return &wire.Failure{CommandID: f.GetCommandId(), Description: f.GetDescription(), Restart: f.GetRestart()}
}

func ofResponse(out *cloudstate.ActionResponse) (m response) {
	switch r := out.GetResponse().(type) {
	case *cloudstate.ActionResponse_Reply:
		m.outcome.Reply, m.outcome.Meta = ofAny(r.Reply.GetPayload()), ofMetadata(r.Reply.GetMetadata())
	case *cloudstate.ActionResponse_Forward:
		m.outcome.Forward = &entity.Target{
			Service: r.Forward.GetServiceName(), Command: r.Forward.GetCommandName(),
			Payload: ofAny(r.Forward.GetPayload()), Meta: ofMetadata(r.Forward.GetMetadata()),
		}
	case *cloudstate.ActionResponse_Failure:
		m.failure = ofFailure(r.Failure)
	default:
		m.outcome.None = true
	}
	for _, e := range out.GetSideEffects() {
		m.outcome.Effects = append(m.outcome.Effects, entity.Effect{Synchronous: e.GetSynchronous(), Target: entity.Target{
			Service: e.GetServiceName(), Command: e.GetCommandName(),
			Payload: ofAny(e.GetPayload()), Meta: ofMetadata(e.GetMetadata()),
		}})
	}
	return m
}

// same reports whether a and b say the same; no bytes are as good as nil.
func same(a, b response) bool {
	for _, o := range []*entity.Outcome{&a.outcome, &b.outcome} {
		payloads := []*entity.Payload{&o.Reply}
		if o.Forward != nil {
			payloads = append(payloads, &o.Forward.Payload)
		}
		for i := range o.Effects {
			payloads = append(payloads, &o.Effects[i].Payload)
		}
		for _, p := range payloads {
			if len(p.Value) == 0 {
				p.Value = nil
			}
		}
	}
	for _, f := range []*wire.Failure{a.failure, b.failure} {
		if f != nil {
			f.Code = 0 // unknown to the generated code
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

func TestResponseIsReadAsTheGeneratedCodeReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := encode(t, drawResponse(t))
		for range rapid.IntRange(0, 3).Draw(t, "more") { // parts of a message are merged
			data = append(data, encode(t, drawResponse(t))...)
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
	var out cloudstate.ActionResponse
	wantErr := proto.Unmarshal(data, &out)
	given := bytes.Clone(data)
	var got response
	err := got.UnmarshalWire(given)
	clear(given) // nothing of it may be kept
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%x: error %v, want %v", data, err, wantErr)
	}
	if want := ofResponse(&out); err == nil && !same(got, want) {
		t.Fatalf("%x\nis read as %+v\nwant       %+v", data, got, want)
	}
}

func FuzzResponse(f *testing.F) {
	for seed := range 20 {
		f.Add(encode(f, rapid.Custom(drawResponse).Example(seed)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

func drawOwnMetadata(t *rapid.T) (md entity.Metadata) {
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		e := entity.MetadataEntry{Name: rapid.SampledFrom([]string{"", "a", "a-bin", "-bin"}).Draw(t, "name")}
		if drawBool(t) {
			e.Value = drawText(t)
		} else {
			e.Value = string(drawBytes(t))
		}
		md = append(md, e)
	}
	return md
}

// TestCommandIsWhatTheGeneratedCodeReads checks each part of a command: what is
// there, and what is not there at all.
func TestCommandIsWhatTheGeneratedCodeReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := command{
			part: rapid.SampledFrom([]part{whole, opening, later, named}).Draw(t, "part"), service: drawText(t), name: drawText(t),
			payload: entity.Payload{TypeURL: drawText(t), Value: drawBytes(t)}, metadata: drawOwnMetadata(t),
		}
		data := c.AppendWire(nil)
		if len(data) != c.SizeWire() {
			t.Fatalf("%+v has %d bytes, and says %d", c, len(data), c.SizeWire())
		}
		var got cloudstate.ActionCommand
		if err := proto.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		want := &cloudstate.ActionCommand{}
		if c.part != later {
			want.ServiceName, want.Name = c.service, c.name
		}
		if c.part == whole || c.part == opening {
			want.Metadata = written(c.metadata)
		}
		if c.part != opening {
			want.Payload = &anypb.Any{TypeUrl: c.payload.TypeURL, Value: c.payload.Value}
		}
		if !proto.Equal(&got, want) {
			t.Fatalf("%+v is read as %v, want %v", c, &got, want)
		}
	})
}

// written returns what the function should see of md.
func written(md entity.Metadata) *cloudstate.Metadata {
	out := &cloudstate.Metadata{}
	for _, e := range md {
		entry := &cloudstate.MetadataEntry{Key: e.Name, Value: &cloudstate.MetadataEntry_StringValue{StringValue: e.Value}}
		if strings.HasSuffix(e.Name, "-bin") || !utf8.ValidString(e.Value) {
			entry.Value = &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(e.Value)}
		}
		out.Entries = append(out.Entries, entry)
	}
	return out
}

// SPDX-License-Identifier: Apache-2.0

// Package keys has the cases about what proxies make of entity keys: fields of
// every kind, and keys of several fields. Texts are those of the reference, but
// for bytes, of which it gives no content, and for keys of several fields, which
// it does not always tell apart.
package keys

import (
	"encoding/base64"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tckpb "github.com/kairn-dev/kairn/proto/kairn/tck/v1"
	"github.com/kairn-dev/kairn/tck/suite"
)

const handle = cloudstate.ValueEntity_Handle_FullMethodName

var service = tckpb.Keys_ServiceDesc.ServiceName

// Cases returns the cases.
func Cases() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T)) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("E%d", len(cases)+1),
			Section:  "Kairn: entity keys",
			Name:     name,
			Kind:     suite.Proxy,
			Services: []string{service},
			Run:      run,
		})
	}
	for _, k := range kinds {
		add(k.name, k.run)
	}
	add("text", text(func(s string) (string, proto.Message) {
		return tckpb.Keys_String_FullMethodName, &tckpb.StringKey{Key: s}
	}))
	add("text, by the option of old libraries", text(func(s string) (string, proto.Message) {
		return tckpb.Keys_Legacy_FullMethodName, &tckpb.LegacyKey{Key: s}
	}))
	add("several fields: in the order of their declaration, with hyphens between", joined)
	add("several fields: different keys are different instances", apart)
	return cases
}

// A kind is a kind of fields, with keys of it and their texts.
type kind struct {
	name string
	path string
	keys map[string]proto.Message
}

var kinds = []kind{
	{"double", tckpb.Keys_Double_FullMethodName, map[string]proto.Message{
		"0.0": &tckpb.DoubleKey{}, "1.0": &tckpb.DoubleKey{Key: 1}, "-2.5": &tckpb.DoubleKey{Key: -2.5}, "1.0E10": &tckpb.DoubleKey{Key: 1e10},
	}},
	{"float", tckpb.Keys_Float_FullMethodName, map[string]proto.Message{
		"0.0": &tckpb.FloatKey{}, "1.0": &tckpb.FloatKey{Key: 1}, "0.1": &tckpb.FloatKey{Key: 0.1},
	}},
	{"int32", tckpb.Keys_Int32_FullMethodName, map[string]proto.Message{
		"0": &tckpb.Int32Key{}, "-2147483648": &tckpb.Int32Key{Key: math.MinInt32}, "2147483647": &tckpb.Int32Key{Key: math.MaxInt32},
	}},
	{"int64", tckpb.Keys_Int64_FullMethodName, map[string]proto.Message{
		"0": &tckpb.Int64Key{}, "-9223372036854775808": &tckpb.Int64Key{Key: math.MinInt64}, "9223372036854775807": &tckpb.Int64Key{Key: math.MaxInt64},
	}},
	{"uint32", tckpb.Keys_Uint32_FullMethodName, map[string]proto.Message{"0": &tckpb.Uint32Key{}, "7": &tckpb.Uint32Key{Key: 7}}},
	{"uint64", tckpb.Keys_Uint64_FullMethodName, map[string]proto.Message{"0": &tckpb.Uint64Key{}, "7": &tckpb.Uint64Key{Key: 7}}},
	{"sint32", tckpb.Keys_Sint32_FullMethodName, map[string]proto.Message{"0": &tckpb.Sint32Key{}, "-3": &tckpb.Sint32Key{Key: -3}}},
	{"sint64", tckpb.Keys_Sint64_FullMethodName, map[string]proto.Message{"0": &tckpb.Sint64Key{}, "-3": &tckpb.Sint64Key{Key: -3}}},
	{"fixed32", tckpb.Keys_Fixed32_FullMethodName, map[string]proto.Message{"0": &tckpb.Fixed32Key{}, "7": &tckpb.Fixed32Key{Key: 7}}},
	{"fixed64", tckpb.Keys_Fixed64_FullMethodName, map[string]proto.Message{"0": &tckpb.Fixed64Key{}, "7": &tckpb.Fixed64Key{Key: 7}}},
	{"sfixed32", tckpb.Keys_Sfixed32_FullMethodName, map[string]proto.Message{"0": &tckpb.Sfixed32Key{}, "-3": &tckpb.Sfixed32Key{Key: -3}}},
	{"sfixed64", tckpb.Keys_Sfixed64_FullMethodName, map[string]proto.Message{"0": &tckpb.Sfixed64Key{}, "-3": &tckpb.Sfixed64Key{Key: -3}}},
	{"bool", tckpb.Keys_Bool_FullMethodName, map[string]proto.Message{"false": &tckpb.BoolKey{}, "true": &tckpb.BoolKey{Key: true}}},
	{"enum", tckpb.Keys_Enum_FullMethodName, map[string]proto.Message{
		"SIZE_SMALL": &tckpb.EnumKey{}, "SIZE_LARGE": &tckpb.EnumKey{Key: tckpb.Size_SIZE_LARGE},
	}},
	{"bytes: base64", tckpb.Keys_Bytes_FullMethodName, map[string]proto.Message{
		"": &tckpb.BytesKey{}, base64.StdEncoding.EncodeToString([]byte{0, 0xfe, 0xff}): &tckpb.BytesKey{Key: []byte{0, 0xfe, 0xff}},
	}},
}

// run expects that each key leads to the instance with its text. Different kinds
// have texts in common, so a stream may be there already.
func (k kind) run(t *suite.T) {
	for id, in := range k.keys {
		t.Gets(k.path, in, &tckpb.Instance{Id: id})
	}
	t.IgnoreService(service)
}

func text(request func(string) (path string, in proto.Message)) func(*suite.T) {
	return func(t *suite.T) {
		for _, key := range []string{t.Key(), t.Key() + "-%2D \u00fc/\n"} {
			path, in := request(key)
			t.Gets(path, in, &tckpb.Instance{Id: key})
			opens(t, key)
		}
	}
}

// opens expects the stream of an instance.
func opens(t *suite.T, key string) {
	c := t.Connection(handle, service, key)
	c.FromProxy(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{
		Init: &cloudstate.ValueEntityInit{ServiceName: service, EntityId: key, State: &cloudstate.ValueEntityInitState{}},
	}})
	in := c.NextFromProxy().(*cloudstate.ValueEntityStreamIn)
	if got := in.GetCommand().GetEntityId(); got != key {
		t.Fatalf("the command has the entity id %q, not %q", got, key)
	}
	c.Ignore()
}

func joined(t *suite.T) {
	in := &tckpb.JoinedKey{Tenant: "tenant", Number: 7, User: "user"}
	t.Gets(tckpb.Keys_Joined_FullMethodName, in, &tckpb.Instance{Id: "tenant-7-user"})
	t.IgnoreService(service)
}

// apart does not care how a proxy tells keys apart.
func apart(t *suite.T) {
	seen := map[string]*tckpb.JoinedKey{}
	for _, in := range []*tckpb.JoinedKey{
		{Tenant: "a-1", Number: 2, User: "b"}, {Tenant: "a", Number: 1, User: "2-b"}, {Tenant: "a", Number: -1, User: "b"}, {Tenant: "a-", Number: 1, User: "b"},
	} {
		got := &tckpb.Instance{}
		if err := t.Invoke(tckpb.Keys_Joined_FullMethodName, in, got); err != nil {
			t.Fatalf("the client got %v", err)
		}
		if other := seen[got.GetId()]; other != nil {
			t.Fatalf("%v and %v are the same instance, %q", in, other, got.GetId())
		}
		seen[got.GetId()] = in
	}
	t.IgnoreService(service)
}

// SPDX-License-Identifier: Apache-2.0

package route

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// everything has requests with fields of every kind, and a message with all of
// them for comparison with a decoder.
var everything = map[string]string{
	"k3.proto": `syntax = "proto3"; package k;
		import "cloudstate/entity_key.proto";
		service S { rpc One(.k.One) returns (.k.One); rpc Three(.k.Three) returns (.k.Three); rpc Choice(.k.Choice) returns (.k.Choice); rpc Maybe(.k.Maybe) returns (.k.Maybe); }
		enum Size { SMALL = 0; LARGE = 2; HUGE = -1; }
		message One { string other = 1; string id = 3 [(cloudstate.entity_key) = true]; One nested = 4; }
		message Three {
			string tenant = 5 [(cloudstate.entity_key) = true];
			sint32 number = 2 [(cloudstate.entity_key) = true];
			string user = 1 [(cloudstate.entity_key) = true];
		}
		message Choice { oneof by { string name = 1 [(cloudstate.entity_key) = true]; One other = 2; int32 number = 3; } }
		message Maybe { optional int32 id = 1 [(cloudstate.entity_key) = true]; }
		message All {
			int32 a_int32 = 1; int64 a_int64 = 2; uint32 a_uint32 = 3; uint64 a_uint64 = 4; sint32 a_sint32 = 5; sint64 a_sint64 = 6;
			fixed32 a_fixed32 = 7; fixed64 a_fixed64 = 8; sfixed32 a_sfixed32 = 9; sfixed64 a_sfixed64 = 10;
			bool a_bool = 11; string a_string = 12; bytes a_bytes = 13; float a_float = 14; double a_double = 15; Size a_enum = 16;
			One a_message = 17; repeated int32 a_list = 18; map<string, int32> a_map = 19; optional int32 a_maybe = 20;
			oneof choice { string c_string = 21; One c_message = 22; bool c_bool = 23; fixed32 c_fixed32 = 24; }
		}`,
	"k2.proto": `syntax = "proto2"; package k.two;
		enum Size { LARGE = 2; SMALL = 1; }
		message All {
			optional int32 a_int32 = 1 [default = -7]; optional uint64 a_uint64 = 4 [default = 18446744073709551615];
			optional sint32 a_sint32 = 5 [default = -3]; optional sint64 a_sint64 = 6 [default = -9223372036854775808];
			optional fixed32 a_fixed32 = 7 [default = 9]; optional sfixed64 a_sfixed64 = 10 [default = -10];
			optional bool a_bool = 11 [default = true]; optional string a_string = 12 [default = "who"];
			optional bytes a_bytes = 13 [default = "\000\377"]; optional float a_float = 14 [default = 1.5];
			optional double a_double = 15 [default = inf]; optional Size a_enum = 16 [default = SMALL]; required Size b_enum = 25;
			optional group Things = 26 { optional string a_string = 12; }
			oneof choice { int64 c_int64 = 21 [default = 4]; group Chosen = 22 { optional int64 c_int64 = 21; } string c_string = 23; }
		}`,
}

// tag is the tag of a field.
func tag(num protowire.Number, typ protowire.Type) string {
	return string(protowire.AppendTag(nil, num, typ))
}

func TestKey(t *testing.T) {
	c := mustParse(t, spec(t, compile(t, everything), EventSourced, "k.S"))
	for _, tt := range []struct {
		name, method, msg, want, err string
	}{
		{"string", "One", "\x1a\x03bob", "bob", ""},
		{"not there", "One", "", "", ""},
		{"empty", "One", "\x1a\x00", "", ""},
		{"with - and %, alone", "One", "\x1a\x03a-%", "a-%", ""},
		{"after others", "One", "\x0a\x01x\x1a\x01y", "y", ""},
		{"last one counts", "One", "\x1a\x01x\x1a\x01y\x0a\x01z", "y", ""},
		{"nested ones don't", "One", "\x22\x03\x1a\x01x", "", ""},
		{"unknown group", "One", tag(9, protowire.StartGroupType) + "\x1a\x01x" + tag(9, protowire.EndGroupType), "", ""},
		{"unknown of each type", "One", "\x38\x01\x39" + "12345678" + "\x3d1234\x3a\x01x\x1a\x01y", "y", ""},

		{"wrong wire type", "One", "\x18\x01", "", "entity key field id of k.One has wire type 0, want 2"},
		{"wrong wire type, then right", "One", "\x18\x01\x1a\x01x", "", "entity key field id of k.One has wire type"},
		{"not UTF-8", "One", "\x1a\x01\xff", "", "entity key field id of k.One is not valid UTF-8"},
		{"cut in the key", "One", "\x1a\x03bo", "", "entity key field id of k.One: malformed"},
		{"cut behind the key", "One", "\x1a\x03bob\x0a", "", "entity key field id of k.One: malformed"},
		{"field number zero", "One", "\x1a\x03bob\x00\x00", "", "k.One: malformed"},
		{"field number too large", "One", string(protowire.AppendVarint(nil, 1<<29<<3)) + "\x00", "", "k.One: malformed"},
		{"group not ended", "One", tag(9, protowire.StartGroupType), "", "k.One: malformed"},
		{"group ended alone", "One", tag(9, protowire.EndGroupType), "", "k.One: malformed"},
		{"group ended as another", "One", tag(9, protowire.StartGroupType) + tag(8, protowire.EndGroupType), "", "k.One: malformed"},
		{"no such wire type", "One", "\x0e", "", "k.One: malformed"},
		{"varint too long", "One", "\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "", "k.One: malformed"},

		{"three, in declared order", "Three", "\x0a\x01u\x10\x0e\x2a\x01t", "t-7-u", ""},
		{"three, negative number", "Three", "\x0a\x01u\x10\x0d\x2a\x01t", "t-%2D7-u", ""},
		{"three, escaped", "Three", "\x0a\x03-%-\x2a\x04a-bc", "a%2Dbc-0-%2D%25%2D", ""},
		{"three, none there", "Three", "", "-0-", ""},
		{"three, malformed names all", "Three", "\x08", "", "tenant, number, user of k.Three"},

		{"choice", "Choice", "\x0a\x03bob", "bob", ""},
		{"other choice later", "Choice", "\x0a\x03bob\x18\x01", "", ""},
		{"other choice earlier", "Choice", "\x18\x01\x0a\x03bob", "bob", ""},
		{"other choice is a message", "Choice", "\x0a\x03bob\x12\x00", "", ""},
		{"other choice of a wrong wire type is none", "Choice", "\x0a\x03bob\x1a\x00", "bob", ""},

		{"optional", "Maybe", "\x08\x05", "5", ""},
		{"optional, cut to 32 bits", "Maybe", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "-1", ""},
		{"optional, not there", "Maybe", "", "0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c.Lookup("k.S", tt.method).Key([]byte(tt.msg))
			if tt.err != "" {
				if !errors.Is(err, entity.ErrInvalid) || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Key: error %v, want an invalid request with %q", err, tt.err)
				}
				return
			}
			if got != tt.want || err != nil {
				t.Errorf("Key = %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// soleReaders returns for each scalar field of d a reader with it as the key.
func soleReaders(d protoreflect.MessageDescriptor) map[protoreflect.FieldDescriptor]*keyReader {
	readers := make(map[protoreflect.FieldDescriptor]*keyReader)
	for i := range d.Fields().Len() {
		if f := d.Fields().Get(i); unfit(f) == "" {
			readers[f] = &keyReader{message: d.FullName(), parts: []part{newPart(f)}}
		}
	}
	return readers
}

// plainText writes a decoded value as the package comment says.
func plainText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case protoreflect.EnumKind:
		if d := f.Enum().Values().ByNumber(v.Enum()); d != nil {
			return string(d.Name())
		}
		return fmt.Sprint(v.Enum())
	case protoreflect.FloatKind:
		return string(appendFloat(nil, v.Float(), 32))
	case protoreflect.DoubleKind:
		return string(appendFloat(nil, v.Float(), 64))
	}
	return fmt.Sprint(v.Interface())
}

func messages(t testing.TB) []protoreflect.MessageDescriptor {
	c := mustParse(t, spec(t, compile(t, everything), EventSourced, "k.S"))
	return []protoreflect.MessageDescriptor{message(t, c, "k.All"), message(t, c, "k.two.All")}
}

func TestDefaultsAreThoseOfTheField(t *testing.T) {
	for _, d := range messages(t) {
		for f, r := range soleReaders(d) {
			got, err := r.read(nil)
			if want := plainText(f, f.Default()); got != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", f.FullName(), got, err, want)
			}
		}
	}
	two := messages(t)[1]
	for field, want := range map[protoreflect.Name]string{
		"a_string": "who", "a_sint64": "-9223372036854775808", "a_double": "Infinity", "a_enum": "SMALL", "b_enum": "LARGE", "a_bytes": "AP8=",
	} {
		if got, _ := soleReaders(two)[two.Fields().ByName(field)].read(nil); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

// FuzzKey compares the reader with a decoder. They may differ only where the
// package comment says so.
func FuzzKey(f *testing.F) {
	descriptors := messages(f)
	readers := make([]map[protoreflect.FieldDescriptor]*keyReader, len(descriptors))
	for i, d := range descriptors {
		readers[i] = soleReaders(d)
	}
	seedKey(f, descriptors)
	f.Fuzz(func(t *testing.T, msg []byte) {
		framed := proto.Unmarshal(msg, new(emptypb.Empty)) == nil // well-formed, as far as fields go
		for i, d := range descriptors {
			m := dynamicpb.NewMessage(d)
			decoded := proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(msg, m) == nil
			for field, r := range readers[i] {
				got, err := r.read(msg)
				if err != nil && !errors.Is(err, entity.ErrInvalid) {
					t.Fatalf("%s: error %v is of no kind", field.FullName(), err)
				}
				switch {
				case !framed:
					if err == nil {
						t.Fatalf("%s: %q from a malformed message", field.FullName(), got)
					}
				case decoded && misused(m, field):
					if err == nil {
						t.Fatalf("%s: %q, though the wire type is wrong or it isn't text", field.FullName(), got)
					}
				case decoded:
					if want := plainText(field, m.Get(field)); err != nil || got != want {
						t.Fatalf("%s: %q, %v; want %q", field.FullName(), got, err, want)
					}
				}
			}
		}
	})
}

// misused reports whether m, which was decoded, has field with a wrong wire
// type, or as text that isn't UTF-8. (Of an earlier occurrence that isn't, a
// decoder of proto2 says nothing: then the answer is yes for safety.)
func misused(m protoreflect.Message, field protoreflect.FieldDescriptor) bool {
	for raw := m.GetUnknown(); len(raw) > 0; {
		num, _, n := protowire.ConsumeField(raw)
		if num == field.Number() {
			return true
		}
		raw = raw[n:]
	}
	return field.Kind() == protoreflect.StringKind && !utf8.ValidString(m.Get(field).String())
}

func seedKey(f *testing.F, descriptors []protoreflect.MessageDescriptor) {
	for _, d := range descriptors {
		full := dynamicpb.NewMessage(d)
		for i := range d.Fields().Len() {
			field := d.Fields().Get(i)
			if field.IsList() || field.IsMap() {
				continue
			}
			one := dynamicpb.NewMessage(d)
			v := one.NewField(field)
			if field.Message() == nil {
				v = field.Default()
			}
			one.Set(field, v)
			full.Set(field, v)
			f.Add(encode(f, one))
		}
		f.Add(encode(f, full))
	}
	for _, s := range []string{"", "\xaa\x01\x01a\xb8\x01\x01", "\x62\x01\xff", "\x28\xff\xff\xff\xff\x1f", "\x58\x02", "\x80\x01\x03",
		"\x75\x00\x00\xc0\x7f", "\x79\x01\x00\x00\x00\x00\x00\x00\x00", "\xd3\x01\x62\x01x\xd4\x01", "\xb3\x01\xa8\x01\x05\xb4\x01"} {
		f.Add([]byte(s))
	}
}

func TestFloatsAreWrittenAsJavaDoes(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {100, "100.0"},
		{1e-3, "0.001"}, {9.999e-4, "9.999E-4"}, {9999999, "9999999.0"}, {1e7, "1.0E7"}, {12345678, "1.2345678E7"},
		{1e10, "1.0E10"}, {1e23, "1.0E23"}, {2e-323, "2.0E-323"}, {math.SmallestNonzeroFloat64, "4.9E-324"},
		{math.MaxFloat64, "1.7976931348623157E308"}, {-1e-10, "-1.0E-10"},
		{math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
	} {
		if got := string(appendFloat(nil, tt.f, 64)); got != tt.want {
			t.Errorf("%g: %s, want %s", tt.f, got, tt.want)
		}
	}
	for _, tt := range []struct {
		f    float32
		want string
	}{
		{0.1, "0.1"}, {1e-3, "0.001"}, {16777216, "1.6777216E7"}, {math.MaxFloat32, "3.4028235E38"}, {math.SmallestNonzeroFloat32, "1.4E-45"},
	} {
		if got := string(appendFloat(nil, float64(tt.f), 32)); got != tt.want {
			t.Errorf("%g: %s, want %s", tt.f, got, tt.want)
		}
	}
}

func TestDifferentKeysAreDifferentTexts(t *testing.T) {
	m := mustParse(t, spec(t, compile(t, everything), EventSourced, "k.S")).Lookup("k.S", "Three")
	type key struct {
		tenant, user string
		number       int32
	}
	text := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom([]rune("-%25Da")), 0, 6, -1), rapid.String())
	draw := rapid.Custom(func(t *rapid.T) key {
		return key{text.Draw(t, "tenant"), text.Draw(t, "user"), rapid.Int32Range(-20, 20).Draw(t, "number")}
	})
	read := func(t *rapid.T, k key) string {
		var b []byte
		b = protowire.AppendString(append(b, 0x0a), k.user)
		b = protowire.AppendVarint(append(b, 0x10), protowire.EncodeZigZag(int64(k.number)))
		b = protowire.AppendString(append(b, 0x2a), k.tenant)
		s, err := m.Key(b)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if x, y := read(t, a), read(t, b); (x == y) != (a == b) {
			t.Fatalf("%+v and %+v are %q and %q", a, b, x, y)
		}
	})
}

// wide is a request of 200 bytes and 12 fields, its key the fourth.
func wide(t testing.TB) (*Method, *Method, []byte) {
	var fields strings.Builder
	var msg []byte
	for i := 1; i <= 12; i++ {
		option := ""
		if i == 4 {
			option = " [(cloudstate.entity_key) = true]"
		}
		if i%4 == 1 {
			fmt.Fprintf(&fields, "int64 f%d = %d;", i, i)
			msg = protowire.AppendVarint(protowire.AppendTag(msg, protowire.Number(i), protowire.VarintType), 1<<30)
			continue
		}
		fmt.Fprintf(&fields, "string f%d = %d%s;", i, i, option)
		msg = protowire.AppendString(protowire.AppendTag(msg, protowire.Number(i), protowire.BytesType), strings.Repeat("x", 18))
	}
	set := compile(t, map[string]string{"w.proto": `syntax = "proto3"; package w; import "cloudstate/entity_key.proto";
		service S { rpc One(.w.One) returns (.w.One); rpc Two(.w.Two) returns (.w.Two); }
		message One {` + fields.String() + `} message Two {` + strings.Replace(fields.String(), "f8 = 8", "f8 = 8 [(cloudstate.entity_key) = true]", 1) + `}`})
	c := mustParse(t, spec(t, set, EventSourced, "w.S"))
	return c.Lookup("w.S", "One"), c.Lookup("w.S", "Two"), msg
}

func TestKeyAllocatesOnlyItsText(t *testing.T) {
	one, two, msg := wide(t)
	for _, m := range []*Method{one, two} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := m.Key(msg); err != nil {
				t.Fatal(err)
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations, want 1", m.Name, n)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	one, two, msg := wide(b)
	for _, m := range []*Method{one, two} {
		b.Run(m.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				if _, err := m.Key(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

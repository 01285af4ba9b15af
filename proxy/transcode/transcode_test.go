// SPDX-License-Identifier: Apache-2.0

package transcode_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

const messages = `
	syntax = "proto3";
	package shop;
	import "google/api/annotations.proto";
	import "google/api/httpbody.proto";
	import "google/protobuf/any.proto";
	import "google/protobuf/duration.proto";
	import "google/protobuf/field_mask.proto";
	import "google/protobuf/struct.proto";
	import "google/protobuf/timestamp.proto";
	import "google/protobuf/wrappers.proto";
	enum Color { NONE = 0; RED = 1; }
	message Item { string id = 1; int32 count = 2; Item part = 3; repeated string tags = 4; }
	message Request {
		string user_id = 1;
		Item item = 2;
		repeated string names = 3;
		map<string, int64> labels = 4;
		google.protobuf.Timestamp at = 5;
		google.protobuf.StringValue note = 6;
		repeated Item items = 7;
		Color color = 8;
		repeated Color colors = 9;
		int32 i32 = 10;
		uint64 u64 = 11;
		double d = 12;
		float f = 13;
		bool b = 14;
		bytes raw = 15;
		optional string maybe = 16;
		oneof choice { string left = 17; int32 right = 18; Item both = 19; }
		google.protobuf.Duration span = 20;
		google.protobuf.FieldMask mask = 21;
		google.protobuf.BoolValue flag = 22;
		google.protobuf.Int64Value big = 23;
		google.protobuf.Struct free = 24;
		google.protobuf.Any any = 25;
		google.api.HttpBody file = 26;
		repeated google.protobuf.Timestamp times = 27;
		string odd = 28 [json_name = "very-odd"];
		sint64 s64 = 29;
		uint32 u32 = 30;
	}
`

// A rig is a service with one method of a rule.
type rig struct {
	codec *transcode.Codec
	table *httprule.Table
	in    protoreflect.MessageDescriptor
}

// rigs are those that there are already, since compiling takes the most time.
var rigs = map[string]*rig{}

// newRig makes a rig of an HTTP rule; the empty one is the default route.
func newRig(t testing.TB, rule, types string) *rig {
	t.Helper()
	key := rule + types
	if r := rigs[key]; r != nil {
		return r
	}
	if rule != "" {
		rule = "option (google.api.http) = {" + rule + "};"
	}
	c := routetest.Catalogue(t, messages+"service S { rpc Do"+types+" {"+rule+"} }", nil)
	d, err := c.Files().FindDescriptorByName("shop.S")
	if err != nil {
		t.Fatal(err)
	}
	m := d.(protoreflect.ServiceDescriptor).Methods().Get(0)
	table, problems := httprule.Compile(slices.Values([]protoreflect.MethodDescriptor{m}))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	rigs[key] = &rig{transcode.New(c.Files()), table, m.Input()}
	return rigs[key]
}

// request returns the message that a request makes, as JSON.
func (r *rig) request(t testing.TB, verb, target, body string) (string, error) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	b, values, _ := r.table.Match(verb, path)
	if b == nil {
		t.Fatalf("%s %s has no route", verb, target)
	}
	payload, err := r.codec.Request(b, transcode.Params{Values: values, Query: query}, transcode.Body{Type: "text/x", Data: []byte(body)})
	if err != nil {
		return "", err
	}
	m := dynamicpb.NewMessage(r.in)
	if err := proto.Unmarshal(payload, m); err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `" `, `"`), nil
}

// squeeze takes out the spaces that protojson puts in at random.
func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

// wantInvalid checks what err says is wrong.
func wantInvalid(t testing.TB, what string, err error, field, text string) {
	t.Helper()
	wrong, ok := errors.AsType[*entity.Invalid](err)
	if !ok || len(wrong.Violations) != 1 {
		t.Errorf("%s: got error %v, want %s: %s", what, err, field, text)
		return
	}
	if v := wrong.Violations[0]; v.Field != field || v.Description != text {
		t.Errorf("%s: got %q: %q, want %q: %q", what, v.Field, v.Description, field, text)
	}
}

const both = "(Request) returns (Request)"

func TestRequestOfPathQueryAndBody(t *testing.T) {
	for _, tt := range []struct{ rule, verb, target, body, want string }{
		{`get: "/a/{user_id}"`, "GET", "/a/x%2Fy?", "ignored", `{"user_id":"x/y"}`},
		{`get: "/a/{item.part.id}/{i32}"`, "GET", "/a/x/-7", "", `{"item":{"part":{"id":"x"}},"i32":-7}`},
		{`get: "/a/{color}/{at}/{raw}"`, "GET", "/a/RED/2026-01-02T03:04:05Z/-_8=", "", `{"at":"2026-01-02T03:04:05Z","color":"RED","raw":"+/8="}`},
		{`get: "/a/{note}/{big}"`, "GET", "/a//5", "", `{"note":"","big":"5"}`},
		{`post: "/a/{user_id}" body: "*"`, "POST", "/a/path?i32=9", `{"userId":"body","i32":1}`, `{"user_id":"path","i32":1}`},
		{`post: "/a/{item.id}" body: "item"`, "POST", "/a/p?userId=u", `{"id":"b","count":2}`, `{"user_id":"u","item":{"id":"p","count":2}}`},
		{`post: "/a" body: "names"`, "POST", "/a?b=true", ` ["x","y"] `, `{"names":["x","y"],"b":true}`},
		{`post: "/a" body: "labels"`, "POST", "/a", `{"x":"1","y":2}`, `{"labels":{"x":"1","y":"2"}}`},
		{`post: "/a" body: "i32"`, "POST", "/a", `12`, `{"i32":12}`},
		{`post: "/a" body: "color"`, "POST", "/a", `"RED"`, `{"color":"RED"}`},
		{`post: "/a" body: "odd"`, "POST", "/a", `"x"`, `{"odd":"x"}`},
		{`post: "/a" body: "free"`, "POST", "/a", `{"a":[null,{"b":1}]}`, `{"free":{"a":[null,{"b":1}]}}`},
		{`post: "/a" body: "at"`, "POST", "/a", `"2026-01-02T03:04:05Z"`, `{"at":"2026-01-02T03:04:05Z"}`},
		{`post: "/a" body: "items"`, "POST", "/a", `[{"id":"x"}]`, `{"items":[{"id":"x"}]}`},
		{`post: "/a" body: "both"`, "POST", "/a", `{"id":"x"}`, `{"both":{"id":"x"}}`},
		{`put: "/a" body: "file"`, "PUT", "/a?user_id=u", "\x00raw", `{"user_id":"u","file":{"content_type":"text/x","data":"AHJhdw=="}}`},
		{``, "POST", "/shop.S/Do", `{"user_id":"proto name"}`, `{"user_id":"protoname"}`},
	} {
		got, err := newRig(t, tt.rule, both).request(t, tt.verb, tt.target, tt.body)
		if err != nil || squeeze(got) != tt.want {
			t.Errorf("%s: %s %s: got %s, %v, want %s", tt.rule, tt.verb, tt.target, got, err, tt.want)
		}
	}
}

func TestQuery(t *testing.T) {
	r := newRig(t, `get: "/a"`, both)
	for query, want := range map[string]string{
		"userId=a%20b+c&":                     `{"user_id":"ab c"}`,
		"user_id=1&&i32=2":                    `{"user_id":"1","i32":2}`,
		"names=a&i32=1&names=b":               `{"names":["a","b"],"i32":1}`,
		"item.id=x&item.count=3&item.tags=1":  `{"item":{"id":"x","count":3,"tags":["1"]}}`,
		"item.part.part.id=x":                 `{"item":{"part":{"part":{"id":"x"}}}}`,
		"color=RED&colors=1&colors=NONE":      `{"color":"RED","colors":["RED","NONE"]}`,
		"color=7":                             `{"color":7}`,
		"d=.5&f=-1e3&s64=-1&u32=4294967295":   `{"d":0.5,"f":-1000,"s64":"-1","u32":4294967295}`,
		"d=NaN&f=-Infinity":                   `{"d":"NaN","f":"-Infinity"}`,
		"b=TRUE&flag=0":                       `{"b":true,"flag":false}`,
		"u64=18446744073709551615":            `{"u64":"18446744073709551615"}`,
		"raw=AQID&maybe=":                     `{"raw":"AQID","maybe":""}`,
		"at=2026-01-02T03:04:05.5Z&span=1.5s": `{"at":"2026-01-02T03:04:05.500Z","span":"1.500s"}`,
		"at.seconds=1":                        `{"at":"1970-01-01T00:00:01Z"}`,
		"mask=userId,item.id":                 `{"mask":"userId,item.id"}`,
		"note=&big=7":                         `{"note":"","big":"7"}`,
		"times=1970-01-01T00:00:01Z&left=x":   `{"left":"x","times":["1970-01-01T00:00:01Z"]}`,
		"both.id=x&both.count=1":              `{"both":{"id":"x","count":1}}`,
		"very-odd=1":                          `{"odd":"1"}`,
		"odd=1":                               `{"odd":"1"}`,
		"file.content_type=x":                 `{"file":{"content_type":"x"}}`,
		"":                                    `{}`,
		"i32":                                 "",
	} {
		got, err := r.request(t, "GET", "/a?"+query, "")
		if (err == nil) != (want != "") || squeeze(got) != squeeze(want) {
			t.Errorf("%s: got %s, %v, want %s", query, got, err, want)
		}
	}
}

func TestQueryThatIsWrong(t *testing.T) {
	r := newRig(t, `post: "/a/{user_id}/{item.id}" body: "items"`, both)
	for query, want := range map[string][2]string{
		"nobody=1":            {"nobody", `no such query parameter: message shop.Request has no field "nobody"`},
		"item.nobody=1":       {"item.nobody", `no such query parameter: message shop.Item has no field "nobody"`},
		"i32.x=1":             {"i32.x", "the query parameter leads into shop.Request.i32, which has no fields of its own"},
		"names.x=1":           {"names.x", "the query parameter leads into shop.Request.names, which has no fields of its own"},
		"labels=1":            {"labels", "a map can't be a query parameter"},
		"labels.x=1":          {"labels.x", "a map can't be a query parameter"},
		"item=1":              {"item", "shop.Item is a message, and can't be a parameter"},
		"free=1":              {"free", "google.protobuf.Struct is a message, and can't be a parameter"},
		"items=1":             {"items", "the field is in the body, and can't be a query parameter too"},
		"userId=1":            {"userId", "the field is in the path, and can't be a query parameter too"},
		"item.id=1":           {"item.id", "the field is in the path, and can't be a query parameter too"},
		"i32=1&i32=1":         {"i32", "the query parameter is there twice, and the field isn't repeated"},
		"at=x":                {"at", `"x" is no google.protobuf.Timestamp`},
		"i32=x":               {"i32", `"x" is no int32`},
		"i32=":                {"i32", `"" is no int32`},
		"i32=2147483648":      {"i32", "2147483648 is too large for int32"},
		"u32=-1":              {"u32", `"-1" is no uint32`},
		"u64=1e3":             {"u64", `"1e3" is no uint64`},
		"d=0x1p3":             {"d", `"0x1p3" is no double`},
		"d=inf":               {"d", `"inf" is no double`},
		"f=1e39":              {"f", "1e39 is too large for float"},
		"b=yes":               {"b", `"yes" is neither true nor false`},
		"raw=%25":             {"raw", "not base64"},
		"color=BLUE":          {"color", `"BLUE" is no value of shop.Color`},
		"maybe=%FF":           {"maybe", "not valid UTF-8"},
		"left=x&right=1":      {"right", "only one of left and right can be set"},
		"left=x&both.count=1": {"both.count", "only one of left and both can be set"},
		"%zz=1":               {"", `query parameter "%zz=1" is badly encoded`},
		"maybe=%z":            {"maybe", `the query parameter's value "%z" is badly encoded`},
		"=1":                  {"", `no such query parameter: message shop.Request has no field ""`},
	} {
		_, err := r.request(t, "POST", "/a/u/i?"+query, "[]")
		wantInvalid(t, query, err, want[0], want[1])
	}
}

func TestVariableThatIsWrong(t *testing.T) {
	r := newRig(t, `get: "/{i32}/{item.count}" additional_bindings { get: "/{user_id}" }`, both)
	_, err := r.request(t, "GET", "/7/x", "")
	wantInvalid(t, "nested", err, "item.count", `"x" is no int32`)
	_, err = r.request(t, "GET", "//7", "")
	wantInvalid(t, "empty", err, "i32", `"" is no int32`)
	_, err = r.request(t, "GET", "/%FF", "")
	wantInvalid(t, "no text", err, "user_id", "not valid UTF-8")
}

func TestBodyThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ rule, body, field, says string }{
		{`body: "*"`, "", "", "the body is empty, and should be JSON: {}"},
		{`body: "*"`, " \n", "", "the body is empty, and should be JSON: {}"},
		{`body: "*"`, `{"nobody":1}`, "nobody", `unknown field "nobody" (line 1, column 2)`},
		{`body: "*"`, "{\n  \"é\": 1,\n}", "é", `unknown field "é" (line 2, column 3)`},
		{`body: "*"`, `{"items":[{"id":"1"},{"id":"2","count":"x"}]}`, "items[1].count", `invalid value for int32 field count: "x" (line 1, column 40)`},
		{`body: "*"`, `{"item":{"part":{"tags":["a", 5]}}}`, "item.part.tags[1]", `invalid value for string field tags: 5 (line 1, column 31)`},
		{`body: "*"`, "{\"item\":\n  {\"id\":}}", "item.id", `syntax error unexpected token } (line 2, column 9)`},
		{`body: "*"`, `{"item":{"id":"x"`, "item.id", "unexpected EOF (line 1, column 18)"},
		{`body: "*"`, `{} x`, "", `syntax error invalid value x (line 1, column 4)`},
		{`body: "*"`, `[]`, "", `syntax error unexpected token [ (line 1, column 1)`},
		{`body: "*"`, `{"left":"a","right":1}`, "right", `error parsing "right", oneof shop.Request.choice is already set (line 1, column 13)`},
		{`body: "*"`, `{"color":"BLUE"}`, "color", `invalid value for enum field color: "BLUE" (line 1, column 10)`},
		{`body: "item"`, `{"count":"x"}`, "item.count", `invalid value for int32 field count: "x" (line 1, column 10)`},
		{`body: "item"`, `{"id":"x"},"user_id":"y"`, "item", `invalid character ',' after top-level value (line 1, column 11)`},
		{`body: "item"`, `{"id"`, "item", `unexpected end of JSON input (line 1, column 5)`},
		{`body: "names"`, "", "names", "the body is empty, and should be JSON"},
		{`body: "names"`, "[\"a\",\n 1]", "names[1]", "invalid value for string field names: 1 (line 2, column 2)"},
	} {
		_, err := newRig(t, `post: "/a" `+tt.rule, both).request(t, "POST", "/a", tt.body)
		wantInvalid(t, tt.rule+" "+tt.body, err, tt.field, tt.says)
	}
}

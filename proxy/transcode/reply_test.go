// SPDX-License-Identifier: Apache-2.0

package transcode_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// encoded returns the bytes of a shop.Request that is written as text.
func (r *rig) encoded(t testing.TB, text string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(r.in)
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// full is the JSON of a shop.Request with nothing set, up to its end.
const full = `{"userId":"","names":[],"labels":{},"items":[],"color":"NONE","colors":[],"i32":0,"u64":"0",` +
	`"d":0,"f":0,"b":false,"raw":"","times":[],"very-odd":"","s64":"0","u32":0}`

func TestReplyIsCompactWithItsDefaults(t *testing.T) {
	r := newRig(t, `get: "/a"`, both)
	for text, want := range map[string]string{
		"":                                full,
		`user_id: "a \"b: , {\\" item {}`: strings.Replace(full, `"userId":"",`, `"userId":"a \"b: , {\\","item":{"id":"","count":0,"tags":[]},`, 1),
		`color: RED colors: 7 u64: 1`:     strings.NewReplacer(`"NONE"`, `"RED"`, `"colors":[]`, `"colors":[7]`, `"u64":"0"`, `"u64":"1"`).Replace(full),
		`any { type_url: "type.googleapis.com/shop.Item" value: "\n\001x" }`: strings.Replace(full, `"times"`,
			`"any":{"@type":"type.googleapis.com/shop.Item","id":"x","count":0,"tags":[]},"times"`, 1),
		`at {} maybe: "" note {}`: strings.NewReplacer(`"labels":{},`, `"labels":{},"at":"1970-01-01T00:00:00Z","note":"",`,
			`"raw":"",`, `"raw":"","maybe":"",`).Replace(full),
	} {
		b, _, _ := r.table.Match("GET", "/a")
		got, err := r.codec.Reply(b, r.encoded(t, text))
		if err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", text, got, err, want)
		}
	}
}

func TestReplyOfOneField(t *testing.T) {
	const text = `user_id: "u" item { id: "x" } names: ["a b", "c"] labels { key: "k" value: 5 }
		at { seconds: 1 } u64: 7 raw: "\001\377" color: RED d: 1.5`
	for field, want := range map[string]string{
		"user_id": `"u"`,
		"item":    `{"id":"x","count":0,"tags":[]}`,
		"names":   `["a b","c"]`,
		"labels":  `{"k":"5"}`,
		"at":      `"1970-01-01T00:00:01Z"`,
		"u64":     `"7"`,
		"raw":     `"Af8="`,
		"color":   `"RED"`,
		"d":       `1.5`,
		"b":       `false`,
		"colors":  `[]`,
		"span":    `null`,
	} {
		r := newRig(t, `get: "/a" response_body: "`+field+`"`, both)
		b, _, _ := r.table.Match("GET", "/a")
		got, err := r.codec.Reply(b, r.encoded(t, text))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", field, got, err, want)
		}
	}
}

func TestReplyThatCannotBeRead(t *testing.T) {
	r := newRig(t, `get: "/a"`, both)
	b, _, _ := r.table.Match("GET", "/a")
	for what, payload := range map[string][]byte{
		"no message":  {0xff},
		"no text":     {0x0a, 1, 0xff},
		"unknown any": r.encoded(t, `any { type_url: "type.googleapis.com/shop.Nobody" value: "x" }`),
	} {
		if got, err := r.codec.Reply(b, payload); !errors.Is(err, entity.ErrProtocol) {
			t.Errorf("%s: got %s, %v", what, got, err)
		}
	}
}

func TestHttpBodyIsTakenAndGivenAsItIs(t *testing.T) {
	r := newRig(t, ``, "(google.api.HttpBody) returns (google.api.HttpBody)")
	b, _, _ := r.table.Match("POST", "/shop.S/Do")
	if !transcode.TakesRaw(b) || !transcode.GivesRaw(b) {
		t.Fatal("an HttpBody isn't recognized")
	}
	want := transcode.Body{Type: "image/png", Data: []byte("\x00\x01 not json")}
	payload, err := r.codec.Request(b, transcode.Params{}, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.codec.RawReply(b, payload)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}

	r = newRig(t, `get: "/a" response_body: "file"`, both)
	b, _, _ = r.table.Match("GET", "/a")
	if transcode.TakesRaw(b) || !transcode.GivesRaw(b) {
		t.Error("an HttpBody in a field isn't recognized")
	}
	got, err = r.codec.RawReply(b, r.encoded(t, `file { content_type: "a/b" data: "x" } names: "y"`))
	if err != nil || got.Type != "a/b" || string(got.Data) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package transcode_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// fuzz checks that a request is either a message, which can be given back as
// JSON, or wrong in a way that can be said.
func (r *rig) fuzz(t *testing.T, verb, path, query string, body []byte) {
	b, values, _ := r.table.Match(verb, path)
	if b == nil {
		return
	}
	payload, err := r.codec.Request(b, transcode.Params{Values: values, Query: query}, transcode.Body{Data: body})
	if err != nil {
		if _, ok := errors.AsType[*entity.Invalid](err); !ok {
			t.Fatalf("error %v", err)
		}
		return
	}
	m := dynamicpb.NewMessage(r.in)
	if err := proto.Unmarshal(payload, m); err != nil {
		t.Fatalf("not a message: %v", err)
	}
	if _, err := r.codec.Reply(b, payload); err != nil && !errors.Is(err, entity.ErrProtocol) {
		t.Fatalf("not given back: %v", err)
	}
}

func FuzzQuery(f *testing.F) {
	r := newRig(f, `get: "/a/{user_id}/{i32}" additional_bindings { put: "/b" body: "items" }`, both)
	for _, s := range []string{
		"item.part.id=1&names=2", "at=2026-01-02T03:04:05Z", "left=a&right=1", "raw=AQ&mask=a.b", "%zz", "&&=", "item.=", "color=9",
	} {
		f.Add("x%2F", s)
	}
	f.Fuzz(func(t *testing.T, value, query string) {
		r.fuzz(t, "GET", "/a/"+value+"/1", query, nil)
		r.fuzz(t, "GET", "/a/1/"+value, query, nil)
		r.fuzz(t, "PUT", "/b", query, []byte("[]"))
	})
}

func FuzzJSON(f *testing.F) {
	whole, field := newRig(f, ``, both), newRig(f, `post: "/a" body: "item"`, both)
	for _, s := range []string{
		`{"userId":"a","item":{"part":{}}}`, `{"items":[{},{"count":"x"}]}`, `{"any":{"@type":"x"}}`, `{"free":{"a":[1,{}]}}`,
		"{\"é\":\n1", `"\`, `{"a":"\`, `]]`, `{"item":}`, `{"id":"x"},"names":[]`, "\xff", `{"at":"9999-12-31T23:59:59.999999999Z"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		whole.fuzz(t, "POST", "/shop.S/Do", "", body)
		field.fuzz(t, "POST", "/a", "", body)
	})
}

// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
)

const shop = `
	syntax = "proto3";
	package shop;
	import "google/api/annotations.proto";
	import "google/api/httpbody.proto";
	import "cloudstate/entity_key.proto";
	message Item { string id = 1 [(cloudstate.entity_key) = true]; int32 count = 2; }
	message File { string name = 1; google.api.HttpBody content = 2; }

	// Carts are kept.
	service Cart {
		// Adds an item.
		rpc Add(Item) returns (Item) {
			option (google.api.http) = { post: "/carts/{id}" body: "*" additional_bindings { get: "/carts/{id}" } };
		}
		rpc Plain(Item) returns (Item);
	}
	service Act {
		rpc Do(Item) returns (Item) { option (google.api.http) = { get: "/do" }; }
		rpc Watch(Item) returns (stream Item) { option (google.api.http) = { get: "/watch/{id}" }; }
		rpc Slow(Item) returns (stream Item);
		rpc Feed(stream Item) returns (Item) { option (google.api.http) = { post: "/feed" body: "*" }; }
		rpc Talk(stream Item) returns (stream Item) { option (google.api.http) = { post: "/talk/{id}" body: "*" }; }
		rpc Put(File) returns (File) {
			option (google.api.http) = { put: "/files/{name=**}" body: "content" response_body: "content" };
		}
		rpc Load(stream File) returns (stream File) {
			option (google.api.http) = { put: "/load/{name}" body: "content" response_body: "content" };
		}
		rpc Wrong(Item) returns (Item) { option (google.api.http) = { get: "/wrong/{" }; }
	}
`

// A function is what tests have as the user function, and everything between.
type function struct {
	submit func(call entity.Call, done func(entity.Answer))
	stream func(ctx context.Context, call entity.Call, client entity.Exchange) error
}

func (f function) Submit(call entity.Call, done func(entity.Answer)) { f.submit(call, done) }

func (f function) Stream(ctx context.Context, call entity.Call, client entity.Exchange) error {
	return f.stream(ctx, call, client)
}

// echo answers with what it is given.
var echo = function{
	submit: func(call entity.Call, done func(entity.Answer)) { done(entity.Answer{Payload: call.Payload}) },
	stream: func(_ context.Context, call entity.Call, client entity.Exchange) error {
		if call.Payload != nil {
			return client.Send(call.Payload, nil)
		}
		for {
			payload, err := client.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := client.Send(payload, nil); err != nil {
				return err
			}
		}
	},
}

// failing ends each call with err.
func failing(err error) function {
	return function{
		submit: func(_ entity.Call, done func(entity.Answer)) { done(entity.Answer{Err: err}) },
		stream: func(context.Context, entity.Call, entity.Exchange) error { return err },
	}
}

func catalogue(t testing.TB) *route.Catalogue {
	t.Helper()
	compiling.Do(func() {
		compiled = routetest.Catalogue(t, shop, map[string]string{"shop.Cart": route.EventSourced})
	})
	return compiled
}

// What is compiled once for all tests, since that is the slowest of it.
var (
	compiling sync.Once
	compiled  *route.Catalogue
)

func newHandler(t testing.TB, f function, o Options) *Handler {
	t.Helper()
	c := catalogue(t)
	h := New(slog.New(slog.DiscardHandler), func() (*route.Catalogue, error) { return c, nil }, f, f, o)
	if problems := h.Use(c); len(problems) != 1 {
		t.Fatalf("problems %q", problems)
	}
	return h
}

// start serves f until the test ends, and returns where.
func start(t testing.TB, f function, o Options) (url string) {
	t.Helper()
	s := httptest.NewServer(newHandler(t, f, o))
	t.Cleanup(s.Close)
	return s.URL
}

// A reply is what came back.
type reply struct {
	*http.Response
	body string
}

// send sends a request as it would come from a client; header is of pairs.
func send(t testing.TB, url, verb, target, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, url+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		data = append(data, (" cut off: " + err.Error())...)
	}
	return reply{resp, string(data)}
}

// want checks the status and the body.
func (r reply) want(t testing.TB, status int, body string) {
	t.Helper()
	if r.StatusCode != status || r.body != body {
		t.Errorf("got %d %s\nwant %d %s", r.StatusCode, r.body, status, body)
	}
}

// item returns the JSON of an encoded shop.Item, for what the function sees.
func item(t testing.TB, payload []byte) string {
	t.Helper()
	d, err := catalogue(t).Files().FindDescriptorByName("shop.Item")
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	if err := proto.Unmarshal(payload, m); err != nil {
		t.Fatal(err)
	}
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), " ", "")
}

// problem is the body of an error without details.
func problem(status int, code, text string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q}}`, status, text, code)
}

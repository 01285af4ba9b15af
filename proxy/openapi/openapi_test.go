// SPDX-License-Identifier: Apache-2.0

package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/openapi"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
)

const shop = `
	syntax = "proto3";
	package shop;
	import "google/api/annotations.proto";
	import "google/api/httpbody.proto";
	import "google/protobuf/any.proto";
	import "google/protobuf/empty.proto";
	import "google/protobuf/struct.proto";
	import "google/protobuf/timestamp.proto";
	import "google/protobuf/wrappers.proto";
	enum Color { NONE = 0; RED = 1; }
	// A thing "to buy": it's
	// worth its price.
	message Item {
		string id = 1; // not this one
		// How many.
		int32 count = 2;
		Item part = 3;
		map<string, Color> colors = 4;
		google.protobuf.Timestamp at = 5;
		repeated google.protobuf.Int64Value big = 6;
		google.protobuf.Struct free = 7;
		google.protobuf.Any any = 8;
		bytes raw = 9;
		uint64 u64 = 10;
		double d = 11;
		google.protobuf.Value value = 12;
		google.protobuf.NullValue null = 13;
	}
	// Carts.
	service Cart {
		// Adds.
		//
		// More of it.
		rpc Add(Item) returns (google.protobuf.Empty) {
			option (google.api.http) = {
				post: "/carts/{id}" body: "*"
				additional_bindings { delete: "/carts/{part.id}" }
				additional_bindings { get: "/carts/{id}/*/x/{raw}:all" }
				additional_bindings { custom { kind: "*" path: "/any/{id=a/**}" } body: "part" response_body: "" }
				additional_bindings { custom { kind: "QUERY" path: "/query" } }
			};
		}
		rpc Plain(Item) returns (Item) { option deprecated = true; }
		rpc Watch(Item) returns (stream Item) { option (google.api.http) = { get: "/" response_body: "big" }; }
		rpc Put(google.api.HttpBody) returns (google.api.HttpBody);
		rpc Feed(stream Item) returns (Item);
	}
`

func document(t testing.TB) *openapi.Document {
	t.Helper()
	c := routetest.Catalogue(t, shop, nil)
	d, err := c.Files().FindDescriptorByName("shop.Cart")
	if err != nil {
		t.Fatal(err)
	}
	s := d.(protoreflect.ServiceDescriptor)
	var methods []protoreflect.MethodDescriptor
	for i := range s.Methods().Len() {
		methods = append(methods, s.Methods().Get(i))
	}
	table, problems := httprule.Compile(slices.Values(methods))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return openapi.New(openapi.Info{Title: "Shop", Version: "1"}, []protoreflect.ServiceDescriptor{s}, table.Bindings())
}

// dig returns what is in a decoded document at the end of a path of names.
func dig(t testing.TB, v any, names ...string) any {
	t.Helper()
	for _, name := range names {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("there is no %q of %q", name, names)
		}
		v = m[name]
	}
	return v
}

func TestDocument(t *testing.T) {
	d := document(t)
	var asJSON, asYAML map[string]any
	if err := json.Unmarshal(d.JSON(), &asJSON); err != nil {
		t.Fatalf("%v:\n%s", err, d.JSON())
	}
	if err := yaml.Unmarshal(d.YAML(), &asYAML); err != nil {
		t.Fatalf("%v:\n%s", err, d.YAML())
	}
	if again, err := json.Marshal(asYAML); err != nil || string(again) != marshalled(t, asJSON) {
		t.Errorf("as YAML it is\n%s, %v\nas JSON\n%s", again, err, marshalled(t, asJSON))
	}

	paths, ok := dig(t, asJSON, "paths").(map[string]any)
	want := []string{"/", "/any/{id}", "/carts/{id}", "/carts/{id}/{segment3}/x/{raw}:all", "/shop.Cart/Feed", "/shop.Cart/Plain", "/shop.Cart/Put"}
	if got := slices.Sorted(maps.Keys(paths)); !ok || !slices.Equal(got, want) {
		t.Errorf("paths %q", got)
	}
	for _, tt := range []struct {
		at   []string
		want string
	}{
		{[]string{"openapi"}, `"3.1.0"`},
		{[]string{"tags"}, `[{"description":"Carts.","name":"shop.Cart"}]`},
		{[]string{"paths", "/carts/{id}", "post", "operationId"}, `"Cart_Add"`},
		{[]string{"paths", "/carts/{id}", "delete", "operationId"}, `"Cart_Add_2"`},
		{[]string{"paths", "/carts/{id}", "post", "summary"}, `"Adds."`},
		{[]string{"paths", "/carts/{id}", "post", "description"}, `"Adds.\n\nMore of it."`},
		{[]string{"paths", "/carts/{id}", "post", "parameters"}, `[{"in":"path","name":"id","required":true,"schema":{"type":"string"}}]`},
		{[]string{"paths", "/carts/{id}", "post", "requestBody", "content", "application/json", "schema"}, `{"$ref":"#/components/schemas/shop.Item"}`},
		{[]string{"paths", "/shop.Cart/Plain", "post", "deprecated"}, `true`},
		{[]string{"paths", "/shop.Cart/Put", "post", "requestBody", "content"}, `{"*/*":{"schema":{}}}`},
		{[]string{"paths", "/", "get", "responses", "200", "content", "text/event-stream", "schema"},
			`{"items":{"format":"int64","type":["string","null"]},"type":"array"}`},
		{[]string{"components", "schemas", "shop.Color"}, `{"enum":["NONE","RED"],"type":"string"}`},
		{[]string{"components", "schemas", "shop.Item", "description"}, `"A thing \"to buy\": it's\nworth its price."`},
		{[]string{"components", "schemas", "shop.Item", "properties", "count"}, `{"description":"How many.","format":"int32","type":"integer"}`},
		{[]string{"components", "schemas", "shop.Item", "properties", "part"}, `{"$ref":"#/components/schemas/shop.Item"}`},
		{[]string{"components", "schemas", "shop.Item", "properties", "colors"},
			`{"additionalProperties":{"$ref":"#/components/schemas/shop.Color"},"type":"object"}`},
		{[]string{"components", "schemas", "shop.Item", "properties", "raw"}, `{"contentEncoding":"base64","type":"string"}`},
	} {
		if got := marshalled(t, dig(t, asJSON, tt.at...)); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.at, got, tt.want)
		}
	}
}

var update = flag.Bool("update", false, "write what is into testdata")

// TestDocumentIsAsBefore compares with files, which hack/clients has checked by a
// validator that nobody here wrote.
func TestDocumentIsAsBefore(t *testing.T) {
	d := document(t)
	for name, text := range map[string][]byte{"shop.json": d.JSON(), "shop.yaml": d.YAML()} {
		name = filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(name); err != nil || !bytes.Equal(text, want) {
			t.Errorf("%s is different, %v: look at what -update makes of it", name, err)
		}
	}
}

func TestParametersAreWhatIsLeft(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(document(t).JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range dig(t, doc, "paths", "/carts/{id}", "delete", "parameters").([]any) {
		got = append(got, fmt.Sprint(dig(t, p, "in"), " ", dig(t, p, "name")))
	}
	want := []string{"path id", "query id", "query count", "query at", "query big", "query raw", "query u64", "query d", "query null"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	parameter := dig(t, doc, "paths", "/any/{id}", "post", "parameters").([]any)[0]
	if got := marshalled(t, dig(t, parameter, "description")); got != `"Takes a/**."` {
		t.Errorf("a variable of several segments: %s", got)
	}
}

func marshalled(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	_ "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
)

// shop is a small set of three files with bare names and no well-known types,
// as the Go library makes it.
var shop = map[string]string{
	"persistence/domain.proto": `syntax = "proto3"; package shop.persistence;
		message Line { string product = 1; }`,
	"shop/shop.proto": `syntax = "proto3"; package shop;
		import "persistence/domain.proto";
		import "cloudstate/entity_key.proto";
		import "google/protobuf/empty.proto";
		import "google/api/annotations.proto";
		service Cart {
			rpc Add(AddRequest) returns (google.protobuf.Empty) { option (google.api.http) = {post: "/c/{user}" body: "*"}; }
			rpc Get(GetRequest) returns (Lines);
		}
		service Watch {
			rpc Follow(GetRequest) returns (stream Lines);
		}
		message AddRequest { string product = 1; string user = 2 [(cloudstate.entity_key) = true]; }
		message GetRequest { string user = 1 [(cloudstate.entity_key) = true]; }
		message Lines { repeated shop.persistence.Line lines = 1; }`,
}

func TestCatalogue(t *testing.T) {
	set := compile(t, shop)
	s := spec(t, set, EventSourced, "shop.Cart")
	s.Entities[0].PersistenceId = "cart"
	s.Entities[0].PassivationStrategy = timeout(1500)
	s.Entities = append(s.Entities, &cloudstate.Entity{EntityType: CRDT, ServiceName: "shop.Watch", PersistenceId: "cart"})
	s.ServiceInfo = &cloudstate.ServiceInfo{ServiceName: "my-shop"}
	c := mustParse(t, s)

	m := c.Method("/shop.Cart/Add")
	if m == nil || m != c.Lookup("shop.Cart", "Add") {
		t.Fatalf("Method = %v, Lookup = %v, want the same method", m, c.Lookup("shop.Cart", "Add"))
	}
	if m.InputURL != "type.googleapis.com/shop.AddRequest" || m.OutputURL != "type.googleapis.com/google.protobuf.Empty" {
		t.Errorf("types %s, %s", m.InputURL, m.OutputURL)
	}
	if m.ClientStreams || m.ServerStreams || !c.Method("/shop.Watch/Follow").ServerStreams {
		t.Error("streams are wrong")
	}
	for _, path := range []string{"", "/", "/shop.Cart/Nope", "/shop.Nope/Add", "shop.Cart/Add", "/shop.Cart/Add/"} {
		if c.Method(path) != nil {
			t.Errorf("there is a method at %q", path)
		}
	}
	if c.Lookup("shop.Cart", "Nope") != nil || c.Lookup("shop.Nope", "Add") != nil {
		t.Error("Lookup found what is not there")
	}
	if !c.HasService("shop.Cart") || c.HasService("shop.AddRequest") {
		t.Error("HasService is wrong")
	}
	want := Entity{Service: "shop.Cart", Type: EventSourced, Name: "shop.Cart/cart", PersistenceID: "cart", Passivation: 1500 * time.Millisecond}
	want.speech = c.Dialect().Of(EventSourced)
	ents := c.Entities()
	if len(ents) != 2 || !reflect.DeepEqual(*ents[0], want) || ents[1].Name != "shop.Watch/cart" || m.Entity != ents[0] {
		t.Errorf("entities %v", ents)
	}
	if c.Service().GetServiceName() != "my-shop" {
		t.Errorf("service %v", c.Service())
	}
}

func timeout(ms int64) *cloudstate.EntityPassivationStrategy {
	return &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
		Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: ms},
	}}
}

func TestPassivation(t *testing.T) {
	for _, tt := range []struct {
		ms   int64
		want time.Duration
	}{
		{0, 0},
		{100, 100 * time.Millisecond},
		{math.MaxInt64, math.MaxInt64 / 1000000 * 1000000},
	} {
		s := spec(t, compile(t, shop), EventSourced, "shop.Cart")
		s.Entities[0].PassivationStrategy = timeout(tt.ms)
		if got := mustParse(t, s).Entities()[0].Passivation; got != tt.want {
			t.Errorf("%d ms: %v, want %v", tt.ms, got, tt.want)
		}
	}
}

// TestDescriptorSets has sets as libraries make them, all of them good.
func TestDescriptorSets(t *testing.T) {
	base := func() *descriptorpb.FileDescriptorSet { return compile(t, shop) }
	known := linkedSet(t, "cloudstate/entity_key.proto", "google/protobuf/empty.proto",
		"google/protobuf/descriptor.proto", "google/api/http.proto", "google/api/annotations.proto")
	bare := func(set *descriptorpb.FileDescriptorSet) {
		for _, f := range set.File {
			f.Name = proto.String(f.GetName()[strings.LastIndex(f.GetName(), "/")+1:])
		}
	}
	for name, change := range map[string]func(*descriptorpb.FileDescriptorSet){
		"as compiled":     func(*descriptorpb.FileDescriptorSet) {},
		"importers first": func(s *descriptorpb.FileDescriptorSet) { slices.Reverse(s.File) },
		"bare names":      bare,
		"file twice":      func(s *descriptorpb.FileDescriptorSet) { s.File = append(s.File, s.File...) },
		"with well-known": func(s *descriptorpb.FileDescriptorSet) { s.File = append(s.File, known.File...) },
		"all with bare names": func(s *descriptorpb.FileDescriptorSet) {
			s.File = append(s.File, proto.CloneOf(known).File...)
			bare(s)
		},
		"imports with long path": func(s *descriptorpb.FileDescriptorSet) {
			s.File[1].Dependency[0] = "src/main/proto/persistence/domain.proto"
		},
		"own file called like a well-known": func(s *descriptorpb.FileDescriptorSet) {
			s.File = append(s.File, compile(t, map[string]string{"empty.proto": `syntax = "proto3"; package mine;`}).File...)
		},
		"better of two": func(s *descriptorpb.FileDescriptorSet) {
			s.File[1].Dependency[0] = "src/persistence/domain.proto"
			s.File = append(s.File, compile(t, map[string]string{"domain.proto": `syntax = "proto3"; package other;`}).File...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := base()
			change(set)
			c := mustParse(t, spec(t, set, EventSourced, "shop.Cart"))
			if got, err := c.Method("/shop.Cart/Add").Key([]byte("\x12\x03bob")); got != "bob" || err != nil {
				t.Errorf("Key = %q, %v", got, err)
			}
			if _, err := c.Files().FindDescriptorByName("google.protobuf.Empty"); err != nil {
				t.Errorf("the catalogue's files lack what was filled in: %v", err)
			}
		})
	}
}

func TestLinkedModels(t *testing.T) {
	set := linkedSet(t, "cloudstate/tck/model/eventsourced/eventsourced.proto")
	c := mustParse(t, spec(t, set, EventSourced, "cloudstate.tck.model.EventSourcedTckModel", "cloudstate.tck.model.EventSourcedTwo"))
	if c.Lookup("cloudstate.tck.model.EventSourcedTwo", "Call") == nil {
		t.Error("method is missing")
	}
}

// TestParseRefuses lists, for each spec, words that must be in the errors, in
// their order, and that there are no more of them.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sources map[string]string
		change  func(*descriptorpb.FileDescriptorSet)
		spec    func(*cloudstate.EntitySpec)
		typ     string
		want    []string
	}{
		{
			name: "no entities",
			spec: func(s *cloudstate.EntitySpec) { s.Entities = nil },
			want: []string{"the user function serves no entities"},
		},
		{
			name: "unknown service",
			spec: func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "shop.Kart" },
			want: []string{"service shop.Kart is not in the descriptors"},
		},
		{
			name: "no service name",
			spec: func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "" },
			want: []string{"entity 1 has no service name"},
		},
		{
			name: "a message for a service",
			spec: func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "shop.Lines" },
			want: []string{"service shop.Lines is not a service in the descriptors, but something else in file shop/shop.proto"},
		},
		{
			name: "unsupported type",
			spec: func(s *cloudstate.EntitySpec) { s.Entities[0].EntityType = "my.Type" },
			want: []string{`service shop.Cart: entity type "my.Type" is not supported; supported are ` + strings.Join(all, ", ")},
		},
		{
			name: "twice",
			spec: func(s *cloudstate.EntitySpec) { s.Entities = append(s.Entities, s.Entities[0]) },
			want: []string{"service shop.Cart is declared twice"},
		},
		{
			name: "negative passivation",
			spec: func(s *cloudstate.EntitySpec) { s.Entities[0].PassivationStrategy = timeout(-1) },
			want: []string{"service shop.Cart: passivation timeout of -1 ms is negative"},
		},
		{
			name: "everything at once",
			spec: func(s *cloudstate.EntitySpec) {
				s.Entities[0].PassivationStrategy = timeout(-1)
				s.Entities[0].EntityType = "x"
				s.Entities = append(s.Entities, &cloudstate.Entity{ServiceName: "shop.Kart", EntityType: EventSourced})
			},
			want: []string{`"x" is not supported`, "negative", "shop.Kart is not in"},
		},
		{
			name: "undecodable descriptors",
			spec: func(s *cloudstate.EntitySpec) { s.Proto = []byte{0xff} },
			want: []string{"descriptor set can't be decoded: "},
		},
		{
			name:   "missing import",
			change: func(s *descriptorpb.FileDescriptorSet) { s.File = s.File[1:] },
			want:   []string{"file shop/shop.proto imports persistence/domain.proto, which is not in the descriptor set (shop/shop.proto -> persistence/domain.proto)"},
		},
		{
			name:   "missing import far down",
			change: func(s *descriptorpb.FileDescriptorSet) { s.File[0].Dependency = []string{"my/types.proto"} },
			want:   []string{"file persistence/domain.proto imports my/types.proto, which is not in the descriptor set (shop/shop.proto -> persistence/domain.proto -> my/types.proto)"},
		},
		{
			name: "imported name fits two files",
			change: func(s *descriptorpb.FileDescriptorSet) {
				s.File[1].Dependency[0] = "domain.proto"
				s.File = append(s.File, compile(t, map[string]string{"my/domain.proto": `syntax = "proto3"; package my;`}).File...)
			},
			want: []string{"file shop/shop.proto imports domain.proto, which is not"},
		},
		{
			name: "circle",
			change: func(s *descriptorpb.FileDescriptorSet) {
				s.File[0].Dependency = []string{"shop/shop.proto"}
			},
			want: []string{"files import each other in a circle: persistence/domain.proto -> shop/shop.proto -> persistence/domain.proto"},
		},
		{
			name: "circle of one",
			change: func(s *descriptorpb.FileDescriptorSet) {
				s.File[0].Dependency = []string{"persistence/domain.proto"}
			},
			want: []string{"circle: persistence/domain.proto -> persistence/domain.proto"},
		},
		{
			name: "two files of one name",
			change: func(s *descriptorpb.FileDescriptorSet) {
				other := proto.CloneOf(s.File[0])
				other.MessageType[0].Name = proto.String("Other")
				s.File = append(s.File, other)
			},
			want: []string{"file persistence/domain.proto is in the descriptor set twice, with different content"},
		},
		{
			name:   "no file name",
			change: func(s *descriptorpb.FileDescriptorSet) { s.File = append(s.File, &descriptorpb.FileDescriptorProto{}) },
			want:   []string{"file 3 of the descriptor set has no name"},
		},
		{
			name:   "unknown type in a file",
			change: func(s *descriptorpb.FileDescriptorSet) { s.File[0].MessageType[0].Name = proto.String("Gone") },
			want:   []string{"file shop/shop.proto: "},
		},
		{
			name:    "streamed replies of an event sourced entity",
			sources: method("rpc Do(K) returns (stream K);"),
			want:    []string{"method x.S/Do: replies can't be streamed from an event sourced entity"},
		},
		{
			name:    "streamed requests of a value entity",
			typ:     ValueEntity,
			sources: method("rpc Do(stream K) returns (K);"),
			want:    []string{"method x.S/Do: requests can't be streamed to a value entity"},
		},
		{
			name:    "streamed requests of a CRDT",
			typ:     CRDT,
			sources: method("rpc Do(stream K) returns (stream K); rpc Fine(K) returns (stream K);"),
			want:    []string{"method x.S/Do: requests can't be streamed to a CRDT entity"},
		},
		{
			name:    "no key",
			sources: method("rpc Do(N) returns (K); rpc Two(N) returns (K);"),
			want:    []string{"method x.S/Do: its request x.N has no entity key field", "method x.S/Two: its request x.N has no"},
		},
		{
			name:    "no key in a CRDT request",
			typ:     CRDT,
			sources: method("rpc Do(N) returns (K);"),
			want:    []string{"method x.S/Do: its request x.N has no entity key field"},
		},
		{
			name:    "repeated key",
			sources: method("rpc Do(R) returns (K);"),
			want:    []string{"method x.S/Do: entity key field k of its request x.R is repeated; it must be one scalar or enum"},
		},
		{
			name:    "map key",
			sources: method("rpc Do(M) returns (K);"),
			want:    []string{"entity key field k of its request x.M is a map"},
		},
		{
			name:    "message key",
			sources: method("rpc Do(O) returns (K);"),
			want:    []string{"entity key field k of its request x.O is a message"},
		},
		{
			name:    "key marked false",
			sources: method("rpc Do(F) returns (K);"),
			want:    []string{"its request x.F has no entity key field"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service := "x.S"
			if tt.sources == nil {
				tt.sources, service = shop, "shop.Cart"
			}
			if tt.typ == "" {
				tt.typ = EventSourced
			}
			set := compile(t, tt.sources)
			if tt.change != nil {
				tt.change(set)
			}
			s := spec(t, set, tt.typ, service)
			if tt.spec != nil {
				tt.spec(s)
			}
			_, err := Parse(s, all)
			wantErrors(t, err, tt.want)
		})
	}
}

// method is a file with methods in service x.S, over one message of each kind.
func method(rpcs string) map[string]string {
	return map[string]string{"x.proto": `syntax = "proto3"; package x;
		import "cloudstate/entity_key.proto";
		service S { ` + rpcs + ` }
		message K { string k = 1 [(cloudstate.entity_key) = true]; }
		message N { string k = 1; K nested = 2; }
		message R { repeated string k = 1 [(cloudstate.entity_key) = true]; }
		message M { map<string, string> k = 1 [(cloudstate.entity_key) = true]; }
		message O { K k = 1 [(cloudstate.entity_key) = true]; }
		message F { string k = 1 [(cloudstate.entity_key) = false]; }`}
}

func wantErrors(t *testing.T, err error, want []string) {
	t.Helper()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("Parse: error %v is not a joined one", err)
	}
	errs := joined.Unwrap()
	for i, e := range errs {
		if i < len(want) && !strings.Contains(e.Error(), want[i]) {
			t.Errorf("error %d is %q, want it to contain %q", i, e, want[i])
		}
		if strings.ContainsAny(e.Error(), "\n\r\t\u00a0") {
			t.Errorf("error %q is not a plain line", e)
		}
	}
	if len(errs) != len(want) {
		t.Errorf("%d errors, want %d: %v", len(errs), len(want), err)
	}
}

func TestActionsNeedNoKey(t *testing.T) {
	set := compile(t, method("rpc Do(stream N) returns (stream R); rpc Odd(R) returns (R);"))
	m := mustParse(t, spec(t, set, Action, "x.S")).Method("/x.S/Do")
	if got, err := m.Key([]byte{0xff}); got != "" || err != nil || !m.ClientStreams || !m.ServerStreams {
		t.Errorf("Key = %q, %v; method %+v", got, err, m)
	}
}

// SPDX-License-Identifier: Apache-2.0

package route

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/dialect"
)

// annotations are the options of the generations after Cloudstate, as far as
// they are looked at.
const annotations = `
	syntax = "proto3";
	package later;
	import "google/protobuf/descriptor.proto";
	message Key { bool entity_key = 1; }
	message Matcher { oneof m { int32 principal = 1; string service = 2; } }
	message Acl { repeated Matcher allow = 1; repeated Matcher deny = 2; }
	message Jwt { repeated int32 validate = 1; }
	message Bearer { bool token = 1; }
	message Generator { int32 key_generator = 1; }
	message OfFile { Acl acl = 4; }
	message OfMessage { Bearer jwt = 1; }
	message OfService { int32 type = 1; Acl acl = 3; }
	message Source { string consumer_group = 1; string topic = 2; string event_sourced_entity = 3; string value_entity = 4; bool ignore = 5; }
	message Destination { string topic = 1; }
	message Eventing { Source in = 1; Destination out = 2; }
	message OfMethod { Eventing eventing = 1; Jwt jwt = 3; Generator entity = 4; Acl acl = 5; }
	extend google.protobuf.FieldOptions { Key field = 1080; }
	extend google.protobuf.FileOptions { OfFile file = 1080; }
	extend google.protobuf.MessageOptions { OfMessage message = 1080; }
	extend google.protobuf.ServiceOptions { OfService service = 1080; }
	extend google.protobuf.MethodOptions { OfMethod method = 1080; }`

// laterSpec is the spec of a function of a later generation that serves the
// entities of service x.S, to be compiled from source.
func laterSpec(t *testing.T, d *dialect.Dialect, source string, entities ...dialect.Entity) *dialect.Spec {
	t.Helper()
	set := compile(t, map[string]string{
		"annotations.proto": annotations,
		"x.proto":           `syntax = "proto3"; package x; import "annotations.proto";` + source,
	})
	return &dialect.Spec{Dialect: d, Proto: encode(t, set), Service: &cloudstate.ServiceInfo{}, Entities: entities}
}

const (
	keyed  = `message K { string other = 1; string id = 2 [(later.field).entity_key = true]; bool no = 3 [(later.field).entity_key = false]; }`
	events = "kalix.component.eventsourcedentity.EventSourcedEntities"
)

func TestLaterGeneration(t *testing.T) {
	spec := laterSpec(t, dialect.Kalix, keyed+`service S { rpc Do(K) returns (K); }`, dialect.Entity{
		Type: events, Service: "x.S", PersistenceID: "s", Passivation: 1500, Headers: []string{"a"}, Consistency: 2,
	})
	c, err := ParseDialect(spec, all)
	if err != nil {
		t.Fatal(err)
	}
	want := Entity{
		Service: "x.S", Type: EventSourced, Name: "x.S/s", PersistenceID: "s", Passivation: 1500 * time.Millisecond,
		Headers: &Headers{Names: []string{"a"}}, Consistency: 2, speech: dialect.Kalix.Service(events),
	}
	if got := c.Entities()[0]; !reflect.DeepEqual(*got, want) || got.Speech().Handle != "/"+events+"/Handle" {
		t.Errorf("entity %+v, want %+v", got, want)
	}
	if key, err := c.Method("/x.S/Do").Key([]byte("\x0a\x01o\x12\x02id")); key != "id" || err != nil {
		t.Errorf("key %q, %v", key, err)
	}
	if c.Dialect() != dialect.Kalix {
		t.Errorf("dialect %s", c.Dialect().Name)
	}
}

func TestNewKey(t *testing.T) {
	c, err := ParseDialect(laterSpec(t, dialect.Kalix,
		`message N {} service S { rpc Create(N) returns (N) { option (later.method).entity.key_generator = 1; } }`,
		dialect.Entity{Type: events, Service: "x.S"}), all)
	if err != nil {
		t.Fatal(err)
	}
	m := c.Method("/x.S/Create")
	if key, err := m.Key(nil); !m.NewKey || key != "" || err != nil {
		t.Errorf("new key: %t, key %q, %v", m.NewKey, key, err)
	}
}

func TestConsumersOfALaterGeneration(t *testing.T) {
	const action = "kalix.component.action.Actions"
	entities := []dialect.Entity{{Type: events, Service: "x.S", PersistenceID: "s"}, {Type: action, Service: "x.A"}}
	parse := func(eventing string) (*Catalogue, error) {
		return ParseDialect(laterSpec(t, dialect.Kalix, keyed+`service S { rpc Do(K) returns (K); }
			service A { rpc On(K) returns (K) { option (later.method).eventing = {`+eventing+`}; } }`, entities...), all)
	}
	c, err := parse(`in: { event_sourced_entity: "s" }`)
	if err != nil {
		t.Fatal(err)
	}
	if to := c.Entities()[0].Consumers; len(to) != 1 || to[0].Service != "x.A" || to[0].Method("type.googleapis.com/x.K").Name != "On" {
		t.Errorf("consumers %v", to)
	}
	for eventing, want := range map[string]string{
		`in: { value_entity: "s" }`:           "a source of kind 4",
		`in: { topic: "t" }`:                  "topics are not supported",
		`in: { event_sourced_entity: "nope"}`: `persistence id "nope"`,
		`out: { topic: "t" }`:                 "publishes its replies",
	} {
		if _, err := parse(eventing); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.A/On") {
			t.Errorf("%s: %v, want %s", eventing, err, want)
		}
	}
}

func TestLaterGenerationRefuses(t *testing.T) {
	const (
		acl       = "its access control list keeps callers out"
		jwt       = "it wants tokens (JWT) of its callers"
		open      = `allow: { principal: 1 }`
		toService = `allow: { service: "other" }`
	)
	for name, tt := range map[string]struct {
		source string
		typ    string
		want   []string
	}{
		"a view":            {keyed + `service S {}`, "kalix.component.view.Views", []string{"service x.S is a view, which queries"}},
		"a workflow":        {keyed + `service S {}`, "kalix.component.workflow.WorkflowEntities", []string{"service x.S is a workflow"}},
		"a replicated one":  {keyed + `service S {}`, "kalix.component.replicatedentity.ReplicatedEntities", []string{"service x.S is a replicated entity of Kalix"}},
		"something unknown": {keyed + `service S {}`, "k.New", []string{`entity type "k.New" is not supported; supported are kalix.component.action.Actions, kalix.component.value`}},
		"its own name":      {keyed + `service S {}`, EventSourced, []string{`is not supported; supported are kalix.`}},
		"no key":            {`message K { string id = 1; } service S { rpc Do(K) returns (K); }`, events, []string{"its request x.K has no entity key field"}},
		"streams":           {keyed + `service S { rpc Do(K) returns (stream K); }`, events, []string{"replies can't be streamed"}},

		"everybody":        {keyed + `service S { rpc Do(K) returns (K) { option (later.method).acl = {` + open + `}; } }`, events, nil},
		"the internet":     {keyed + `service S { rpc Do(K) returns (K) { option (later.method).acl = {allow: { principal: 2 }}; } }`, events, nil},
		"a service":        {keyed + `service S { rpc Do(K) returns (K) { option (later.method).acl = {` + toService + `}; } }`, events, []string{"method x.S/Do: " + acl}},
		"nobody":           {keyed + `service S { rpc Do(K) returns (K) { option (later.method).acl = {}; } }`, events, []string{acl}},
		"all but a few":    {keyed + `service S { rpc Do(K) returns (K) { option (later.method).acl = {` + open + ` deny: { service: "o" }}; } }`, events, []string{acl}},
		"by the service":   {keyed + `service S { option (later.service).acl = {` + toService + `}; rpc Do(K) returns (K); rpc Re(K) returns (K); }`, events, []string{acl, acl}},
		"by the file":      {`option (later.file).acl = {` + toService + `};` + keyed + `service S { rpc Do(K) returns (K); }`, events, []string{acl}},
		"method opens":     {keyed + `service S { option (later.service).acl = {` + toService + `}; rpc Do(K) returns (K) { option (later.method).acl = {` + open + `}; } }`, events, nil},
		"service opens":    {`option (later.file).acl = {` + toService + `};` + keyed + `service S { option (later.service).acl = {` + open + `}; rpc Do(K) returns (K); }`, events, nil},
		"token of method":  {keyed + `service S { rpc Do(K) returns (K) { option (later.method).jwt = {validate: 1}; } }`, events, []string{"method x.S/Do: " + jwt}},
		"token of message": {`message K { option (later.message).jwt.token = true; string id = 1 [(later.field).entity_key = true]; } service S { rpc Do(K) returns (K); }`, events, []string{jwt}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseDialect(laterSpec(t, dialect.Kalix, tt.source, dialect.Entity{Type: tt.typ, Service: "x.S"}), all)
			if len(tt.want) == 0 && err != nil {
				t.Fatal(err)
			}
			if len(tt.want) > 0 {
				wantErrors(t, err, tt.want)
			}
		})
	}
}

// TestReplicatedEntitiesOfAkkaServerless have no streamed replies.
func TestReplicatedEntitiesOfAkkaServerless(t *testing.T) {
	e := dialect.Entity{Type: "akkaserverless.component.replicatedentity.ReplicatedEntities", Service: "x.S"}
	c, err := ParseDialect(laterSpec(t, dialect.AkkaServerless, keyed+`service S { rpc Do(K) returns (K); }`, e), all)
	if err != nil || c.Entities()[0].Type != CRDT || !c.Entities()[0].Speech().RepliesOnly {
		t.Errorf("%v", err)
	}
	_, err = ParseDialect(laterSpec(t, dialect.AkkaServerless, keyed+`service S { rpc Do(K) returns (stream K); }`, e), all)
	wantErrors(t, err, []string{"replies can't be streamed from a CRDT entity"})
}

// TestEarlyGeneration has no CRDT entities, but another name for actions.
func TestEarlyGeneration(t *testing.T) {
	info := &cloudstate.ServiceInfo{SupportLibraryName: "cloudstate", SupportLibraryVersion: "0.0.3"}
	set := compile(t, method("rpc Do(N) returns (N);"))
	s := spec(t, set, "cloudstate.function.StatelessFunction", "x.S")
	s.ServiceInfo = info
	c := mustParse(t, s)
	if e := c.Entities()[0]; e.Type != Action || !e.Speech().Named {
		t.Errorf("entity %+v", e)
	}
	s = spec(t, compile(t, method("rpc Do(K) returns (N);")), CRDT, "x.S")
	s.ServiceInfo = info
	_, err := Parse(s, all)
	wantErrors(t, err, []string{"service x.S is a CRDT entity of a protocol before 0.2"})
}

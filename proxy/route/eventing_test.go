// SPDX-License-Identifier: Apache-2.0

package route

import (
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// eventingSpec has an event sourced entity x.Log, whose events are of p, and an
// action x.S with methods.
func eventingSpec(t *testing.T, methods string) *cloudstate.EntitySpec {
	t.Helper()
	set := compile(t, map[string]string{
		"old.proto": `syntax = "proto3"; package old; import "google/protobuf/descriptor.proto";
			message Eventing { string in = 1; string out = 2; }
			extend google.protobuf.MethodOptions { Eventing eventing = 50003; }`,
		"x.proto": `syntax = "proto3"; package x;
			import "cloudstate/eventing.proto"; import "cloudstate/entity_key.proto"; import "google/protobuf/any.proto"; import "old.proto";
			message K { string id = 1 [(cloudstate.entity_key) = true]; } message A {} message B {}
			service Log { rpc Do(K) returns (A); }
			service S { ` + methods + ` }`,
	})
	s := spec(t, set, EventSourced, "x.Log")
	s.Entities = append(s.Entities, &cloudstate.Entity{EntityType: Action, ServiceName: "x.S"})
	return s
}

func TestConsumers(t *testing.T) {
	c := mustParse(t, eventingSpec(t, `
		rpc One(A) returns (A) { option (cloudstate.eventing) = { in: { event_log: "p" } }; }
		rpc Any(google.protobuf.Any) returns (stream A) { option (cloudstate.eventing).in = { event_log: "p" }; }
		rpc Old(B) returns (A) { option (old.eventing) = { in: "p" out: "discard" }; }
		rpc Group(A) returns (A) { option (cloudstate.eventing).in = { event_log: "p" consumer_group: "g" }; }
		rpc None(A) returns (A);`))
	all := c.Entities()[0].Consumers
	if len(all) != 2 || all[0].Service != "x.S" || all[0].Log != "p" || all[0].Group != "" || all[1].Group != "g" {
		t.Fatalf("consumers %+v", all)
	}
	for url, want := range map[string]string{
		"type.googleapis.com/x.A": "One", "type.googleapis.com/x.B": "Old", "json.cloudstate.io/A": "Any",
	} {
		if m := all[0].Method(url); m == nil || m.Name != want {
			t.Errorf("%s goes to %v, want %s", url, m, want)
		}
	}
	if m := all[1].Method("json.cloudstate.io/A"); m != nil {
		t.Errorf("group g takes any event, by %s", m.Name)
	}
}

// TestEventingThatIsRefused wants one error for each, which names the method.
func TestEventingThatIsRefused(t *testing.T) {
	for option, want := range map[string]string{
		`(cloudstate.eventing).in = { topic: "t" }`:          `topics are not supported`,
		`(cloudstate.eventing).in = { event_log: "nope" }`:   `no event sourced entity with persistence id "nope"`,
		`(cloudstate.eventing).in = { consumer_group: "g" }`: `doesn't say from where`,
		`(cloudstate.eventing).out = { topic: "t" }`:         `publishes its replies: this is not supported`,
		`(old.eventing) = { in: "t" }`:                       `topics are not supported`,
		`(old.eventing) = { out: "t" }`:                      `publishes its replies to "t"`,
	} {
		_, err := Parse(eventingSpec(t, `rpc Do(A) returns (A) { option `+option+`; }`), all)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.S/Do") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", option, err, want)
		}
	}
	const in = ` { option (cloudstate.eventing).in = { event_log: "p" }; }`
	for methods, want := range map[string]string{
		"rpc Do(A) returns (A)" + in + "rpc Other(A) returns (A)" + in: "methods Do and Other of service x.S take the same events",
		"rpc Do(stream A) returns (A)" + in:                            "events can't be streamed to it",
	} {
		if _, err := Parse(eventingSpec(t, methods), all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", methods, err, want)
		}
	}
}

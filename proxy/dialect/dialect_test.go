// SPDX-License-Identifier: Apache-2.0

package dialect_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	kalix "github.com/kairn-dev/kairn/proto/kalix/protocol"
	"github.com/kairn-dev/kairn/proxy/dialect"
)

var all = []string{dialect.Action, dialect.CRDT, dialect.EventSourced, dialect.ValueEntity}

// TestPathsOfCloudstate checks the table against the generated code.
func TestPathsOfCloudstate(t *testing.T) {
	d := dialect.Cloudstate
	for got, want := range map[string]string{
		d.Methods.Discover:                        cloudstate.EntityDiscovery_Discover_FullMethodName,
		d.Methods.ReportError:                     cloudstate.EntityDiscovery_ReportError_FullMethodName,
		d.Of(dialect.EventSourced).Handle:         cloudstate.EventSourced_Handle_FullMethodName,
		d.Of(dialect.ValueEntity).Handle:          cloudstate.ValueEntity_Handle_FullMethodName,
		d.Of(dialect.CRDT).Handle:                 cloudstate.Crdt_Handle_FullMethodName,
		d.Of(dialect.Action).Unary:                cloudstate.ActionProtocol_HandleUnary_FullMethodName,
		d.Of(dialect.Action).StreamedIn:           cloudstate.ActionProtocol_HandleStreamedIn_FullMethodName,
		d.Of(dialect.Action).StreamedOut:          cloudstate.ActionProtocol_HandleStreamedOut_FullMethodName,
		d.Of(dialect.Action).Streamed:             cloudstate.ActionProtocol_HandleStreamed_FullMethodName,
		dialect.Kalix.Methods.Discover:            kalix.Discovery_Discover_FullMethodName,
		dialect.Kalix.Methods.ReportError:         kalix.Discovery_ReportError_FullMethodName,
		dialect.Kalix.Methods.HealthCheck:         kalix.Discovery_HealthCheck_FullMethodName,
		dialect.Kalix.Methods.ProxyTerminated:     kalix.Discovery_ProxyTerminated_FullMethodName,
		dialect.Kalix.Of(dialect.Action).Streamed: "/kalix.component.action.Actions/HandleStreamed",
	} {
		if got != want {
			t.Errorf("path %s, want %s", got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		dialect *dialect.Dialect
		want    []string
	}{
		{dialect.Cloudstate, all},
		{dialect.Kalix, []string{
			"kalix.component.action.Actions",
			"kalix.component.eventsourcedentity.EventSourcedEntities",
			"kalix.component.valueentity.ValueEntities",
		}},
		{dialect.AkkaServerless, []string{
			"akkaserverless.component.action.Actions",
			"akkaserverless.component.replicatedentity.ReplicatedEntities",
			"akkaserverless.component.eventsourcedentity.EventSourcedEntities",
			"akkaserverless.component.valueentity.ValueEntities",
		}},
	} {
		got := tt.dialect.Names(all)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: names %q, want %q", tt.dialect.Name, got, tt.want)
		}
		for i, name := range got {
			if s := tt.dialect.Service(name); s == nil || s.Name != name || !slices.Contains(all, s.Type) {
				t.Errorf("%s: service %d is %+v", tt.dialect.Name, i, s)
			}
			if tt.dialect.Refused(name) != "" {
				t.Errorf("%s: %s is both served and refused", tt.dialect.Name, name)
			}
		}
	}
}

// TestStatelessFunction looks at what an early library calls an action.
func TestStatelessFunction(t *testing.T) {
	s := dialect.Early.Service("cloudstate.function.StatelessFunction")
	if s == nil || s.Type != dialect.Action || !s.Named || s.Unary != "/cloudstate.function.StatelessFunction/handleUnary" {
		t.Errorf("service %+v", s)
	}
	if dialect.Cloudstate.Service("cloudstate.function.StatelessFunction") != nil {
		t.Error("version 0.2 has it too")
	}
}

func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		dialect      *dialect.Dialect
		major, minor int32
		any          bool
		warning, err string
	}{
		{dialect: dialect.Cloudstate, minor: 2},
		{dialect: dialect.Cloudstate, warning: "does not say"},
		{dialect: dialect.Cloudstate, minor: 3, err: "protocol version 0.3 is not supported; supported is 0.2"},
		{dialect: dialect.Cloudstate, minor: 3, any: true, warning: "another"},
		{dialect: dialect.Early, warning: "does not say"},
		{dialect: dialect.Early, minor: 1, warning: "early"},
		{dialect: dialect.Kalix, major: 1},
		{dialect: dialect.Kalix, major: 1, minor: 5},
		{dialect: dialect.Kalix, major: 2, err: "version 2.0 is not supported; supported is 1.0 and later minor versions"},
		{dialect: dialect.Kalix, err: "version 0.0"},
		{dialect: dialect.AkkaServerless, minor: 7},
		{dialect: dialect.AkkaServerless, minor: 10},
		{dialect: dialect.AkkaServerless, minor: 6, err: "supported is 0.7 and later minor versions"},
		{dialect: dialect.AkkaServerless, major: 1, minor: 7, err: "version 1.7"},
	} {
		warning, err := tt.dialect.CheckVersion(&cloudstate.ServiceInfo{ProtocolMajorVersion: tt.major, ProtocolMinorVersion: tt.minor}, tt.any)
		if (warning == "") != (tt.warning == "") || !strings.Contains(warning, tt.warning) {
			t.Errorf("%s %d.%d: warning %q, want %q", tt.dialect.Name, tt.major, tt.minor, warning, tt.warning)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s %d.%d: %v, want %q", tt.dialect.Name, tt.major, tt.minor, err, tt.err)
		}
	}
}

func TestFromEntities(t *testing.T) {
	for _, tt := range []struct {
		info *cloudstate.ServiceInfo
		want *dialect.Dialect
	}{
		{nil, dialect.Cloudstate},
		{&cloudstate.ServiceInfo{}, dialect.Cloudstate},
		{&cloudstate.ServiceInfo{ProtocolMinorVersion: 2, SupportLibraryName: "cloudstate"}, dialect.Cloudstate},
		{&cloudstate.ServiceInfo{ProtocolMajorVersion: 1}, dialect.Cloudstate},
		{&cloudstate.ServiceInfo{SupportLibraryName: "cloudstate", SupportLibraryVersion: "0.0.3"}, dialect.Early},
		{&cloudstate.ServiceInfo{ProtocolMinorVersion: 1}, dialect.Early},
	} {
		if got := dialect.FromEntities(&cloudstate.EntitySpec{ServiceInfo: tt.info}); got.Dialect != tt.want || got.Service == nil {
			t.Errorf("%v: %s, %v, want %s", tt.info, got.Dialect.Name, got.Service, tt.want.Name)
		}
	}
}

func TestFromComponents(t *testing.T) {
	got := dialect.FromComponents(dialect.Kalix, &kalix.Spec{
		Proto:       []byte("p"),
		ServiceInfo: &kalix.ServiceInfo{ServiceName: "shop", ProtocolMajorVersion: 1, ProtocolMinorVersion: 1, SupportLibraryName: "lib"},
		Components: []*kalix.Component{
			{ComponentType: "E", ServiceName: "shop.Cart", ComponentSettings: &kalix.Component_Entity{Entity: &kalix.EntitySettings{
				EntityType: "cart", ForwardHeaders: []string{"a", "b"},
				PassivationStrategy: &kalix.PassivationStrategy{Strategy: &kalix.PassivationStrategy_Timeout{
					Timeout: &kalix.TimeoutPassivationStrategy{Timeout: 7},
				}},
				SpecificSettings: &kalix.EntitySettings_ReplicatedEntity{ReplicatedEntity: &kalix.ReplicatedEntitySettings{
					WriteConsistency: kalix.ReplicatedWriteConsistency_REPLICATED_WRITE_CONSISTENCY_ALL,
				}},
			}}},
			{ComponentType: "A", ServiceName: "shop.Desk", ComponentSettings: &kalix.Component_Component{
				Component: &kalix.GenericComponentSettings{ForwardHeaders: []string{"c"}},
			}},
			{ComponentType: "B", ServiceName: "shop.Bare"},
		},
	})
	want := []dialect.Entity{
		{Type: "E", Service: "shop.Cart", PersistenceID: "cart", Passivation: 7, Headers: []string{"a", "b"}, Consistency: 2},
		{Type: "A", Service: "shop.Desk", Headers: []string{"c"}},
		{Type: "B", Service: "shop.Bare"},
	}
	if !reflect.DeepEqual(got.Entities, want) {
		t.Errorf("entities %+v, want %+v", got.Entities, want)
	}
	if got.Dialect != dialect.Kalix || string(got.Proto) != "p" || got.Service.GetServiceName() != "shop" ||
		got.Service.GetProtocolMajorVersion() != 1 || got.Service.GetSupportLibraryName() != "lib" {
		t.Errorf("%+v", got)
	}
}

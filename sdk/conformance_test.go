// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
)

func TestDiscoveryTellsWhatIsServed(t *testing.T) {
	f := serve(t, models()...)
	spec, err := cloudstate.NewEntityDiscoveryClient(f.conn).Discover(t.Context(), &cloudstate.ProxyInfo{
		ProtocolMinorVersion: 2, ProxyName: "test", SupportedEntityTypes: []string{"cloudstate.eventsourced.EventSourced"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []*cloudstate.Entity{
		{ServiceName: modelService, PersistenceId: "event-sourced-tck-model"},
		{ServiceName: "cloudstate.tck.model.EventSourcedTwo", PersistenceId: "event-sourced-tck-model-two"},
		{
			ServiceName: "cloudstate.tck.model.EventSourcedConfigured", PersistenceId: "event-sourced-configured",
			PassivationStrategy: &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
				Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: 100},
			}},
		},
	}
	for i, e := range spec.GetEntities() {
		want[i].EntityType = "cloudstate.eventsourced.EventSourced"
		if !proto.Equal(e, want[i]) {
			t.Errorf("entity %d is %v, want %v", i, e, want[i])
		}
	}
	if len(spec.GetEntities()) != len(want) {
		t.Errorf("%d entities, want %d", len(spec.GetEntities()), len(want))
	}
	info := spec.GetServiceInfo()
	if info.GetProtocolMajorVersion() != 0 || info.GetProtocolMinorVersion() != 2 || info.GetSupportLibraryName() != "kairn-go" ||
		info.GetSupportLibraryVersion() == "" || info.GetServiceName() == "" || info.GetServiceRuntime() == "" {
		t.Errorf("service info %v", info)
	}
}

func TestTheDescriptorsAreCompleteAndHaveTheirOptions(t *testing.T) {
	f := serve(t, models()...)
	spec, err := cloudstate.NewEntityDiscoveryClient(f.conn).Discover(t.Context(), &cloudstate.ProxyInfo{})
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(spec.GetProto(), set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(set) // refuses a set with a dependency missing
	if err != nil {
		t.Fatal(err)
	}
	d, err := files.FindDescriptorByName("cloudstate.tck.model.Request.id")
	if err != nil {
		t.Fatal(err)
	}
	if key, _ := proto.GetExtension(d.(protoreflect.FieldDescriptor).Options(), cloudstate.E_EntityKey).(bool); !key {
		t.Error("the option entity_key got lost")
	}
}

// The model cases of the conformance suite.
func TestTheModelConforms(t *testing.T) {
	f := serve(t, models()...)
	for name, play := range map[string]func(t *testing.T){
		"initial empty state": func(t *testing.T) {
			w := f.activate(t, "")
			w.command()
			w.want(reply(t, ""))
			w.close()
		},
		"single event": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(emit("A"))
			w.want(with(t, reply(t, "A"), "A", ""))
			w.command()
			w.want(reply(t, "A"))
			w.close()
		},
		"several events": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(emit("A"), emit("B"), emit("C"))
			w.want(with(t, reply(t, "ABC"), "ABC", ""))
			w.command()
			w.want(reply(t, "ABC"))
			w.close()
		},
		"initial snapshot": func(t *testing.T) {
			w := f.activate(t, "ABCDE")
			w.command()
			w.want(reply(t, "ABCDE"))
			w.close()
		},
		"initial snapshot and events": func(t *testing.T) {
			w := f.activate(t, "ABCDE", "F", "G")
			w.command()
			w.want(reply(t, "ABCDEFG"))
			w.close()
		},
		"snapshot counts from the one replayed": func(t *testing.T) {
			w := f.activate(t, "ABCDE", "F", "G")
			w.command(emit("H"), emit("I"))
			w.want(with(t, reply(t, "ABCDEFGHI"), "HI", ""))
			w.command(emit("J"))
			w.want(with(t, reply(t, "ABCDEFGHIJ"), "J", "ABCDEFGHIJ"))
			w.close()
		},
		"a snapshot that is due waits for the next event": func(t *testing.T) {
			w := f.activate(t, "", "A", "B", "C", "D", "E", "F")
			w.command()
			w.want(reply(t, "ABCDEF"))
			w.command(emit("G"))
			w.want(with(t, reply(t, "ABCDEFG"), "G", "ABCDEFG"))
			w.close()
		},
		"forward": func(t *testing.T) {
			w := f.activate(t, "", "A", "B", "C")
			w.command(forward("x"))
			w.want(forwarded(t, "x"))
			w.command()
			w.want(reply(t, "ABC"))
			w.close()
		},
		"forward with events": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(emit("A"), forward("x"))
			w.want(with(t, forwarded(t, "x"), "A", ""))
			w.close()
		},
		"forward with events and a snapshot": func(t *testing.T) {
			w := f.activate(t, "", "A", "B", "C")
			w.command(emit("D"), emit("E"), forward("x"))
			w.want(with(t, forwarded(t, "x"), "DE", "ABCDE"))
			w.close()
		},
		"side effect": func(t *testing.T) {
			w := f.activate(t, "", "A", "B", "C")
			w.command(effect("x", false))
			w.want(withEffects(t, reply(t, "ABC"), false, "x"))
			w.command()
			w.want(reply(t, "ABC"))
			w.close()
		},
		"synchronous side effect": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(effect("x", true))
			w.want(withEffects(t, reply(t, ""), true, "x"))
			w.close()
		},
		"forward and side effect": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(forward("x"), effect("y", false))
			w.want(withEffects(t, forwarded(t, "x"), false, "y"))
			w.close()
		},
		"side effects, events and a snapshot": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(emit("A"), effect("1", false), emit("B"), emit("C"), effect("2", false), emit("D"), emit("E"), effect("3", false))
			w.want(withEffects(t, with(t, reply(t, "ABCDE"), "ABCDE", "ABCDE"), false, "1", "2", "3"))
			w.close()
		},
		"failure, and the stream goes on": func(t *testing.T) {
			w := f.activate(t, "", "A")
			w.command(fail("no"))
			w.want(failed(1, "no", false))
			w.command()
			w.want(reply(t, "A"))
			w.close()
		},
		"failure drops side effects": func(t *testing.T) {
			w := f.activate(t, "")
			w.command(effect("x", false), fail("no"))
			w.want(failed(1, "no", false))
			w.close()
		},
	} {
		t.Run(name, play)
	}
}

func TestSnapshotsComeEveryFiveEvents(t *testing.T) {
	w := serve(t, models()...).activate(t, "")
	text := ""
	for _, tt := range []struct {
		events   string
		snapshot bool
	}{
		{"A", false}, {"B", false}, {"C", false}, {"D", false}, {"E", true}, {"F", false}, {"G", false}, {"H", false},
		{"IJ", true}, {"K", false}, {"", false}, {"LMNO", true},
	} {
		var actions []*tck.RequestAction
		for _, e := range tt.events {
			actions = append(actions, emit(string(e)))
		}
		text += tt.events
		snapshot := ""
		if tt.snapshot {
			snapshot = text
		}
		w.command(actions...)
		w.want(with(t, reply(t, text), tt.events, snapshot))
	}
	w.close()
}

func TestAFailureDropsEventsAndAsksForARestart(t *testing.T) {
	f := serve(t, models()...)
	w := f.activate(t, "")
	w.command(emit("A"), emit("B"), emit("C"))
	w.want(with(t, reply(t, "ABC"), "ABC", ""))
	w.command(emit("4"), emit("5"), effect("x", false), fail("failure 1"))
	w.want(failed(2, "failure 1", true))
	w.close()

	w = f.activate(t, "", "A", "B", "C")
	w.command(emit("D"))
	w.want(with(t, reply(t, "ABCD"), "D", ""))
	w.command(emit("6"), fail("failure 2"), emit("7"))
	w.want(failed(2, "failure 2", true))
	w.close()

	w = f.activate(t, "", "A", "B", "C", "D")
	w.command(emit("E"))
	w.want(with(t, reply(t, "ABCDE"), "E", "ABCDE"))
	w.close()
}

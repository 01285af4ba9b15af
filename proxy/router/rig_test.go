// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
)

// The services of the tests.
const (
	one = "cloudstate.tck.model.EventSourcedTckModel" // method Process
	two = "cloudstate.tck.model.EventSourcedTwo"      // method Call
)

func catalogue(t testing.TB) *route.Catalogue {
	t.Helper()
	file := protodesc.ToFileDescriptorProto(tck.File_cloudstate_tck_model_eventsourced_eventsourced_proto)
	for _, s := range file.GetService() {
		if s.GetName() == "EventSourcedConfigured" { // replies with another type
			s.Method[0].OutputType = proto.String("." + string(new(emptypb.Empty).ProtoReflect().Descriptor().FullName()))
		}
	}
	file.Dependency = append(file.Dependency, "google/protobuf/empty.proto")
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	spec := &cloudstate.EntitySpec{Proto: set}
	for _, s := range []string{one, two, other} {
		spec.Entities = append(spec.Entities, &cloudstate.Entity{
			EntityType: route.EventSourced, ServiceName: s, PersistenceId: "p",
		})
	}
	c, err := route.Parse(spec, []string{route.EventSourced})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// other is a service whose method Call replies with another type.
const other = "cloudstate.tck.model.EventSourcedConfigured"

// Entities that do what a test says. A command is answered at once, unless its
// instance is in later.
type entities struct {
	mu     sync.Mutex // protects what follows
	answer map[string]entity.Outcome
	later  map[string]bool
	writes map[string]bool // instances whose commands store something
	got    []string        // instances, in the order in which commands came
	calls  map[string]entity.Call
	open   map[string]*instance.Command
}

func (es *entities) Submit(_ *route.Entity, id string, cmd *instance.Command) {
	es.mu.Lock()
	es.got = append(es.got, id)
	es.calls[id] = cmd.Call
	o, ok := es.answer[id]
	if !ok {
		o = entity.Outcome{Reply: reply(id)}
	}
	if es.later[id] {
		es.open[id] = cmd
		es.mu.Unlock()
		return
	}
	if es.writes[id] {
		cmd.Write.Events = []entity.Event{{Seq: 1}}
	}
	es.mu.Unlock()
	cmd.Done(o)
}

// finish answers a command that waits.
func (es *entities) finish(id string) {
	es.mu.Lock()
	cmd := es.open[id]
	es.mu.Unlock()
	cmd.Done(entity.Outcome{Reply: reply(id)})
}

func (es *entities) order() string { return strings.Join(es.got, " ") }

func reply(text string) entity.Payload {
	return entity.Payload{TypeURL: "type.googleapis.com/cloudstate.tck.model.Response", Value: []byte(text)}
}

func request(id string) []byte {
	b, err := proto.Marshal(&tck.Request{Id: id})
	if err != nil {
		panic(err)
	}
	return b
}

func target(service, id string) entity.Target {
	command := "Call"
	if service == one {
		command = "Process"
	}
	return entity.Target{Service: service, Command: command, Payload: entity.Payload{Value: request(id)}}
}

func forward(service, id string) entity.Outcome {
	t := target(service, id)
	return entity.Outcome{Forward: &t}
}

func async(id string) entity.Effect { return entity.Effect{Target: target(two, id)} }

func synchronous(id string) entity.Effect {
	return entity.Effect{Target: target(two, id), Synchronous: true}
}

type rig struct {
	*entities
	t       *testing.T
	served  *route.Catalogue
	router  *router.Router
	reports []string
	stats   router.Stats
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, served: catalogue(t), entities: &entities{
		answer: map[string]entity.Outcome{}, later: map[string]bool{}, writes: map[string]bool{},
		calls: map[string]entity.Call{}, open: map[string]*instance.Command{},
	}}
	r.router = router.New(slog.New(slog.DiscardHandler), router.Config{
		Catalogue:  func() (*route.Catalogue, error) { return r.served, nil },
		Entities:   r.entities,
		Report:     func(s string) { r.reports = append(r.reports, s) },
		EffectTime: time.Minute,
		MaxDepth:   8,
		Stats:      &r.stats,
	})
	return r
}

// call calls the instance id of service one. The answer is nil while there is
// none.
func (r *rig) call(id string, change ...func(*entity.Call)) func() *entity.Answer {
	c := entity.Call{Service: one, Command: "Process", Payload: request(id)}
	for _, f := range change {
		f(&c)
	}
	var answers []entity.Answer
	r.router.Submit(c, func(a entity.Answer) { answers = append(answers, a) })
	return func() *entity.Answer {
		switch len(answers) {
		case 0:
			return nil
		case 1:
			return &answers[0]
		}
		r.t.Fatalf("%d answers", len(answers))
		return nil
	}
}

// want checks that the answer is text, and which instances were called.
func (r *rig) want(a *entity.Answer, text, order string) {
	r.t.Helper()
	if a == nil || a.Err != nil || string(a.Payload) != text {
		r.t.Errorf("answer %+v, want %s", a, text)
	}
	if r.order() != order {
		r.t.Errorf("called %q, want %q", r.order(), order)
	}
}

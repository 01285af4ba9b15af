// SPDX-License-Identifier: Apache-2.0

// Package dialect knows how the generations of the protocol differ. It only
// computes.
//
// There have been four. The first two are Cloudstate's; then the protocol went
// on as Akka Serverless, and as Kalix. What they have in common is nearly
// everything: most messages are the same bytes, under other names. A [Dialect]
// is what is not, told as data: where a function is discovered, what its
// entity types are called, and the few things that are said in another way. The
// rest of the proxy asks the [Service] of an entity, and knows no generations.
//
// What an older generation lacks is simply not sent or read: a later field is
// skipped by whoever doesn't know it, and numbers were never used again.
package dialect

import "slices"

// The entity types, as Cloudstate 0.2 names them: the full names of the services
// that a function implements to serve them. The other generations' are turned
// into these.
const (
	Action       = "cloudstate.action.ActionProtocol"
	ValueEntity  = "cloudstate.valueentity.ValueEntity"
	EventSourced = "cloudstate.eventsourced.EventSourced"
	CRDT         = "cloudstate.crdt.Crdt"
)

// A Dialect is how the functions of one generation of libraries speak.
type Dialect struct {
	Name    string // for people
	Major   int32  // the version that the proxy says it speaks
	Minor   int32
	Methods Methods

	// Components says that a function answers discover with components, as a
	// kalix.protocol.Spec, and not with entities. It may be probed first, and
	// its own options are in messages of number 1080.
	Components bool

	services []*Service
	refused  map[string]string // what else there is, by entity type, for people
}

// Methods are the paths of the methods by which a function is discovered. There
// may be none for the last two.
type Methods struct {
	Discover, ReportError, HealthCheck, ProxyTerminated string
}

// A Service is a gRPC service of the protocol: what a function implements to
// serve all its entities of one type.
type Service struct {
	Type string // the entity type
	Name string // full name of the service, which is this dialect's name of the type

	// Handle is the path of the method whose streams belong to instances; the
	// others are those of actions, by what is streamed.
	Handle                                   string
	Unary, StreamedIn, StreamedOut, Streamed string

	// Named says that each message of a streamed request to an action has the
	// names of service and method with its payload, and none has metadata. In
	// other dialects the first has names and metadata alone, and the others
	// have only a payload.
	Named bool

	// RepliesOnly says of CRDT entities that there are no streamed commands, so that
	// a function has nothing to say but replies and failures.
	RepliesOnly bool
}

// Dialects are all there are, in the order in which a function is asked. That
// of Cloudstate comes first: functions of that generation are not to be
// disturbed by questions that they don't know.
var Dialects = []*Dialect{Cloudstate, Kalix, AkkaServerless}

// Cloudstate is version 0.2 of the protocol.
var Cloudstate = &Dialect{
	Name: "Cloudstate", Major: 0, Minor: 2,
	Methods: Methods{
		Discover:    "/cloudstate.EntityDiscovery/discover",
		ReportError: "/cloudstate.EntityDiscovery/reportError",
	},
	services: []*Service{
		actions(Action, "h"),
		entities(EventSourced, EventSourced, "h"),
		entities(ValueEntity, ValueEntity, "h"),
		entities(CRDT, CRDT, "h"),
	},
}

// Early is Cloudstate before version 0.2, whose libraries say 0.1 or nothing at
// all.
var Early = &Dialect{
	Name: "Cloudstate before 0.2", Major: 0, Minor: 2,
	Methods: Cloudstate.Methods,
	services: []*Service{
		stateless("cloudstate.function.StatelessFunction"),
		actions(Action, "h"),
		entities(EventSourced, EventSourced, "h"),
		entities(ValueEntity, ValueEntity, "h"),
	},
	refused: map[string]string{
		CRDT: "a CRDT entity of a protocol before 0.2, which has other messages for these; a library of version 0.2 has those that are served",
	},
}

// AkkaServerless is the first generation after Cloudstate.
var AkkaServerless = &Dialect{
	Name: "Akka Serverless", Major: 0, Minor: 7,
	Methods:    methods("akkaserverless.protocol.Discovery"),
	Components: true,
	services: []*Service{
		actions("akkaserverless.component.action.Actions", "H"),
		entities(EventSourced, "akkaserverless.component.eventsourcedentity.EventSourcedEntities", "H"),
		entities(ValueEntity, "akkaserverless.component.valueentity.ValueEntities", "H"),
		replicated("akkaserverless.component.replicatedentity.ReplicatedEntities"),
	},
	refused: map[string]string{
		"akkaserverless.component.view.Views": view,
	},
}

// Kalix is the second one, and the last.
var Kalix = &Dialect{
	Name: "Kalix", Major: 1, Minor: 1,
	Methods:    methods("kalix.protocol.Discovery"),
	Components: true,
	services: []*Service{
		actions("kalix.component.action.Actions", "H"),
		entities(EventSourced, "kalix.component.eventsourcedentity.EventSourcedEntities", "H"),
		entities(ValueEntity, "kalix.component.valueentity.ValueEntities", "H"),
	},
	refused: map[string]string{
		"kalix.component.view.Views":                          view,
		"kalix.component.workflow.WorkflowEntities":           "a workflow",
		"kalix.component.replicatedentity.ReplicatedEntities": "a replicated entity of Kalix, whose data types are not those of Cloudstate",
	},
}

const view = "a view, which queries what other components have stored"

func methods(service string) Methods {
	s := "/" + service + "/"
	return Methods{
		Discover: s + "Discover", ReportError: s + "ReportError",
		HealthCheck: s + "HealthCheck", ProxyTerminated: s + "ProxyTerminated",
	}
}

// entities makes the Service of a type with instances. The names of methods
// begin with h.
func entities(typ, name, h string) *Service {
	return &Service{Type: typ, Name: name, Handle: "/" + name + "/" + h + "andle"}
}

func replicated(name string) *Service {
	s := entities(CRDT, name, "H")
	s.RepliesOnly = true
	return s
}

func actions(name, h string) *Service {
	p := "/" + name + "/" + h + "andle"
	return &Service{
		Type: Action, Name: name,
		Unary: p + "Unary", StreamedIn: p + "StreamedIn", StreamedOut: p + "StreamedOut", Streamed: p + "Streamed",
	}
}

func stateless(name string) *Service {
	s := actions(name, "h")
	s.Named = true
	return s
}

// Service returns the service that this dialect calls name, or nil.
func (d *Dialect) Service(name string) *Service {
	i := slices.IndexFunc(d.services, func(s *Service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return d.services[i]
}

// Of returns the service for entities of a type. It is nil if there is none.
func (d *Dialect) Of(typ string) *Service {
	i := slices.IndexFunc(d.services, func(s *Service) bool { return s.Type == typ })
	if i < 0 {
		return nil
	}
	return d.services[i]
}

// Refused says what this dialect means by name, for people, if it is something
// that no proxy of ours serves; else "".
func (d *Dialect) Refused(name string) string { return d.refused[name] }

// Names returns what this dialect calls the entity types types, in order,
// without those that it doesn't have.
func (d *Dialect) Names(types []string) []string {
	var names []string
	for _, t := range types {
		if s := d.Of(t); s != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

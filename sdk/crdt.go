// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

const crdtType = "cloudstate.crdt.Crdt"

// CRDT describes an entity whose state is replicated: each proxy may have an
// instance with the same id, which is used without asking the others and soon
// agrees with them. S is the type of the state: a pointer to a type that
// implements the server interface generated for the service.
type CRDT[S any] struct {
	// Service is the generated description of the entity's gRPC service, such as
	// &chat.Rooms_ServiceDesc. Its methods have one request, which has a field
	// with the option cloudstate.entity_key, and one reply or many.
	Service *grpc.ServiceDesc

	// New returns the state of an instance of which nobody has done anything yet.
	New func(id string) S

	// Data returns what of a new state is replicated, most often a field of it.
	// It is called once for each state.
	Data func(state S) Data

	// PassivateAfter is after how long without a command the proxy gives up an
	// instance's stream and state; the proxy's default if zero.
	PassivateAfter time.Duration
}

func (e CRDT[S]) register(s *Server) []error {
	if e.Service == nil {
		return []error{fmt.Errorf("CRDT of %v: Service is missing", reflect.TypeFor[S]())}
	}
	errs := checkInstances[S](e.Service, e.New, e.PassivateAfter)
	if e.Data == nil {
		errs = append(errs, errors.New("Data is missing"))
	}
	methods, more := methodsOf(e.Service, needsKey)
	for _, d := range e.Service.Streams {
		if d.ClientStreams {
			more = append(more, fmt.Errorf("the commands of a CRDT have one request, %s has many", d.StreamName))
		}
	}
	entity := &crdt{name: e.Service.ServiceName, methods: methods}
	if e.New != nil && e.Data != nil {
		entity.create = func(id string) (any, Data) {
			state := e.New(id)
			return state, e.Data(state)
		}
	}
	s.crdts[entity.name] = entity
	return s.add(append(errs, more...), kind{
		entityType:    crdtType,
		service:       entity.name,
		persistenceID: entity.name,
		passivation:   e.PassivateAfter,
	})
}

// A crdt is a [CRDT] that has been checked, without its type parameter.
type crdt struct {
	name    string
	methods map[string]*method
	create  func(id string) (state any, data Data)
}

// A crdtService is the protocol's service for CRDTs.
type crdtService struct {
	cloudstate.UnimplementedCrdtServer
	log      *slog.Logger
	entities map[string]*crdt
	gate     *gate
}

// Handle serves one activation of one instance. It ends when the proxy has ended
// its side, or when the instance can't go on.
func (s *crdtService) Handle(stream grpc.BidiStreamingServer[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]) error {
	r := &replica{activation: activation{log: s.log, gate: s.gate}, entities: s.entities}
	r.begin(stream.Context())
	return converse(&r.activation, batched{stream}, r.take, func(f *cloudstate.Failure) *batch {
		return &batch{{Message: &cloudstate.CrdtStreamOut_Failure{Failure: f}}}
	})
}

// A batch is all that one message of the proxy leads to: a reply, and what is
// sent in streamed commands because of it.
type batch []*cloudstate.CrdtStreamOut

// batched sends batches.
type batched struct {
	grpc.BidiStreamingServer[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]
}

func (s batched) Send(b *batch) error {
	for _, m := range *b {
		if err := s.BidiStreamingServer.Send(m); err != nil {
			return err
		}
	}
	return nil
}

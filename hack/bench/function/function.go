// SPDX-License-Identifier: Apache-2.0

// Package function is the user function of the benchmark, as small and fast as
// the generated code allows, and the same service without a proxy before it.
//
// Do answers each command with a reply of 100 bytes and stores one event of
// 100 bytes, or a state of 100 bytes as a value entity, or adds one to a replicated
// counter; Get answers and stores nothing. As an action there is nothing to store,
// and Talk answers each message of a stream. There is no state to take in, so what is replayed is passed over.
package function

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// passivation is longer than any measurement, so that active stays active.
const passivation = 24 * 60 * 60 * 1000 // milliseconds

// content makes a message of 100 bytes: two more for the field's head.
var content = bytes.Repeat([]byte{'x'}, 98)

// Register has the server s serve the user function. What the proxy reports
// with reportError goes to problem.
func Register(s grpc.ServiceRegistrar, problem func(message string)) error {
	spec, err := spec()
	if err != nil {
		return err
	}
	reply, err := anypb.New(&benchpb.Reply{Payload: content})
	if err != nil {
		return err
	}
	event, err := anypb.New(&benchpb.Event{Payload: content})
	if err != nil {
		return err
	}
	cloudstate.RegisterEntityDiscoveryServer(s, &discovery{spec: spec, problem: problem})
	cloudstate.RegisterEventSourcedServer(s, &entity{reply: reply, event: event})
	cloudstate.RegisterValueEntityServer(s, &value{reply: reply, state: event})
	cloudstate.RegisterActionProtocolServer(s, newAction(reply))
	cloudstate.RegisterCrdtServer(s, &counter{reply: reply})
	benchpb.RegisterActionsServer(s, DirectActions{}) // for a proxy that only passes calls on
	return nil
}

type discovery struct {
	cloudstate.UnimplementedEntityDiscoveryServer
	spec    *cloudstate.EntitySpec
	problem func(string)
}

func (d *discovery) Discover(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	return d.spec, nil
}

func (d *discovery) ReportError(_ context.Context, e *cloudstate.UserFunctionError) (*emptypb.Empty, error) {
	d.problem(e.GetMessage())
	return &emptypb.Empty{}, nil
}

func spec() (*cloudstate.EntitySpec, error) {
	set, err := proto.Marshal(withDependencies(benchpb.File_hack_bench_benchpb_bench_proto))
	if err != nil {
		return nil, fmt.Errorf("descriptors: %w", err)
	}
	return &cloudstate.EntitySpec{
		Proto: set,
		Entities: []*cloudstate.Entity{
			declared(&cloudstate.EventSourced_ServiceDesc, &benchpb.Bench_ServiceDesc),
			declared(&cloudstate.ValueEntity_ServiceDesc, &benchpb.Values_ServiceDesc),
			declared(&cloudstate.ActionProtocol_ServiceDesc, &benchpb.Actions_ServiceDesc),
			declared(&cloudstate.Crdt_ServiceDesc, &benchpb.Counters_ServiceDesc),
		},
		ServiceInfo: &cloudstate.ServiceInfo{
			ServiceName:          "bench",
			SupportLibraryName:   "none",
			ProtocolMajorVersion: 0,
			ProtocolMinorVersion: 2,
		},
	}, nil
}

func declared(protocol, service *grpc.ServiceDesc) *cloudstate.Entity {
	return &cloudstate.Entity{
		EntityType:    protocol.ServiceName,
		ServiceName:   service.ServiceName,
		PersistenceId: "bench",
		PassivationStrategy: &cloudstate.EntityPassivationStrategy{
			Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
				Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: passivation},
			},
		},
	}
}

func withDependencies(file protoreflect.FileDescriptor) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(file)
	return set
}

// Direct is the service without a proxy: what gRPC alone costs.
type Direct struct {
	benchpb.UnimplementedBenchServer
}

// Do answers with 100 bytes.
func (Direct) Do(context.Context, *benchpb.Request) (*benchpb.Reply, error) {
	return &benchpb.Reply{Payload: content}, nil
}

// Get answers with 100 bytes.
func (Direct) Get(context.Context, *benchpb.Request) (*benchpb.Reply, error) {
	return &benchpb.Reply{Payload: content}, nil
}

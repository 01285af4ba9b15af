// SPDX-License-Identifier: Apache-2.0

// Package discovery has the cases about how a proxy introduces itself to a
// function, and how it shows the function's services to its clients.
package discovery

import (
	"slices"
	"strings"

	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/tck/suite"
)

// Cases returns the cases.
func Cases() []suite.Case {
	const section = "Discovery and reflection: proxy"
	return []suite.Case{
		{Number: "1", Section: section, Name: "verify proxy info and entity discovery", Kind: suite.Proxy, Run: discovered},
		{Number: "2", Section: section, Name: "verify that the proxy supports server reflection", Kind: suite.Proxy, Run: reflected},
	}
}

func discovered(t *suite.T) {
	if major, minor := t.Info.GetProtocolMajorVersion(), t.Info.GetProtocolMinorVersion(); major != 0 || minor != 2 {
		t.Fatalf("the proxy speaks version %d.%d of the protocol, not 0.2", major, minor)
	}
	if got := slices.Sorted(slices.Values(t.Info.GetSupportedEntityTypes())); !slices.Equal(got, suite.EntityTypes()) {
		t.Fatalf("the proxy supports\n    %s\nand should support exactly\n    %s",
			strings.Join(got, "\n    "), strings.Join(suite.EntityTypes(), "\n    "))
	}
	have, err := services(t.Spec.GetProto())
	if err != nil {
		t.Fatalf("the function's descriptors: %v", err)
	}
	if len(t.Spec.GetEntities()) == 0 {
		t.Fatalf("the function has no entities")
	}
	for _, e := range t.Spec.GetEntities() {
		if !slices.Contains(have, e.GetServiceName()) {
			t.Fatalf("the function's descriptors do not have its entity %s", e.GetServiceName())
		}
	}
}

// services returns the full names of the services in a descriptor set.
func services(set []byte) ([]string, error) {
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(set, &files); err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files.GetFile() {
		for _, s := range f.GetService() {
			names = append(names, strings.TrimPrefix(f.GetPackage()+"."+s.GetName(), "."))
		}
	}
	return names, nil
}

const host = "tck.example"

func reflected(t *suite.T) {
	r := newReflection(t)
	for _, text := range []string{"", "nonsense.blah.Blah"} {
		list := &reflectionpb.ListServiceResponse{
			Service: []*reflectionpb.ServiceResponse{{Name: "grpc.reflection.v1alpha.ServerReflection"}},
		}
		for _, name := range entities(t) {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		r.asks(&reflectionpb.ServerReflectionRequest{Host: host,
			MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: text},
		}, &reflectionpb.ServerReflectionResponse{
			MessageResponse: &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list},
		})
	}
	r.asks(&reflectionpb.ServerReflectionRequest{Host: host,
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "nonsense.blah.Blah"},
	}, &reflectionpb.ServerReflectionResponse{
		MessageResponse: &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
			FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{},
		},
	})
	r.Close()
}

func entities(t *suite.T) []string {
	var names []string
	for _, e := range t.Spec.GetEntities() {
		names = append(names, e.GetServiceName())
	}
	slices.Sort(names)
	return names
}

// reflectionMethod is of the version that the reference has. Its messages are
// those of v1 on the wire.
const reflectionMethod = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

type reflection struct {
	*suite.Stream[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]
}

func newReflection(t *suite.T) reflection {
	return reflection{suite.OpenMethod[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse](t, t.Proxy, reflectionMethod)}
}

// asks sends a request and expects that answer, with the request in it.
func (r reflection) asks(request *reflectionpb.ServerReflectionRequest, want *reflectionpb.ServerReflectionResponse) {
	want.ValidHost, want.OriginalRequest = host, request
	r.Send(request)
	r.Expect(want)
}

// SPDX-License-Identifier: Apache-2.0

package reflection

import (
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const (
	v1      = "grpc.reflection.v1.ServerReflection"
	v1alpha = "grpc.reflection.v1alpha.ServerReflection"
)

// A Schema returns what there is to reflect: the full names of the services and
// the files with their descriptors, or the reason why there is nothing yet.
type Schema func() (services []string, files *protoregistry.Files, err error)

// Register adds both versions to server. Their streams end when stopping is
// closed.
func Register(server grpc.ServiceRegistrar, schema Schema, stopping <-chan struct{}) {
	for _, version := range []string{v1, v1alpha} {
		r := &reflector{version: version, schema: schema, stopping: stopping}
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: version,
			HandlerType: (*any)(nil),
			Streams: []grpc.StreamDesc{{
				StreamName:    "ServerReflectionInfo",
				Handler:       r.serve,
				ServerStreams: true,
				ClientStreams: true,
			}},
		}, nil)
	}
}

// A reflector serves one version.
type reflector struct {
	version  string
	schema   Schema
	stopping <-chan struct{}
}

// serve answers the requests of one stream in their order.
func (r *reflector) serve(_ any, stream grpc.ServerStream) error {
	for {
		req, err := r.receive(stream)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(r.answer(req)); err != nil {
			return err
		}
	}
}

// receive returns the next request, or an error when the server stops.
func (r *reflector) receive(stream grpc.ServerStream) (*reflectionpb.ServerReflectionRequest, error) {
	req := new(reflectionpb.ServerReflectionRequest)
	received := make(chan error, 1)
	go func() { received <- stream.RecvMsg(req) }() // ends with the stream at the latest
	select {
	case err := <-received:
		return req, err
	case <-r.stopping:
		return nil, status.Error(codes.Unavailable, "the proxy is stopping")
	}
}

// answer returns the response to one request.
func (r *reflector) answer(req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	resp := &reflectionpb.ServerReflectionResponse{ValidHost: req.GetHost(), OriginalRequest: req}
	services, files, err := r.schema()
	if err != nil {
		return failed(resp, codes.Unavailable, err.Error())
	}
	switch q := req.GetMessageRequest().(type) {
	case *reflectionpb.ServerReflectionRequest_ListServices:
		return r.list(resp, services)
	case *reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType:
		return r.extensionNumbers(resp, set{files}, q.AllExtensionNumbersOfType)
	case nil:
		return failed(resp, codes.InvalidArgument, "the request asks for nothing that is known here")
	default:
		return r.files(resp, set{files}, req)
	}
}

func (r *reflector) list(resp *reflectionpb.ServerReflectionResponse, services []string) *reflectionpb.ServerReflectionResponse {
	names := slices.Sorted(slices.Values(services))
	list := &reflectionpb.ListServiceResponse{}
	for _, name := range append([]string{r.version}, names...) {
		list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
	}
	resp.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
	return resp
}

func (r *reflector) files(resp *reflectionpb.ServerReflectionResponse, s set, req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	files, err := encode(s.find(req))
	switch {
	case err != nil:
		return failed(resp, codes.Internal, err.Error())
	case files == nil && r.version == v1:
		return failed(resp, codes.NotFound, "not found")
	}
	resp.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: files},
	}
	return resp
}

func (r *reflector) extensionNumbers(resp *reflectionpb.ServerReflectionResponse, s set, name string) *reflectionpb.ServerReflectionResponse {
	numbers, ok := s.extensionNumbers(name)
	if !ok && r.version == v1 {
		return failed(resp, codes.NotFound, "not found")
	}
	resp.MessageResponse = &reflectionpb.ServerReflectionResponse_AllExtensionNumbersResponse{
		AllExtensionNumbersResponse: &reflectionpb.ExtensionNumberResponse{BaseTypeName: name, ExtensionNumber: numbers},
	}
	return resp
}

// failed makes resp an error.
func failed(resp *reflectionpb.ServerReflectionResponse, code codes.Code, text string) *reflectionpb.ServerReflectionResponse {
	resp.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(code), ErrorMessage: text},
	}
	return resp
}

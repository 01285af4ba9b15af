// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// typeURL returns the type URL of the message with that full name.
func typeURL(name string) string { return "type.googleapis.com/" + name }

// typeName returns the full name of the message with that type URL.
func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// nameOf returns the full name of the type of m.
func nameOf(m proto.Message) string { return string(m.ProtoReflect().Descriptor().FullName()) }

// A method is a command of an entity.
type method struct {
	name     string
	replyURL string // type URL of its replies

	// One of these handles it.
	call   grpc.MethodHandler
	stream *grpc.StreamDesc
}

// streams reports whether the method is anything but unary.
func (m *method) streams() bool { return m.stream != nil }

func (m *method) streamsIn() bool  { return m.stream != nil && m.stream.ClientStreams }
func (m *method) streamsOut() bool { return m.stream != nil && m.stream.ServerStreams }

// reply returns the full name of the method's reply.
func (m *method) reply() protoreflect.FullName { return protoreflect.FullName(typeName(m.replyURL)) }

// methodsOf returns the methods of a service by name, and says what stands
// against their being commands. Each request is given to check.
func methodsOf(service *grpc.ServiceDesc, check func(command string, request protoreflect.MessageDescriptor) error) (map[string]*method, []error) {
	desc, err := findService(service.ServiceName)
	if err != nil {
		return nil, []error{err}
	}
	methods := map[string]*method{}
	var errs []error
	add := func(m *method) {
		md := desc.Methods().ByName(protoreflect.Name(m.name))
		if md == nil {
			errs = append(errs, fmt.Errorf("method %s is not in %s", m.name, desc.ParentFile().Path()))
			return
		}
		errs = append(errs, compact(check(m.name, md.Input()))...)
		m.replyURL = typeURL(string(md.Output().FullName()))
		methods[m.name] = m
	}
	for _, m := range service.Methods {
		add(&method{name: m.MethodName, call: m.Handler})
	}
	for i := range service.Streams {
		add(&method{name: service.Streams[i].StreamName, stream: &service.Streams[i]})
	}
	return methods, errs
}

// commandsOf returns the methods of a service with state, whose requests need
// keys.
func commandsOf(service *grpc.ServiceDesc) (map[string]*method, []error) {
	unary := *service
	unary.Streams = nil // checked elsewhere
	return methodsOf(&unary, needsKey)
}

// needsKey says that a request has no key, if it hasn't.
func needsKey(command string, request protoreflect.MessageDescriptor) error {
	if hasKey(request) {
		return nil
	}
	return fmt.Errorf("%s, the request of %s, has no field with the option (cloudstate.entity_key) = true", request.FullName(), command)
}

func findService(name string) (protoreflect.ServiceDescriptor, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("the generated code of its .proto file is not linked: %w", err)
	}
	desc, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", name)
	}
	return desc, nil
}

// hasKey reports whether the message has a field that is an entity key.
func hasKey(m protoreflect.MessageDescriptor) bool {
	for i := range m.Fields().Len() {
		opts := m.Fields().Get(i).Options()
		for _, key := range []protoreflect.ExtensionType{cloudstate.E_EntityKey, cloudstate.E_LegacyEntityKey} {
			if is, _ := proto.GetExtension(opts, key).(bool); is {
				return true
			}
		}
	}
	return false
}

// A target is a command somewhere, of this function or of another one.
type target struct {
	service, command string
}

// targetOf takes a full method name apart and, where the target's descriptor
// is linked, checks that in is its request and, unless empty, out its reply.
func targetOf(fullMethod string, in proto.Message, out protoreflect.FullName) (target, error) {
	service, command, ok := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if !ok || service == "" || command == "" {
		return target{}, fmt.Errorf("%q is not a full method name such as /shop.ShoppingCart/AddItem", fullMethod)
	}
	if in == nil || !in.ProtoReflect().IsValid() {
		return target{}, fmt.Errorf("the request to %s is nil", fullMethod)
	}
	t := target{service: service, command: command}
	if desc, err := findService(service); err == nil { // else it is another function's, and the proxy knows
		return t, t.check(desc, in, out)
	}
	return t, nil
}

func (t target) check(desc protoreflect.ServiceDescriptor, in proto.Message, out protoreflect.FullName) error {
	md := desc.Methods().ByName(protoreflect.Name(t.command))
	switch {
	case md == nil:
		return fmt.Errorf("%s has no method %s", t.service, t.command)
	case nameOf(in) != string(md.Input().FullName()):
		return fmt.Errorf("%s takes a %s, not a %s", md.FullName(), md.Input().FullName(), nameOf(in))
	case out != "" && out != md.Output().FullName():
		return fmt.Errorf("%s answers with a %s, not with a %s", md.FullName(), md.Output().FullName(), out)
	}
	return nil
}

// descriptorSet encodes the files of the services and all that they import,
// imports first.
func descriptorSet(services []string) ([]byte, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor) error
	add = func(fd protoreflect.FileDescriptor) error {
		if seen[fd.Path()] {
			return nil
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			imp := fd.Imports().Get(i)
			if imp.IsPlaceholder() {
				return fmt.Errorf("the generated code of %s, which %s imports, is not linked", imp.Path(), fd.Path())
			}
			if err := add(imp.FileDescriptor); err != nil {
				return err
			}
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
		return nil
	}
	for _, name := range services {
		desc, err := findService(name)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", name, err)
		}
		if err := add(desc.ParentFile()); err != nil {
			return nil, fmt.Errorf("service %s: %w", name, err)
		}
	}
	return proto.Marshal(set)
}

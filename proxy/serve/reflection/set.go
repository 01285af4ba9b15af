// SPDX-License-Identifier: Apache-2.0

package reflection

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	// The tools that know only v1alpha describe it too.
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A set is the files of the user function and behind them our own.
type set struct {
	theirs *protoregistry.Files
}

// find returns the file that a request asks for, nil if there's none.
func (s set) find(req *reflectionpb.ServerReflectionRequest) protoreflect.FileDescriptor {
	switch q := req.GetMessageRequest().(type) {
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		return s.fileNamed(q.FileByFilename)
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		if d := s.symbol(q.FileContainingSymbol); d != nil {
			return d.ParentFile()
		}
	case *reflectionpb.ServerReflectionRequest_FileContainingExtension:
		of, number := fullName(q.FileContainingExtension.GetContainingType()), q.FileContainingExtension.GetExtensionNumber()
		for x := range s.extensions() {
			if x.ContainingMessage().FullName() == of && x.Number() == protoreflect.FieldNumber(number) {
				return x.ParentFile()
			}
		}
	}
	return nil
}

// extensionNumbers returns the numbers of all extensions of a message, sorted,
// and false if there is no such message.
func (s set) extensionNumbers(message string) (numbers []int32, ok bool) {
	if _, ok := s.symbol(message).(protoreflect.MessageDescriptor); !ok {
		return nil, false
	}
	for x := range s.extensions() {
		if x.ContainingMessage().FullName() == fullName(message) {
			numbers = append(numbers, int32(x.Number()))
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), true
}

func (s set) fileNamed(name string) protoreflect.FileDescriptor {
	if f, err := s.theirs.FindFileByPath(name); err == nil {
		return f
	}
	for _, f := range ours() {
		if f.Path() == name {
			return f
		}
	}
	return nil
}

func (s set) symbol(name string) protoreflect.Descriptor {
	if d, err := s.theirs.FindDescriptorByName(fullName(name)); err == nil {
		return d
	}
	for _, f := range ours() {
		if fullName(name).Parent() == f.Package() {
			return topLevel(f, fullName(name).Name())
		}
	}
	return nil
}

// topLevel returns a service or message of f, nil if there's no such thing.
func topLevel(f protoreflect.FileDescriptor, name protoreflect.Name) protoreflect.Descriptor {
	if d := f.Services().ByName(name); d != nil {
		return d
	}
	if d := f.Messages().ByName(name); d != nil {
		return d
	}
	return nil
}

// ours returns the files of the services that are the proxy's own. They can be
// asked for, though not all of them are listed.
func ours() []protoreflect.FileDescriptor {
	return []protoreflect.FileDescriptor{
		reflectionpb.File_grpc_reflection_v1_reflection_proto,
		alphapb.File_grpc_reflection_v1alpha_reflection_proto,
		healthpb.File_grpc_health_v1_health_proto,
	}
}

// fullName understands the leading dot that some tools write.
func fullName(s string) protoreflect.FullName {
	return protoreflect.FullName(strings.TrimPrefix(s, "."))
}

// container is what extensions can be declared in.
type container interface {
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
}

// extensions yields every extension of every file of the user function.
func (s set) extensions() iter.Seq[protoreflect.ExtensionDescriptor] {
	return func(yield func(protoreflect.ExtensionDescriptor) bool) {
		s.theirs.RangeFiles(func(f protoreflect.FileDescriptor) bool {
			return eachExtension(f, yield)
		})
	}
}

// eachExtension yields the extensions declared in c, and returns false when
// yield has.
func eachExtension(c container, yield func(protoreflect.ExtensionDescriptor) bool) bool {
	for i := range c.Extensions().Len() {
		if !yield(c.Extensions().Get(i)) {
			return false
		}
	}
	for i := range c.Messages().Len() {
		if !eachExtension(c.Messages().Get(i), yield) {
			return false
		}
	}
	return true
}

// encode returns f and all that it imports, f first; nil for nil.
func encode(f protoreflect.FileDescriptor) ([][]byte, error) {
	if f == nil {
		return nil, nil
	}
	seen := map[string]bool{f.Path(): true}
	var encoded [][]byte
	for queue := []protoreflect.FileDescriptor{f}; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		b, err := proto.Marshal(protodesc.ToFileDescriptorProto(next))
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", next.Path(), err)
		}
		encoded = append(encoded, b)
		for i := range next.Imports().Len() {
			imported := next.Imports().Get(i).FileDescriptor
			if imported.IsPlaceholder() || seen[imported.Path()] {
				continue
			}
			seen[imported.Path()] = true
			queue = append(queue, imported)
		}
	}
	return encoded, nil
}

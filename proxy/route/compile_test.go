// SPDX-License-Identifier: Apache-2.0

package route

import (
	"maps"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// all are the entity types of the protocol.
var all = []string{Action, ValueEntity, EventSourced, CRDT}

// compile makes descriptors of .proto sources, by file name. The set has them
// in the order of their names, and nothing that they import from elsewhere.
func compile(t testing.TB, sources map[string]string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		if text, ok := sources[path]; ok {
			r := protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{path: text})}
			return r.FindFileByPath(path)
		}
		fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
		return protocompile.SearchResult{Desc: fd}, err
	})}
	names := slices.Sorted(maps.Keys(sources))
	files, err := c.Compile(t.Context(), names...)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	for _, f := range files {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	return set
}

// encode returns the bytes of a set, or of anything else.
func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b
}

// linkedSet returns the descriptors of linked-in files, and nothing that they
// import.
func linkedSet(t testing.TB, names ...string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	for _, name := range names {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	return set
}

// spec declares entities of one type.
func spec(t testing.TB, set *descriptorpb.FileDescriptorSet, entityType string, services ...string) *cloudstate.EntitySpec {
	t.Helper()
	s := &cloudstate.EntitySpec{Proto: encode(t, set)}
	for _, name := range services {
		s.Entities = append(s.Entities, &cloudstate.Entity{EntityType: entityType, ServiceName: name, PersistenceId: "p"})
	}
	return s
}

// mustParse parses a spec that is right.
func mustParse(t testing.TB, s *cloudstate.EntitySpec) *Catalogue {
	t.Helper()
	c, err := Parse(s, all)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

// message finds a message type in a catalogue.
func message(t testing.TB, c *Catalogue, name string) protoreflect.MessageDescriptor {
	t.Helper()
	d, err := c.Files().FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d.(protoreflect.MessageDescriptor)
}

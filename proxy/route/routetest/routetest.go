// SPDX-License-Identifier: Apache-2.0

// Package routetest makes the catalogues of functions that exist only as the
// text of a .proto file, for the tests of those who use a catalogue.
package routetest

import (
	"cmp"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/route"
)

// file is the name of the file that is compiled.
const file = "test.proto"

// Catalogue returns the catalogue of the function that [Spec] describes.
func Catalogue(t testing.TB, text string, types map[string]string) *route.Catalogue {
	t.Helper()
	c, err := route.Parse(Spec(t, text, types), []string{route.Action, route.CRDT, route.EventSourced, route.ValueEntity})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Spec describes a function that serves all services of a file: as actions, unless
// types has another entity type for the full name of one. The file may import what
// is linked into the test.
func Spec(t testing.TB, text string, types map[string]string) *cloudstate.EntitySpec {
	t.Helper()
	spec := new(cloudstate.EntitySpec)
	f := compile(t, text)
	for i := range f.Services().Len() {
		name := string(f.Services().Get(i).FullName())
		spec.Entities = append(spec.Entities, &cloudstate.Entity{
			EntityType: cmp.Or(types[name], route.Action), ServiceName: name, PersistenceId: "p",
		})
	}
	set := new(descriptorpb.FileDescriptorSet)
	add(set, f, map[string]bool{})
	var err error
	if spec.Proto, err = proto.Marshal(set); err != nil {
		t.Fatal(err)
	}
	return spec
}

// add adds a file and what it imports to set.
func add(set *descriptorpb.FileDescriptorSet, f protoreflect.FileDescriptor, has map[string]bool) {
	if has[f.Path()] {
		return
	}
	has[f.Path()] = true
	for i := range f.Imports().Len() {
		add(set, f.Imports().Get(i).FileDescriptor, has)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
}

func compile(t testing.TB, text string) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if path == file {
				r := protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{file: text})}
				return r.FindFileByPath(path)
			}
			fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: fd}, err
		}),
	}
	files, err := c.Compile(t.Context(), file)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return files[0]
}

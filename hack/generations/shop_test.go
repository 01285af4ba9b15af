// SPDX-License-Identifier: Apache-2.0

package generations

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A shop is what the function serves: the descriptors of shop.proto with the
// annotations of a generation, and a folder for the function to read them from.
type shop struct {
	dir  string
	file protoreflect.FileDescriptor
}

// newShop compiles shop.proto.tmpl. The files with annotations are in the folder
// protos.
func newShop(t *testing.T, protos, annotations, key string) *shop {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "shop.proto.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	source := strings.NewReplacer(`"ANNOTATIONS"`, `"`+annotations+`"`, " KEY;", " "+key+";").Replace(string(text))
	s := &shop{dir: t.TempDir()}
	s.write(t, "shop.proto", []byte(source))
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{ImportPaths: []string{s.dir, protos}},
	)}
	files, err := compiler.Compile(t.Context(), "shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	s.file = files[0]
	set := new(descriptorpb.FileDescriptorSet)
	add(set, s.file, map[string]bool{})
	desc, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "user-function.desc", desc)
	s.write(t, "package.json", []byte(`{"name":"shop","version":"1.0.0"}`)) // libraries name the service after it
	return s
}

func (s *shop) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// add adds a file to set, after all that it imports.
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

// A client calls the shop's services, with messages as JSON.
type client struct {
	*shop
	conn *grpc.ClientConn
}

// call calls "Cart/Add" or the like.
func (c client) call(ctx context.Context, t *testing.T, method, request string) (string, error) {
	t.Helper()
	d := c.method(t, method)
	out := dynamicpb.NewMessage(d.Output())
	err := c.conn.Invoke(ctx, "/shop."+method, read(t, d.Input(), request), out)
	return text(t, out), err
}

// stream calls a streamed method with all requests, and returns all replies.
func (c client) stream(ctx context.Context, t *testing.T, method string, requests ...string) ([]string, error) {
	t.Helper()
	d := c.method(t, method)
	s, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/shop."+method)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		if err := s.SendMsg(read(t, d.Input(), r)); err != nil {
			break // the reason comes with RecvMsg
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for {
		out := dynamicpb.NewMessage(d.Output())
		switch err := s.RecvMsg(out); {
		case errors.Is(err, io.EOF):
			return replies, nil
		case err != nil:
			return replies, err
		}
		replies = append(replies, text(t, out))
	}
}

func (c client) method(t *testing.T, name string) protoreflect.MethodDescriptor {
	t.Helper()
	service, method, _ := strings.Cut(name, "/")
	return c.file.Services().ByName(protoreflect.Name(service)).Methods().ByName(protoreflect.Name(method))
}

func read(t *testing.T, d protoreflect.MessageDescriptor, json string) proto.Message {
	t.Helper()
	m := dynamicpb.NewMessage(d)
	if err := protojson.Unmarshal([]byte(json), m); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return m
}

// text returns m as JSON without spaces, of which protojson has some at random.
func text(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(b), `": `, `":`), `, "`, `,"`)
}

// with returns a context whose calls have these headers.
func with(ctx context.Context, headers ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, headers...)
}

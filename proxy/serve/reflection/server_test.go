// SPDX-License-Identifier: Apache-2.0

package reflection_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proxy/serve/reflection"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

const (
	v1      = "grpc.reflection.v1.ServerReflection"
	v1alpha = "grpc.reflection.v1alpha.ServerReflection"
)

// shopFiles returns the files of the shopping cart and all that they import.
func shopFiles(t *testing.T) *protoregistry.Files {
	t.Helper()
	files := new(protoregistry.Files)
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if _, err := files.FindFileByPath(f.Path()); err == nil {
			return
		}
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		if err := files.RegisterFile(f); err != nil {
			t.Fatal(err)
		}
	}
	add(shop.File_samples_shoppingcart_shop_shop_proto)
	return files
}

// ask returns a function that asks one version on one stream.
func ask(t *testing.T, version string, schema reflection.Schema) func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	reflection.Register(server, schema, nil)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	client, err := grpc.NewClient("passthrough:"+listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Stop()
		<-ended
	})
	stream, err := client.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/"+version+"/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	return func(req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
		t.Helper()
		resp := new(reflectionpb.ServerReflectionResponse)
		if err := stream.SendMsg(req); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(resp); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(resp.GetOriginalRequest(), req) || resp.GetValidHost() != req.GetHost() {
			t.Errorf("the answer doesn't repeat the request %v: %v", req, resp)
		}
		return resp
	}
}

func symbol(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{Host: "there",
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func filename(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: name}}
}

func extension(of string, number int32) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: of, ExtensionNumber: number}}}
}

func extensions(of string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: of}}
}

func list(text string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{Host: "here",
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: text}}
}

// eachVersion runs a test for both versions against the shopping cart.
func eachVersion(t *testing.T, test func(t *testing.T, version string, ask func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse)) {
	files := shopFiles(t)
	schema := func() ([]string, *protoregistry.Files, error) {
		return []string{"shop.ShoppingCart", "a.Z", "a.A"}, files, nil
	}
	for _, version := range []string{v1, v1alpha} {
		t.Run(version, func(t *testing.T) { test(t, version, ask(t, version, schema)) })
	}
}

func TestListNamesReflectionFirstThenTheServicesSorted(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string, ask func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse) {
		for _, text := range []string{"", "*", "nonsense"} {
			var got []string
			for _, s := range ask(list(text)).GetListServicesResponse().GetService() {
				got = append(got, s.GetName())
			}
			if want := []string{version, "a.A", "a.Z", "shop.ShoppingCart"}; !slices.Equal(got, want) {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	})
}

func TestFileComesFirstAndThenAllThatItImports(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string, ask func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse) {
		tests := map[string]*reflectionpb.ServerReflectionRequest{
			"a service":           symbol("shop.ShoppingCart"),
			"a leading dot":       symbol(".shop.ShoppingCart"),
			"a method":            symbol("shop.ShoppingCart.AddItem"),
			"a message":           symbol("shop.Cart"),
			"a field":             symbol("shop.Cart.items"),
			"a file":              filename(shop.File_samples_shoppingcart_shop_shop_proto.Path()),
			"an imported message": symbol("google.protobuf.Empty"),
			"an imported file":    filename("google/protobuf/descriptor.proto"),
			"an extension":        extension("google.protobuf.MethodOptions", 72295728),
			"a key option":        extension("google.protobuf.FieldOptions", 1080),
			"reflection itself":   symbol(version),
			"its messages":        symbol("grpc.reflection.v1alpha.ErrorResponse"),
			"health, unlisted":    symbol("grpc.health.v1.Health"),
			"its file":            filename("grpc/reflection/v1/reflection.proto"),
		}
		for name, req := range tests {
			t.Run(name, func(t *testing.T) {
				encoded := ask(req).GetFileDescriptorResponse().GetFileDescriptorProto()
				checkWhole(t, encoded)
			})
		}
		encoded := ask(symbol("shop.Cart")).GetFileDescriptorResponse().GetFileDescriptorProto()
		first := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(encoded[0], first); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(first, protodesc.ToFileDescriptorProto(shop.File_samples_shoppingcart_shop_shop_proto)) {
			t.Errorf("the first file is %v", first)
		}
	})
}

// checkWhole checks that a client can build the files without knowing others.
func checkWhole(t *testing.T, encoded [][]byte) {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	names := make(map[string]bool)
	for _, b := range encoded {
		f := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(b, f); err != nil {
			t.Fatal(err)
		}
		if names[f.GetName()] {
			t.Errorf("%s comes twice", f.GetName())
		}
		names[f.GetName()] = true
		set.File = append(set.File, f)
	}
	if len(set.GetFile()) == 0 {
		t.Error("no files")
	}
	if _, err := protodesc.NewFiles(set); err != nil {
		t.Error(err)
	}
}

func TestExtensionNumbers(t *testing.T) {
	eachVersion(t, func(t *testing.T, _ string, ask func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse) {
		for name, want := range map[string][]int32{
			"google.protobuf.MethodOptions": {72295728},
			"shop.Cart":                     nil,
		} {
			got := ask(extensions(name)).GetAllExtensionNumbersResponse()
			if got.GetBaseTypeName() != name || !slices.Equal(got.GetExtensionNumber(), want) {
				t.Errorf("got %v, want %v of %s", got, want, name)
			}
		}
	})
}

func TestWhatDoesNotExist(t *testing.T) {
	tests := map[string]*reflectionpb.ServerReflectionRequest{
		"symbol":                   symbol("shop.Nothing"),
		"no name at all":           symbol(""),
		"file":                     filename("nothing.proto"),
		"extension":                extension("google.protobuf.MethodOptions", 5),
		"extensions":               extensions("shop.Nothing"),
		"extensions of no message": extensions("shop.ShoppingCart"),
	}
	eachVersion(t, func(t *testing.T, version string, ask func(*reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse) {
		for name, req := range tests {
			t.Run(name, func(t *testing.T) {
				resp := ask(req)
				got := resp.GetMessageResponse()
				if version == v1 {
					if code := resp.GetErrorResponse().GetErrorCode(); codes.Code(code) != codes.NotFound {
						t.Errorf("got %v", got)
					}
					return
				}
				files, isFiles := got.(*reflectionpb.ServerReflectionResponse_FileDescriptorResponse)
				numbers, isNumbers := got.(*reflectionpb.ServerReflectionResponse_AllExtensionNumbersResponse)
				switch {
				case isFiles && len(files.FileDescriptorResponse.GetFileDescriptorProto()) == 0:
				case isNumbers && len(numbers.AllExtensionNumbersResponse.GetExtensionNumber()) == 0:
				default:
					t.Errorf("got %v", got)
				}
			})
		}
		if code := ask(new(reflectionpb.ServerReflectionRequest)).GetErrorResponse().GetErrorCode(); codes.Code(code) != codes.InvalidArgument {
			t.Errorf("an empty request has code %d", code)
		}
	})
}

func TestStreamFollowsTheCatalogue(t *testing.T) {
	files := shopFiles(t)
	services := make(chan []string, 1)
	errAway := errors.New("the function is away")
	ask := ask(t, v1, func() ([]string, *protoregistry.Files, error) {
		if s := <-services; s != nil {
			return s, files, nil
		}
		return nil, nil, errAway
	})
	services <- nil
	e := ask(list("")).GetErrorResponse()
	if codes.Code(e.GetErrorCode()) != codes.Unavailable || e.GetErrorMessage() != errAway.Error() {
		t.Errorf("got %v", e)
	}
	services <- []string{"shop.ShoppingCart"}
	if got := ask(list("")).GetListServicesResponse().GetService(); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

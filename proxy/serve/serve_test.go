// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A submit is a function as a Submitter.
type submit func(call entity.Call, done func(entity.Answer))

func (f submit) Submit(call entity.Call, done func(entity.Answer)) { f(call, done) }

// echo answers each call with what it brought.
func echo(call entity.Call, done func(entity.Answer)) {
	done(entity.Answer{Payload: call.Payload, Metadata: call.Metadata})
}

// answering answers each call with a.
func answering(a entity.Answer) submit {
	return func(_ entity.Call, done func(entity.Answer)) { done(a) }
}

// A streamFunc is a function as a Streamer.
type streamFunc func(ctx context.Context, call entity.Call, client entity.Exchange) error

func (f streamFunc) Stream(ctx context.Context, call entity.Call, client entity.Exchange) error {
	return f(ctx, call, client)
}

// noStreams is a Streamer that nobody should call.
func noStreams(_ context.Context, call entity.Call, _ entity.Exchange) error {
	return fmt.Errorf("a streamed call: %v", call)
}

// catalogueOf returns a catalogue of entities with the method Do, and actions, of
// those services that are named Actions, which have besides that the streamed
// methods Watch, Feed and Talk.
func catalogueOf(t testing.TB, services ...string) *route.Catalogue {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name:    proto.String("test.proto"),
		Package: proto.String("test"),
		Syntax:  proto.String("proto3"),
	}
	key := new(descriptorpb.FieldOptions)
	proto.SetExtension(key, cloudstate.E_EntityKey, true)
	file.MessageType = []*descriptorpb.DescriptorProto{{
		Name: proto.String("Message"),
		Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("id"), Number: proto.Int32(1), Options: key,
			Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}},
	}}
	spec := new(cloudstate.EntitySpec)
	method := func(name string, in, out bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name:      proto.String(name),
			InputType: proto.String(".test.Message"), OutputType: proto.String(".test.Message"),
			ClientStreaming: proto.Bool(in), ServerStreaming: proto.Bool(out),
		}
	}
	for _, name := range services {
		service := &descriptorpb.ServiceDescriptorProto{
			Name:   proto.String(name),
			Method: []*descriptorpb.MethodDescriptorProto{method("Do", false, false)},
		}
		kind := route.EventSourced
		if name == "Actions" {
			kind = route.Action
			service.Method = append(service.Method, method("Watch", false, true), method("Feed", true, false), method("Talk", true, true))
		}
		file.Service = append(file.Service, service)
		spec.Entities = append(spec.Entities, &cloudstate.Entity{EntityType: kind, ServiceName: "test." + name})
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	spec.Proto = set
	c, err := route.Parse(spec, []string{route.Action, route.EventSourced})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newTestGRPC returns a GRPC that serves test.Things.
func newTestGRPC(t testing.TB, to Submitter, o Options) *GRPC {
	t.Helper()
	c := catalogueOf(t, "Things")
	catalogue := func() (*route.Catalogue, error) { return c, nil }
	return NewGRPC(slog.New(slog.DiscardHandler), catalogue, to, streamFunc(noStreams), o)
}

// newStreamGRPC returns a GRPC that serves test.Actions.
func newStreamGRPC(t testing.TB, to streamFunc, o Options) *GRPC {
	t.Helper()
	c := catalogueOf(t, "Actions")
	catalogue := func() (*route.Catalogue, error) { return c, nil }
	return NewGRPC(slog.New(slog.DiscardHandler), catalogue, submit(echo), to, o)
}

// connect runs s until the test ends, and returns a client of it.
func connect(t testing.TB, s *GRPC) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	client := dial(t, listener.Addr().String())
	t.Cleanup(func() {
		client.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return client
}

func dial(t testing.TB, addr string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	client, err := grpc.NewClient("passthrough:"+addr,
		append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// do calls test.Things/Do with bytes.
func do(ctx context.Context, c *grpc.ClientConn, payload []byte, options ...grpc.CallOption) ([]byte, error) {
	return invoke(ctx, c, "/test.Things/Do", payload, options...)
}

func invoke(ctx context.Context, c *grpc.ClientConn, path string, payload []byte, options ...grpc.CallOption) ([]byte, error) {
	var reply Raw
	err := c.Invoke(ctx, path, &Raw{payload}, &reply, append(options, grpc.ForceCodecV2(newRawCodec()))...)
	return reply.Bytes, err
}

// wantStatus checks the code and, unless it is empty, the text of err.
func wantStatus(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	s, _ := status.FromError(err)
	if s.Code() != code || text != "" && s.Message() != text {
		t.Errorf("got %v %q, want %v %q", s.Code(), s.Message(), code, text)
	}
}

var errSome = errors.New("something nobody has heard of")

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// These are the cases of gRPC's interoperability tests, by grpc-go.

func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || !strings.Contains(s.Message(), text) {
		t.Errorf("got %v %q, want %v %q", s.Code(), s.Message(), code, text)
	}
}

func TestEmptyAndLargeUnary(t *testing.T) {
	carts := shop.NewShoppingCartClient(newRig(t, setup{}).dial(t))
	greeter := greet.NewGreeterClient(newRig(t, setup{}).dial(t))
	if _, err := carts.GetCart(t.Context(), &shop.GetCartRequest{}); err != nil {
		t.Error(err)
	}
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		options = append(options, grpc.MaxCallRecvMsgSize(8<<20))
		for _, size := range []int{4090, 4091, 4096, 64 << 10, 314_159, 4<<20 - 100} {
			if size > 1<<20 && len(options) > 1 {
				continue // nothing new, and slow
			}
			name := strings.Repeat("ab", size/2)
			reply, err := greeter.Greet(t.Context(), &greet.GreetRequest{Name: name}, options...)
			if err != nil || reply.GetText() != name {
				t.Errorf("%d bytes: got %d, %v", size, len(reply.GetText()), err)
			}
		}
	}
}

func TestMessageOverTheLimit(t *testing.T) {
	r := newRig(t, setup{options: rpc.Options{MaxReceive: 1000}})
	greeter := greet.NewGreeterClient(r.dial(t))
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		_, err := greeter.Greet(t.Context(), &greet.GreetRequest{Name: strings.Repeat("a", 1000)}, options...)
		wantStatus(t, err, codes.ResourceExhausted, "1000 bytes")
		if _, err := greeter.Greet(t.Context(), &greet.GreetRequest{Name: strings.Repeat("a", 990)}, options...); err != nil {
			t.Error(err)
		}
	}
}

func TestManyMessagesEachWayAndHalfClose(t *testing.T) {
	greeter := greet.NewGreeterClient(newRig(t, setup{}).dial(t))
	stream, err := greeter.GreetEach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := stream.Send(&greet.GreetRequest{Name: fmt.Sprint(i, strings.Repeat(".", i))}); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for i := range n {
		reply, err := stream.Recv()
		if err != nil || reply.GetText() != fmt.Sprint(i, strings.Repeat(".", i)) {
			t.Fatalf("%d: got %.20q, %v", i, reply.GetText(), err)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestTrailersOnlyAndTrailers(t *testing.T) {
	r := newRig(t, setup{submit: func(call entity.Call, done func(entity.Answer)) {
		done(entity.Answer{Err: fmt.Errorf("add: %w", entity.ErrUnknownOutcome), Metadata: entity.Metadata{{Name: "reason", Value: "12"}}})
	}, stream: thrice})
	conn := r.dial(t)
	var header, trailer metadata.MD
	_, err := shop.NewShoppingCartClient(conn).AddItem(t.Context(), &shop.AddItemRequest{UserId: "a"}, grpc.Trailer(&trailer), grpc.Header(&header))
	wantStatus(t, err, codes.Unavailable, "outcome unknown")
	if got := trailer.Get(outcome.Trailer); len(got) != 1 || got[0] != "unknown" {
		t.Errorf("trailers %v", trailer)
	}
	if got := append(header.Get("reason"), trailer.Get("reason")...); len(got) != 1 || got[0] != "12" {
		t.Errorf("headers %v, trailers %v", header, trailer)
	}

	stream, err := greet.NewGreeterClient(conn).GreetInAllLanguages(t.Context(), &greet.GreetRequest{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = stream.Recv()
	wantStatus(t, err, codes.Unknown, "50% nö")
	if got := stream.Trailer().Get("last"); len(got) != 1 || got[0] != "3" {
		t.Errorf("trailers %v", stream.Trailer())
	}
}

func TestWrongCalls(t *testing.T) {
	conn := newRig(t, setup{}).dial(t)
	for path, text := range map[string]string{
		"/greet.Greeter/Insult": "service greet.Greeter has no method Insult",
		"/greet.Nobody/Greet":   "no service greet.Nobody",
	} {
		err := conn.Invoke(t.Context(), path, &greet.GreetRequest{}, &greet.Greeting{})
		wantStatus(t, err, codes.Unimplemented, text)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/greet.Greeter/Greet")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := stream.SendMsg(&greet.GreetRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, stream.RecvMsg(&greet.Greeting{}), codes.InvalidArgument, "more came")
}

func TestCancelAfterBeginAndAfterFirstReply(t *testing.T) {
	ended := make(chan error, 1)
	r := newRig(t, setup{stream: func(ctx context.Context, call entity.Call, client entity.Exchange) error {
		err := parrot(ctx, call, client)
		<-ctx.Done()
		<-call.Done
		ended <- context.Cause(ctx)
		return err
	}})
	greeter := greet.NewGreeterClient(r.dial(t))
	for messages := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := greeter.GreetEach(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range messages {
			if err := stream.Send(&greet.GreetRequest{Name: "a"}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		_, err = stream.Recv()
		wantStatus(t, err, codes.Canceled, "")
		if messages == 0 {
			continue // the call may not have left
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
	}
}

// TestFunctionThatEndsFirst ends a call whose client goes on to send.
func TestFunctionThatEndsFirst(t *testing.T) {
	r := newRig(t, setup{stream: func(_ context.Context, _ entity.Call, client entity.Exchange) error {
		received := make(chan error, 2)
		go func() {
			for {
				_, err := client.Recv()
				received <- err
				if err != nil {
					return
				}
			}
		}()
		<-received
		return &entity.Refusal{Description: "enough"}
	}})
	greeter := greet.NewGreeterClient(r.dial(t))
	for range 20 {
		stream, err := greeter.GreetEach(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&greet.GreetRequest{Name: "a"}); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantStatus(t, err, codes.Unknown, "enough")
	}
}

func TestDeadline(t *testing.T) {
	deadlines := make(chan time.Time, 2)
	r := newRig(t, setup{
		submit: func(call entity.Call, _ func(entity.Answer)) { deadlines <- call.Deadline },
		stream: func(ctx context.Context, call entity.Call, _ entity.Exchange) error {
			deadlines <- call.Deadline
			<-ctx.Done()
			return ctx.Err()
		},
	})
	conn := r.dial(t)
	for wait := 50 * time.Millisecond; len(deadlines) == 0; wait *= 2 { // until the call comes in time
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := shop.NewShoppingCartClient(conn).AddItem(ctx, &shop.AddItemRequest{UserId: "a"})
		cancel()
		wantStatus(t, err, codes.DeadlineExceeded, "")
	}
	if (<-deadlines).IsZero() {
		t.Error("the command has no deadline")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := greet.NewGreeterClient(conn).Greet(ctx, &greet.GreetRequest{})
	wantStatus(t, err, codes.DeadlineExceeded, "")
	if len(deadlines) == 1 && (<-deadlines).IsZero() {
		t.Error("the action's call has no deadline")
	}
}

// TestFlowControl has a client that reads nothing while the function sends, and
// looks how far that gets.
func TestFlowControl(t *testing.T) {
	const size, all = 10_000, 2000
	sent := make(chan int, all)
	r := newRig(t, setup{stream: func(_ context.Context, call entity.Call, client entity.Exchange) error {
		for i := range all {
			if err := client.Send(call.Payload, nil); err != nil {
				return err
			}
			sent <- i
		}
		return nil
	}})
	stream, err := greet.NewGreeterClient(r.dial(t)).GreetInAllLanguages(t.Context(), &greet.GreetRequest{Name: strings.Repeat("a", size)})
	if err != nil {
		t.Fatal(err)
	}
	<-sent
	if n := len(sent); n == all-1 {
		t.Error("20 MB were sent before the client had read any")
	}
	for range all {
		if reply, err := stream.Recv(); err != nil || len(reply.GetText()) != size {
			t.Fatalf("got %d bytes, %v", len(reply.GetText()), err)
		}
	}
}

func TestHealthAndReflection(t *testing.T) {
	r := newRig(t, setup{})
	r.grpc.SetServing(true)
	conn := r.dial(t)
	health, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "shop.ShoppingCart"})
	if err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if health, err := watch.Recv(); err != nil || health.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("watched: %v, %v", health, err)
	}
	info, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := info.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
			t.Fatal(err)
		}
		if list, err := info.Recv(); err != nil || len(list.GetListServicesResponse().GetService()) != 3 {
			t.Errorf("listed %v, %v", list, err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package script_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/script"
)

// serve serves a function until the test is over and returns a connection.
func serve(t *testing.T, fn *script.Function) *grpc.ClientConn {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := fn.Serve(ctx, lis); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { conn.Close(); cancel(); work.Wait() })
	return conn
}

// within returns a context that ends the test's waiting.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func initial(key string) *cloudstate.EventSourcedStreamIn {
	return &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{EntityId: key},
	}}
}

func open(t *testing.T, conn *grpc.ClientConn, key string) cloudstate.EventSourced_HandleClient {
	t.Helper()
	s, err := cloudstate.NewEventSourcedClient(conn).Handle(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(initial(key)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStreamDoesWhatItIsTold(t *testing.T) {
	fn := script.New(nil)
	conn := serve(t, fn)
	proxy := open(t, conn, "a")
	s, err := fn.EventSourced.Next(within(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	if in, err := s.Recv(); err != nil || !proto.Equal(in, initial("a")) {
		t.Fatalf("received %v, %v", in, err)
	}
	if err := s.Send(&cloudstate.EventSourcedStreamOut{}); err != nil {
		t.Fatal(err)
	}
	if out, err := proxy.Recv(); err != nil || out.GetMessage() != nil {
		t.Fatalf("the proxy got %v, %v", out, err)
	}
	if err := proxy.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("received after a half-close: %v", err)
	}
	if !s.End(status.Error(codes.DataLoss, "gone")) {
		t.Error("the stream was over before it was ended")
	}
	if _, err := proxy.Recv(); status.Code(err) != codes.DataLoss {
		t.Errorf("the proxy got the end %v", err)
	}
	<-s.Gone()
	if s.End(nil) {
		t.Error("a stream was ended twice")
	}
}

func TestStreamsAreFoundByTheirKeys(t *testing.T) {
	fn := script.New(nil)
	conn := serve(t, fn)
	for _, key := range []string{"a", "b", "a"} {
		open(t, conn, key)
	}
	for _, key := range []string{"b", "a", "a"} {
		if _, err := fn.EventSourced.Next(within(t), key); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fn.EventSourced.Next(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a fourth stream: %v", err)
	}
}

func TestAStreamThatTheProxyCancelsIsGone(t *testing.T) {
	fn := script.New(nil)
	conn := serve(t, fn)
	ctx, cancel := context.WithCancel(t.Context())
	proxy, err := cloudstate.NewEventSourcedClient(conn).Handle(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Send(initial("a")); err != nil {
		t.Fatal(err)
	}
	s, err := fn.EventSourced.Next(within(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-s.Gone()
}

func TestDiscovery(t *testing.T) {
	fn := script.New(&cloudstate.EntitySpec{Proto: []byte("one")})
	client := cloudstate.NewEntityDiscoveryClient(serve(t, fn))
	for _, want := range []string{"one", "two"} {
		spec, err := client.Discover(within(t), &cloudstate.ProxyInfo{ProxyName: want})
		if err != nil || string(spec.GetProto()) != want {
			t.Errorf("spec %v, %v", spec, err)
		}
		if info, err := fn.Discovered(within(t)); err != nil || info.GetProxyName() != want {
			t.Errorf("asked by %v, %v", info, err)
		}
		fn.SetSpec(&cloudstate.EntitySpec{Proto: []byte("two")})
	}
	if _, err := client.ReportError(within(t), &cloudstate.UserFunctionError{Message: "bad"}); err != nil {
		t.Fatal(err)
	}
	if text, err := fn.Reported(within(t)); err != nil || text != "bad" {
		t.Errorf("reported %q, %v", text, err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package intercept_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/intercept"
	"github.com/kairn-dev/kairn/tck/script"
)

// A world is a function, an interceptor before it, and a connection to that.
type world struct {
	log     *exchange.Log
	fn      *script.Function
	between *intercept.Interceptor
	proxy   *grpc.ClientConn
	t       *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{log: exchange.NewLog(), fn: script.New(&cloudstate.EntitySpec{Proto: []byte("spec")}), t: t}
	w.between = intercept.New(w.log, w.serve(w.fn.Serve))
	w.proxy = w.serve(w.between.Serve)
	return w
}

// serve has f serve until the test is over and returns a connection to it.
func (w *world) serve(f func(context.Context, net.Listener) error) *grpc.ClientConn {
	w.t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := f(ctx, lis); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { conn.Close(); cancel(); work.Wait() })
	return conn
}

func (w *world) within() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

// open opens a stream as the proxy and returns both ends of it.
func (w *world) open(ctx context.Context, key string, fn *script.Function) (cloudstate.EventSourced_HandleClient, *script.Stream[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]) {
	w.t.Helper()
	proxy, err := cloudstate.NewEventSourcedClient(w.proxy).Handle(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	init := &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: "service", EntityId: key},
	}}
	init.ProtoReflect().SetUnknown([]byte{0x78, 0x01}) // field 15
	if err := proxy.Send(init); err != nil {
		w.t.Fatal(err)
	}
	s, err := fn.EventSourced.Next(w.within(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	if in, err := s.Recv(); err != nil || !proto.Equal(in, init) {
		w.t.Fatalf("the function got %v, %v", in, err)
	}
	return proxy, s
}

// said returns what was recorded, in short.
func (w *world) said() []string {
	var all []string
	for _, e := range w.log.Between(exchange.Mark{}, w.log.Mark()) {
		text := []string{"proxy", "function"}[e.From]
		switch {
		case e.Message != nil:
			text += " " + string(e.Message.ProtoReflect().Descriptor().Name())
		case e.Err != nil:
			text += " " + status.Code(e.Err).String()
		default:
			text += " end"
		}
		all = append(all, text)
	}
	return all
}

func (w *world) wantSaid(want ...string) {
	w.t.Helper()
	if got := w.said(); !slices.Equal(got, want) {
		w.t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestAUnaryCallIsPassedOn(t *testing.T) {
	w := newWorld(t)
	spec, err := cloudstate.NewEntityDiscoveryClient(w.proxy).Discover(w.within(), &cloudstate.ProxyInfo{ProxyName: "p"})
	if err != nil || string(spec.GetProto()) != "spec" {
		t.Fatalf("spec %v, %v", spec, err)
	}
	if info, err := w.fn.Discovered(w.within()); err != nil || info.GetProxyName() != "p" {
		t.Errorf("the function got %v, %v", info, err)
	}
	w.wantSaid("proxy ProxyInfo", "function EntitySpec")
}

func TestAStreamIsPassedOn(t *testing.T) {
	w := newWorld(t)
	proxy, s := w.open(w.within(), "a", w.fn)
	if err := s.Send(&cloudstate.EventSourcedStreamOut{}); err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := proxy.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err == nil {
		t.Fatal("the half-close did not reach the function")
	}
	s.End(status.Error(codes.DataLoss, "gone"))
	if _, err := proxy.Recv(); status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "gone" {
		t.Errorf("the proxy got the end %v", err)
	}
	w.wantSaid("proxy EventSourcedStreamIn", "function EventSourcedStreamOut", "proxy end", "function DataLoss")
}

func TestACancellationIsPassedOn(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(w.within())
	_, s := w.open(ctx, "a", w.fn)
	cancel()
	select {
	case <-s.Gone():
	case <-w.within().Done():
		t.Fatal("the cancellation did not reach the function")
	}
}

func TestAnInstanceIsDiverted(t *testing.T) {
	w := newWorld(t)
	other := script.New(nil)
	w.between.Divert("a", w.serve(other.Serve))
	w.open(w.within(), "a", other)
	w.open(w.within(), "b", w.fn)
	w.between.Divert("a", nil)
	w.open(w.within(), "a", w.fn)
}

func TestAnActionIsDivertedByItsMethod(t *testing.T) {
	w := newWorld(t)
	other := script.New(nil)
	w.between.Divert("/test.Service/Do", w.serve(other.Serve))
	for name, fn := range map[string]*script.Function{"Do": other, "Other": w.fn} {
		done := make(chan error, 1)
		go func() {
			_, err := cloudstate.NewActionProtocolClient(w.proxy).HandleUnary(w.within(), &cloudstate.ActionCommand{ServiceName: "test.Service", Name: name})
			done <- err
		}()
		call, err := fn.Actions.Next(w.within(), "/test.Service/"+name)
		if err != nil {
			t.Fatal(err)
		}
		if err := call.Send(&cloudstate.ActionResponse{}); err != nil {
			t.Fatal(err)
		}
		call.End(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestCutEndsWhatIsOpen checks besides that the proxy can come back.
func TestCutEndsWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	stream, _ := w.open(w.within(), "a", w.fn)
	w.between.Cut()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := cloudstate.NewEntityDiscoveryClient(w.proxy).Discover(w.within(), &cloudstate.ProxyInfo{}, grpc.WaitForReady(true)); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownMethodIsRefused(t *testing.T) {
	w := newWorld(t)
	err := w.proxy.Invoke(w.within(), "/tck.Unknown/Call", &cloudstate.ProxyInfo{}, &cloudstate.EntitySpec{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("error %v", err)
	}
	w.wantSaid("function Unimplemented")
}

func TestMetadataIsPassedOn(t *testing.T) {
	w := newWorld(t)
	w.between = intercept.New(w.log, w.serve(func(ctx context.Context, lis net.Listener) error {
		s := grpc.NewServer()
		cloudstate.RegisterEntityDiscoveryServer(s, mirror{})
		defer context.AfterFunc(ctx, s.Stop)()
		return s.Serve(lis)
	}))
	var header, trailer metadata.MD
	ctx := metadata.AppendToOutgoingContext(w.within(), "in", "1", "in", "2")
	_, err := cloudstate.NewEntityDiscoveryClient(w.serve(w.between.Serve)).
		Discover(ctx, &cloudstate.ProxyInfo{}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil || !slices.Equal(header["out"], []string{"1", "2"}) || !slices.Equal(trailer["after"], []string{"1", "2"}) {
		t.Errorf("header %v, trailer %v, %v", header, trailer, err)
	}
}

// A mirror answers with the metadata that it gets.
type mirror struct {
	cloudstate.UnimplementedEntityDiscoveryServer
}

func (mirror) Discover(ctx context.Context, _ *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	in := metadata.ValueFromIncomingContext(ctx, "in")
	if err := grpc.SetHeader(ctx, metadata.MD{"out": in}); err != nil {
		return nil, err
	}
	return &cloudstate.EntitySpec{}, grpc.SetTrailer(ctx, metadata.MD{"after": in})
}

func TestInstance(t *testing.T) {
	for _, tt := range []struct {
		first        proto.Message
		service, key string
	}{
		{&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
			Init: &cloudstate.EventSourcedInit{ServiceName: "s", EntityId: "k"}}}, "s", "k"},
		{&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{
			Init: &cloudstate.ValueEntityInit{ServiceName: "s", EntityId: "k"}}}, "s", "k"},
		{&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Init{
			Init: &cloudstate.CrdtInit{ServiceName: "s", EntityId: "k"}}}, "s", "k"},
		{&cloudstate.EventSourcedStreamIn{}, "", ""},
		{&cloudstate.ProxyInfo{}, "", ""},
	} {
		if s, k := intercept.Instance(tt.first); s != tt.service || k != tt.key {
			t.Errorf("%T is for %q of %q", tt.first, k, s)
		}
	}
}

func TestTheEndOfStreamedAnswersIsRecorded(t *testing.T) {
	w := newWorld(t)
	proxy, err := cloudstate.NewActionProtocolClient(w.proxy).HandleStreamedOut(w.within(), &cloudstate.ActionCommand{ServiceName: "a.B", Name: "C"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.fn.Actions.Next(w.within(), "/a.B/C")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(&cloudstate.ActionResponse{}); err != nil {
		t.Fatal(err)
	}
	s.End(nil)
	if _, err := proxy.Recv(); err != nil {
		t.Error(err)
	}
	if _, err := proxy.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the proxy got the end %v", err)
	}
	w.wantSaid("proxy ActionCommand", "function ActionResponse", "function end")
}

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// catalogue returns that of the samples' greeter, an action, and shopping cart,
// an entity. Greet and GetCart are said to have no side effects.
func catalogue(t testing.TB) func() (*route.Catalogue, error) {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i))
		}
		d := protodesc.ToFileDescriptorProto(f)
		for _, s := range d.GetService() {
			for _, m := range s.GetMethod() {
				if m.GetName() == "Greet" || m.GetName() == "GetCart" {
					m.Options.IdempotencyLevel = descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()
				}
			}
		}
		set.File = append(set.File, d)
	}
	add(greet.File_samples_greeter_greet_greet_proto)
	add(shop.File_samples_shoppingcart_shop_shop_proto)
	encoded, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	c, err := route.Parse(&cloudstate.EntitySpec{Proto: encoded, Entities: []*cloudstate.Entity{
		{EntityType: route.Action, ServiceName: "greet.Greeter"},
		{EntityType: route.EventSourced, ServiceName: "shop.ShoppingCart"},
	}}, []string{route.Action, route.EventSourced})
	if err != nil {
		t.Fatal(err)
	}
	return func() (*route.Catalogue, error) { return c, nil }
}

// A submit is a function as a Submitter.
type submit func(call entity.Call, done func(entity.Answer))

func (f submit) Submit(call entity.Call, done func(entity.Answer)) { f(call, done) }

// echo answers each call with what it brought.
func echo(call entity.Call, done func(entity.Answer)) {
	done(entity.Answer{Payload: call.Payload, Metadata: call.Metadata})
}

// A streamFunc is a function as a Streamer.
type streamFunc func(ctx context.Context, call entity.Call, client entity.Exchange) error

func (f streamFunc) Stream(ctx context.Context, call entity.Call, client entity.Exchange) error {
	return f(ctx, call, client)
}

// parrot answers each message with itself, and with its call's metadata. The
// fields of Greeter's requests and replies have the same numbers. What is called
// "refuse" is refused.
func parrot(_ context.Context, call entity.Call, client entity.Exchange) error {
	say := func(msg []byte) error {
		if string(msg) == "\n\x06refuse" {
			return &entity.Refusal{Description: "50% nö"}
		}
		return client.Send(msg, call.Metadata)
	}
	if call.Payload != nil {
		return say(call.Payload)
	}
	for {
		msg, err := client.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := say(msg); err != nil {
			return err
		}
	}
}

// A rig is a Port that runs.
type rig struct {
	url   string
	addr  string
	stats *Stats
	grpc  *serve.GRPC
	stop  func() error
}

// A setup changes what newRig makes.
type setup struct {
	submit  submit
	stream  streamFunc
	options rpc.Options
	config  Config
}

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{addr: listener.Addr().String()}
	r.url = "http://" + r.addr
	r.start(t, s, listener)
	return r
}

func (r *rig) start(t testing.TB, s setup, l net.Listener) {
	t.Helper()
	c := catalogue(t)
	log := slog.New(slog.DiscardHandler)
	if s.submit == nil {
		s.submit = echo
	}
	if s.stream == nil {
		s.stream = parrot
	}
	r.grpc = serve.NewGRPC(log, c, s.submit, s.stream, serve.Options{})
	s.config.RPC = rpc.New(r.grpc, c, s.options)
	if s.config.REST == nil {
		s.config.REST = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
		})
	}
	if s.config.Ready == nil {
		s.config.Ready = func() error { return nil }
	}
	r.stats = &Stats{}
	s.config.Stats = r.stats
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- New(log, s.config).Run(ctx, l) }()
	var result error
	done := false
	r.stop = func() error {
		cancel()
		if !done {
			result, done = <-ended, true
		}
		return result
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// h2c and h1 are clients of one version of HTTP.
func h2c(t testing.TB) *http.Client {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &p}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func h1(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (r *rig) dial(t testing.TB) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:"+r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// greeter returns a client of a method of the greeter by connect-go.
func (r *rig) greeter(c *http.Client, method string, o ...connect.ClientOption) *connect.Client[greet.GreetRequest, greet.Greeting] {
	return connect.NewClient[greet.GreetRequest, greet.Greeting](c, r.url+"/greet.Greeter/"+method, o...)
}

// together answers with all names after one another.
func together(_ context.Context, _ entity.Call, client entity.Exchange) error {
	var all string
	for {
		msg, err := client.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var in greet.GreetRequest
		if err := proto.Unmarshal(msg, &in); err != nil {
			return err
		}
		all += in.GetName()
	}
	out, err := proto.Marshal(&greet.Greeting{Text: all})
	if err != nil {
		return err
	}
	return client.Send(out, nil)
}

// thrice answers three times with what came, then refuses.
func thrice(_ context.Context, call entity.Call, client entity.Exchange) error {
	for i := range 3 {
		if err := client.Send(call.Payload, entity.Metadata{{Name: "last", Value: string(rune('1' + i))}}); err != nil {
			return err
		}
	}
	return &entity.Refusal{Description: "50% nö"}
}

// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/action"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/userfunc"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// What the generated code calls the messages and the streams of the function.
type (
	command   = cloudstate.ActionCommand
	response  = cloudstate.ActionResponse
	inStream  = cloudstate.ActionProtocol_HandleStreamedInServer
	outStream = cloudstate.ActionProtocol_HandleStreamedOutServer
	twoStream = cloudstate.ActionProtocol_HandleStreamedServer
)

// A function is a user function that a test plays.
type function struct {
	cloudstate.UnimplementedActionProtocolServer
	unary func(context.Context, *command) (*response, error)
	in    func(inStream) error
	out   func(*command, outStream) error
	both  func(twoStream) error
	early bool // whether its library is one of before version 0.2
}

func (f *function) HandleUnary(ctx context.Context, c *command) (*response, error) {
	return f.unary(ctx, c)
}
func (f *function) HandleStreamedIn(s inStream) error               { return f.in(s) }
func (f *function) HandleStreamedOut(c *command, s outStream) error { return f.out(c, s) }
func (f *function) HandleStreamed(s twoStream) error                { return f.both(s) }

// A rig is a function behind the parts of the proxy that serve actions, on
// connections that a bubble of testing/synctest can wait for.
type rig struct {
	greet.GreeterClient
	early   bool // of the function
	stats   action.Stats
	routed  router.Stats
	calls   *action.Actions
	server  *grpc.Server // of the function
	mu      sync.Mutex   // protects what follows
	reports []string
	filled  []string // commands that came for shopping carts
}

// play runs test, with f as the function, in a bubble: it fails if a goroutine is
// left over.
func play(t *testing.T, f *function, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{early: f.early, server: grpc.NewServer()}
		desc := cloudstate.ActionProtocol_ServiceDesc
		if f.early {
			desc.ServiceName = stateless
		}
		r.server.RegisterService(&desc, f)
		toFunction := listen(t, r.server.Serve)
		t.Cleanup(r.server.Stop)
		conn, err := discovery.Dial("passthrough:///function", 0, toFunction)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		client := r.proxy(t, conn)
		r.GreeterClient = greet.NewGreeterClient(client)
		test(t, r)
		client.Close()
	})
}

// listen has serve run on a listener and returns what dials it.
func listen(t *testing.T, serve func(net.Listener) error) grpc.DialOption {
	l := bufconn.Listen(32 << 10)
	ended := make(chan error, 1)
	go func() { ended <- serve(l) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
}

// proxy starts the proxy's parts and returns a client of them.
func (r *rig) proxy(t *testing.T, conn *grpc.ClientConn) *grpc.ClientConn {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	report := func(s string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reports = append(r.reports, s)
	}
	r.calls = action.New(action.Config{
		Function: &userfunc.Function{Conn: conn},
		Report:   report, Answer: time.Hour, Submits: 2, Stats: &r.stats,
	})
	c := catalogue(t, r.early)
	found := func() (*route.Catalogue, error) { return c, nil }
	calls := router.New(log, router.Config{
		Catalogue: found,
		Entities:  router.ByType{route.Action: r.calls, route.EventSourced: carts{r}},
		Unary:     r.calls,
		Streams:   r.calls,
		Report:    report, EffectTime: time.Minute, MaxDepth: 8, Stats: &r.routed,
	})
	edge := serve.NewGRPC(log, found, calls, calls, serve.Options{Drain: time.Minute})
	ctx, stop := context.WithCancel(t.Context())
	dial := listen(t, func(l net.Listener) error { return edge.Run(ctx, l) })
	t.Cleanup(stop)
	client, err := grpc.NewClient("passthrough:///proxy", dial, grpc.WithStaticStreamWindowSize(64<<10), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// told returns what the function was told.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

// carts are the instances of the shopping cart, which do nothing.
type carts struct{ *rig }

func (c carts) Submit(_ *route.Entity, id string, cmd *instance.Command) {
	c.mu.Lock()
	c.filled = append(c.filled, cmd.Call.Command+" "+id)
	c.mu.Unlock()
	cmd.Done(entity.Outcome{})
}

// stateless is what libraries before version 0.2 call an action.
const stateless = "cloudstate.function.StatelessFunction"

// catalogue has the greeter as an action and the shopping cart as an entity.
func catalogue(t testing.TB, early bool) *route.Catalogue {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range []protoreflect.FileDescriptor{greet.File_samples_greeter_greet_greet_proto, shop.File_samples_shoppingcart_shop_shop_proto} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	files, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	info, typ := &cloudstate.ServiceInfo{ProtocolMinorVersion: 2}, route.Action
	if early {
		info, typ = &cloudstate.ServiceInfo{ProtocolMinorVersion: 1}, stateless
	}
	c, err := route.Parse(&cloudstate.EntitySpec{Proto: files, ServiceInfo: info, Entities: []*cloudstate.Entity{
		{EntityType: typ, ServiceName: greet.Greeter_ServiceDesc.ServiceName},
		{EntityType: route.EventSourced, ServiceName: shop.ShoppingCart_ServiceDesc.ServiceName},
	}}, []string{route.Action, route.EventSourced})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func packed(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}

// says is a response with the reply text.
func says(text string) *response {
	return &response{Response: &cloudstate.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: packed(&greet.Greeting{Text: text})}}}
}

func fails(text string) *response {
	return &response{Response: &cloudstate.ActionResponse_Failure{Failure: &cloudstate.Failure{Description: text}}}
}

// forwards is a response that forwards to a method of the greeter.
func forwards(method, name string) *response {
	return &response{Response: &cloudstate.ActionResponse_Forward{Forward: &cloudstate.Forward{
		ServiceName: greet.Greeter_ServiceDesc.ServiceName, CommandName: method, Payload: packed(&greet.GreetRequest{Name: name}),
	}}}
}

// greets is a side effect on the greeter, fills one on the cart of a user.
func greets(method, name string, synchronous bool) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{
		ServiceName: greet.Greeter_ServiceDesc.ServiceName, CommandName: method,
		Payload: packed(&greet.GreetRequest{Name: name}), Synchronous: synchronous,
	}
}

func fills(user string) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{
		ServiceName: shop.ShoppingCart_ServiceDesc.ServiceName, CommandName: "GetCart",
		Payload: packed(&shop.GetCartRequest{UserId: user}), Synchronous: true,
	}
}

// nameOf returns the name in the request that c has.
func nameOf(c *command) string {
	var m greet.GreetRequest
	if err := c.GetPayload().UnmarshalTo(&m); err != nil {
		return err.Error()
	}
	return m.GetName()
}

func request(name string) *greet.GreetRequest { return &greet.GreetRequest{Name: name} }

// heard returns the next greeting, or the code and the text of the error.
func heard(s interface {
	Recv() (*greet.Greeting, error)
},
) string {
	g, err := s.Recv()
	return said(g, err)
}

func said(g *greet.Greeting, err error) string {
	if err == nil {
		return g.GetText()
	}
	if st, ok := status.FromError(err); ok && st.Code() != codes.OK {
		return st.Code().String() + ": " + st.Message()
	}
	return err.Error()
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

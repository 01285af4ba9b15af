// SPDX-License-Identifier: Apache-2.0

// Package script has a user function that does what a test tells it, step by
// step: also what no function should ever do.
//
// A [Function] answers to discovery with a spec that it was given, collects the
// errors that the proxy reports, and hands every stream that a proxy opens to
// whoever calls [Streams.Next]. What happens in the stream is up to them: they
// receive, send, and end it, with or without an error, or do nothing at all.
//
//	fn := script.New(spec)
//	go fn.Serve(ctx, lis)
//	...
//	s, err := fn.EventSourced.Next(ctx, "cart-1")
//	in, err := s.Recv() // the init
//	s.End(errors.New("boom"))
package script

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Actions are the messages of a call of an action.
type Actions = Streams[cloudstate.ActionCommand, cloudstate.ActionResponse]

// EventSourced are the messages of a stream of an event sourced instance.
type EventSourced = Streams[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]

// ValueEntity are the messages of a stream of a value entity's instance.
type ValueEntity = Streams[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]

// CRDTs are the messages of a stream of a CRDT's instance.
type CRDTs = Streams[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]

// A Function is a user function. Make it with [New].
type Function struct {
	// EventSourced has the streams of event sourced instances, ValueEntity those of
	// value entities and CRDT those of CRDTs; all by the instance's key.
	EventSourced *EventSourced
	ValueEntity  *ValueEntity
	CRDT         *CRDTs

	// Actions has the calls of actions of all shapes, by the full name of the
	// method, such as "/greet.Greeter/Greet". Where only one side is streamed, the
	// other one still says one message.
	Actions *Actions

	discovery *discovery
}

// New returns a function that answers to discovery with spec.
func New(spec *cloudstate.EntitySpec) *Function {
	return &Function{
		EventSourced: newStreams[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut](
			func(in *cloudstate.EventSourcedStreamIn) string { return in.GetInit().GetEntityId() }),
		ValueEntity: newStreams[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut](
			func(in *cloudstate.ValueEntityStreamIn) string { return in.GetInit().GetEntityId() }),
		CRDT: newStreams[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut](
			func(in *cloudstate.CrdtStreamIn) string { return in.GetInit().GetEntityId() }),
		Actions: newStreams[cloudstate.ActionCommand, cloudstate.ActionResponse](
			func(in *cloudstate.ActionCommand) string { return "/" + in.GetServiceName() + "/" + in.GetName() }),
		discovery: newDiscovery(spec),
	}
}

// Register adds the protocol's services to a gRPC server of the caller.
func (f *Function) Register(to grpc.ServiceRegistrar) {
	cloudstate.RegisterEntityDiscoveryServer(to, f.discovery)
	cloudstate.RegisterEventSourcedServer(to, &eventSourced{streams: f.EventSourced})
	cloudstate.RegisterValueEntityServer(to, &valueEntity{streams: f.ValueEntity})
	cloudstate.RegisterCrdtServer(to, &crdt{streams: f.CRDT})
	cloudstate.RegisterActionProtocolServer(to, &actions{calls: f.Actions})
}

// Serve serves the function on lis until ctx ends. Streams that are open then
// are cut off.
func (f *Function) Serve(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64<<20), grpc.WaitForHandlers(true))
	f.Register(server)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(lis) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the script on %v: %w", lis.Addr(), err)
	case <-ctx.Done():
		server.Stop()
		if err := <-failed; !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}
}

// Reported waits for the next error that the proxy reports.
func (f *Function) Reported(ctx context.Context) (string, error) {
	return f.discovery.reported.next(ctx, func(string) bool { return true })
}

// Discovered waits for the next time that the proxy asks what is served.
func (f *Function) Discovered(ctx context.Context) (*cloudstate.ProxyInfo, error) {
	return f.discovery.asked.next(ctx, func(*cloudstate.ProxyInfo) bool { return true })
}

// SetSpec changes the answer to discovery.
func (f *Function) SetSpec(spec *cloudstate.EntitySpec) {
	f.discovery.mu.Lock()
	defer f.discovery.mu.Unlock()
	f.discovery.spec = spec
}

type discovery struct {
	cloudstate.UnimplementedEntityDiscoveryServer
	asked    *queue[*cloudstate.ProxyInfo]
	reported *queue[string]

	mu   sync.Mutex // protects spec
	spec *cloudstate.EntitySpec
}

func newDiscovery(spec *cloudstate.EntitySpec) *discovery {
	return &discovery{asked: newQueue[*cloudstate.ProxyInfo](), reported: newQueue[string](), spec: spec}
}

func (d *discovery) Discover(_ context.Context, in *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	d.asked.add(in)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spec, nil
}

func (d *discovery) ReportError(_ context.Context, in *cloudstate.UserFunctionError) (*emptypb.Empty, error) {
	d.reported.add(in.GetMessage())
	return &emptypb.Empty{}, nil
}

type eventSourced struct {
	cloudstate.UnimplementedEventSourcedServer
	streams *EventSourced
}

func (e *eventSourced) Handle(stream grpc.BidiStreamingServer[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]) error {
	return e.streams.handle(stream)
}

type valueEntity struct {
	cloudstate.UnimplementedValueEntityServer
	streams *ValueEntity
}

func (v *valueEntity) Handle(stream grpc.BidiStreamingServer[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]) error {
	return v.streams.handle(stream)
}

type crdt struct {
	cloudstate.UnimplementedCrdtServer
	streams *CRDTs
}

func (c *crdt) Handle(stream grpc.BidiStreamingServer[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]) error {
	return c.streams.handle(stream)
}

// errGone is why a stream ended that the test did not end.
var errGone = errors.New("the proxy has ended the stream")

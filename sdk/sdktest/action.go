// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A callContext is that of a client as the function sees it: how long it waits,
// and nothing that it has in it.
type callContext struct {
	//nolint:containedctx // it is one
	context.Context
}

// Value returns nil.
func (callContext) Value(any) any { return nil }

// act lets the function handle a unary call of an action.
func (p *Proxy) act(ctx context.Context, in *cloudstate.ActionCommand) (*outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	command, response := &cloudstate.ActionCommand{}, &cloudstate.ActionResponse{}
	if err := transfer(in, command); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	out, err := p.function.action.HandleUnary(callContext{ctx}, command)
	if err != nil {
		return nil, err
	}
	if err := transfer(out, response); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return outcomeOf(response), nil
}

func outcomeOf(r *cloudstate.ActionResponse) *outcome {
	return &outcome{effects: r.GetSideEffects(), reply: r.GetReply(), forward: r.GetForward(), failure: r.GetFailure()}
}

// NewStream calls a streamed method of an action or a CRDT. Generated clients use it.
func (p *Proxy) NewStream(ctx context.Context, desc *grpc.StreamDesc, fullMethod string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	service, name := split(fullMethod)
	switch p.entities[service].GetEntityType() {
	case actionType:
	case crdtType:
		return p.watch(ctx, fullMethod), nil
	default:
		return nil, status.Errorf(codes.Unimplemented, "no action or CRDT of the function serves %s", fullMethod)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	c := &clientStream{
		stream: &stream[cloudstate.ActionCommand, cloudstate.ActionResponse]{
			ctx: callContext{ctx}, cancel: cancel, done: make(chan struct{}),
			in: make(chan *cloudstate.ActionCommand), out: make(chan *cloudstate.ActionResponse),
		},
		caller: ctx, proxy: p, desc: desc, method: fullMethod,
		first:   &cloudstate.ActionCommand{ServiceName: service, Name: name, Metadata: orEmpty(fromMD(md))},
		replies: make(chan *cloudstate.Reply), gone: make(chan struct{}),
	}
	p.mu.Lock()
	p.streams[c] = true
	p.mu.Unlock()
	start(c.stream, c.handle)
	go c.deliver()
	if desc.ClientStreams { // the first message only says what is called
		_ = c.give(c.first) // if it can't be sent, receiving says why
		c.first = &cloudstate.ActionCommand{}
	}
	return c, nil
}

// orEmpty returns m, or an empty one: that of a stream is always there.
func orEmpty(m *cloudstate.Metadata) *cloudstate.Metadata {
	if m == nil {
		return &cloudstate.Metadata{}
	}
	return m
}

// A clientStream is a streamed call of an action, for the client.
type clientStream struct {
	*stream[cloudstate.ActionCommand, cloudstate.ActionResponse]
	caller context.Context //nolint:containedctx // gRPC's streams have one
	proxy  *Proxy
	desc   *grpc.StreamDesc
	method string

	first *cloudstate.ActionCommand // what the next request goes with
	once  sync.Once                 // for the half-close

	replies chan *cloudstate.Reply // closed when there will be no more
	over    error                  // how the call ended for the client; set before replies is closed
	gone    chan struct{}          // closed when both sides have ended
	ahead   *cloudstate.Reply      // received for its header; belongs to the goroutine that receives
}

// handle lets the function handle the call.
func (c *clientStream) handle(s *grpc.GenericServerStream[cloudstate.ActionCommand, cloudstate.ActionResponse]) error {
	fn := c.proxy.function.action
	switch {
	case c.desc.ClientStreams && c.desc.ServerStreams:
		return fn.HandleStreamed(s)
	case c.desc.ClientStreams:
		return fn.HandleStreamedIn(s)
	}
	in, err := s.Recv()
	if err != nil {
		return err
	}
	return fn.HandleStreamedOut(in, s)
}

func (c *clientStream) stop() {
	c.cancel()
	<-c.gone
}

func (c *clientStream) Context() context.Context { return c.caller }
func (c *clientStream) Trailer() metadata.MD     { return nil }

// Header waits for the first reply.
func (c *clientStream) Header() (metadata.MD, error) {
	if c.ahead == nil {
		c.ahead, _ = c.next() // if there is none, receiving says why
	}
	return toMD(c.ahead.GetMetadata()), nil
}

// SendMsg gives the function a request.
func (c *clientStream) SendMsg(m any) error {
	payload, err := anypb.New(m.(proto.Message))
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return c.give(&cloudstate.ActionCommand{
		ServiceName: c.first.GetServiceName(), Name: c.first.GetName(), Metadata: c.first.GetMetadata(), Payload: payload,
	})
}

// give sends a message. Why it can't be sent, the client learns by receiving.
func (c *clientStream) give(in *cloudstate.ActionCommand) error {
	select {
	case c.in <- in:
		return nil
	case <-c.done:
	case <-c.ctx.Done():
	}
	return io.EOF
}

// CloseSend says that there are no more requests.
func (c *clientStream) CloseSend() error {
	c.once.Do(func() { close(c.in) })
	return nil
}

// RecvMsg waits for the next reply.
func (c *clientStream) RecvMsg(into any) error {
	reply := c.ahead
	if c.ahead = nil; reply == nil {
		var err error
		if reply, err = c.next(); err != nil {
			return err
		}
	}
	return unpack(reply, into, c.method)
}

// next waits for the next reply.
func (c *clientStream) next() (*cloudstate.Reply, error) {
	reply, ok := <-c.replies
	if !ok {
		return nil, c.over
	}
	return reply, nil
}

// deliver carries out what the function's responses ask for, one after the other,
// and gives the client its replies. When that is over, so is the call for the
// function.
func (c *clientStream) deliver() {
	for c.over == nil {
		c.over = c.deliverNext()
	}
	close(c.replies)
	c.cancel()
	<-c.done
	c.proxy.mu.Lock()
	delete(c.proxy.streams, c)
	c.proxy.mu.Unlock()
	close(c.gone)
}

// deliverNext delivers one response. Of those that have nothing for the client,
// only that of a method with one response is a reply, an empty one.
func (c *clientStream) deliverNext() error {
	r, err := c.receive()
	if err != nil {
		return err
	}
	reply, err := c.proxy.follow(c.caller, outcomeOf(r), 0)
	switch {
	case err != nil:
		return err
	case reply == nil && c.desc.ServerStreams:
		return nil
	case reply == nil:
		reply = &cloudstate.Reply{}
	}
	select {
	case c.replies <- reply:
		return nil
	case <-c.caller.Done():
		return status.FromContextError(c.caller.Err()).Err()
	}
}

// receive waits for the next response of the function.
func (c *clientStream) receive() (*cloudstate.ActionResponse, error) {
	select {
	case r := <-c.out:
		return r, nil
	case <-c.caller.Done():
		return nil, status.FromContextError(c.caller.Err()).Err()
	case <-c.done:
	}
	if c.err != nil {
		return nil, status.Convert(c.err).Err()
	}
	return nil, io.EOF
}

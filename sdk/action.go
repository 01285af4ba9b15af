// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

const actionType = "cloudstate.action.ActionProtocol"

// Action describes a service without state. It is written like any gRPC server;
// its methods may be unary or streamed.
type Action struct {
	// Service is the generated description of the gRPC service, such as
	// &greet.Greeter_ServiceDesc.
	Service *grpc.ServiceDesc

	// Server implements the server interface generated for the service. It
	// handles many calls at once.
	Server any
}

func (a Action) register(s *Server) []error {
	if a.Service == nil {
		return []error{fmt.Errorf("action of %T: Service is missing", a.Server)}
	}
	var errs []error
	if a.Server == nil {
		errs = append(errs, errors.New("Server is missing"))
	} else {
		errs = compact(implements(reflect.TypeOf(a.Server), a.Service))
	}
	methods, more := methodsOf(a.Service, func(string, protoreflect.MessageDescriptor) error { return nil })
	name := a.Service.ServiceName
	s.actions[name] = &action{name: name, methods: methods, server: a.Server}
	return s.add(append(errs, more...), kind{entityType: actionType, service: name})
}

// An action is an [Action] that has been checked.
type action struct {
	name    string
	methods map[string]*method
	server  any
}

// An actionService is the protocol's service for actions.
type actionService struct {
	cloudstate.UnimplementedActionProtocolServer
	log     *slog.Logger
	actions map[string]*action
	gate    *gate
}

// A call is one of an action. It belongs to the goroutine that handles it; in a
// streamed method, what is received and what is sent may belong to two.
type call struct {
	command
	server any
	log    *slog.Logger

	silent bool      // unary: the client gets nothing
	pipe   *pipe     // streamed: to the proxy
	held   *response // streamed in only: the response so far
}

// A response is the protocol's response to a call of an action, or one of them.
type response = cloudstate.ActionResponse

// HandleUnary handles one call.
func (s *actionService) HandleUnary(ctx context.Context, in *cloudstate.ActionCommand) (*response, error) {
	if !s.gate.enter() {
		return nil, errStopping
	}
	defer s.gate.leave()
	c, err := s.find(in, false, false)
	if err != nil {
		return failed(err), nil
	}
	c.begin(ctx, in)
	out, err := guarded(c, (*call).unary)
	c.ended = true
	return out, c.fault(err)
}

// find returns the call that a message asks for, which is of that shape.
func (s *actionService) find(in *cloudstate.ActionCommand, streamsIn, streamsOut bool) (*call, error) {
	a := s.actions[in.GetServiceName()]
	if a == nil {
		return nil, fmt.Errorf("no action serves %q", in.GetServiceName())
	}
	m := a.methods[in.GetName()]
	if m == nil {
		return nil, fmt.Errorf("%s has no command %s", a.name, in.GetName())
	}
	if m.streamsIn() != streamsIn || m.streamsOut() != streamsOut {
		return nil, fmt.Errorf("%s of %s can't be called with streams in this way", m.name, a.name)
	}
	c := &call{server: a.server, log: s.log}
	c.service, c.method = a.name, m
	c.call = c
	return c, nil
}

// begin gives the call its context, with the metadata that came with it and not
// that of the proxy's own call.
func (c *call) begin(ctx context.Context, in *cloudstate.ActionCommand) {
	ctx = metadata.NewIncomingContext(ctx, fromMetadata(in.GetMetadata()))
	c.Context = grpc.NewContextWithServerTransportStream(ctx, callHeader{c})
	c.request = in.GetPayload()
}

// fault logs a fault and returns what the proxy gets to know of it.
func (c *call) fault(err error) error {
	if err == nil {
		return nil
	}
	attrs := append([]any{"entity", c.service, "command", c.method.name, "error", err}, stackOf(err)...)
	c.log.Error("fault in the function; the call is given up", attrs...)
	return status.Error(codes.Internal, err.Error())
}

// unary lets the server handle the call. An error is a fault.
func (c *call) unary() (*response, error) {
	out, err := c.method.call(c.server, &c.command, c.decode, nil)
	r := &response{SideEffects: c.effects}
	switch {
	case c.misuse != nil:
		return nil, c.misuse
	case err != nil:
		r.Response = failed(err).Response
		return r, nil
	}
	msg := out.(proto.Message)
	if (c.forward != nil || c.silent) && msg.ProtoReflect().IsValid() {
		return nil, fmt.Errorf("the command %s called sdk.Forward or sdk.NoReply and then returned a reply of its own", c.method.name)
	}
	switch {
	case c.forward != nil:
		r.Response = &cloudstate.ActionResponse_Forward{Forward: c.forward}
		return r, nil
	case c.silent:
		return r, nil
	}
	err = c.answer(r, msg)
	return r, err
}

// answer puts a message into a response.
func (c *call) answer(r *response, msg proto.Message) error {
	m := &cloudstate.Reply{}
	if err := c.encode(m, &anypb.Any{}, msg); err != nil {
		return err
	}
	c.header = nil // it goes with one reply
	r.Response = &cloudstate.ActionResponse_Reply{Reply: m}
	return nil
}

// failed is the response to a call that was refused.
func failed(err error) *response {
	return &response{Response: &cloudstate.ActionResponse_Failure{
		Failure: &cloudstate.Failure{Description: status.Convert(err).Message()},
	}}
}

// HandleStreamedIn handles one call with many requests.
func (s *actionService) HandleStreamedIn(stream grpc.ClientStreamingServer[cloudstate.ActionCommand, response]) error {
	return s.streamed(&pipe{in: true, ctx: stream.Context(), recv: stream.Recv, send: stream.SendAndClose})
}

// HandleStreamedOut handles one call with many responses.
func (s *actionService) HandleStreamedOut(in *cloudstate.ActionCommand, stream grpc.ServerStreamingServer[response]) error {
	recv := func() (*cloudstate.ActionCommand, error) {
		next := in
		if in = nil; next == nil {
			return nil, io.EOF
		}
		return next, nil
	}
	return s.streamed(&pipe{out: true, ctx: stream.Context(), recv: recv, send: stream.Send})
}

// HandleStreamed handles one call with many of both.
func (s *actionService) HandleStreamed(stream grpc.BidiStreamingServer[cloudstate.ActionCommand, response]) error {
	return s.streamed(&pipe{in: true, out: true, ctx: stream.Context(), recv: stream.Recv, send: stream.Send})
}

func (s *actionService) streamed(p *pipe) error {
	if !s.gate.enter() {
		return errStopping
	}
	defer s.gate.leave()
	first, err := p.recv()
	switch {
	case errors.Is(err, io.EOF):
		return status.Error(codes.InvalidArgument, "the proxy did not say which command it calls")
	case err != nil:
		return err
	}
	c, err := s.find(first, p.in, p.out)
	if err != nil {
		return p.send(failed(err))
	}
	// Where requests are streamed, the first message only names the command.
	if !p.in || first.GetPayload() != nil {
		p.first = first
	}
	c.pipe = p
	c.begin(p.ctx, first)
	last, err := guarded(c, (*call).stream)
	c.ended = true
	switch {
	case err != nil:
		return c.fault(err)
	case last == nil:
		return nil
	}
	return p.send(last)
}

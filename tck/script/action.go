// SPDX-License-Identifier: Apache-2.0

package script

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

type (
	command  = cloudstate.ActionCommand
	response = cloudstate.ActionResponse
)

// actions is the protocol's service for actions.
type actions struct {
	cloudstate.UnimplementedActionProtocolServer
	calls *Actions
}

func (a *actions) HandleStreamed(s grpc.BidiStreamingServer[command, response]) error {
	return a.calls.handle(s)
}

func (a *actions) HandleStreamedIn(s grpc.ClientStreamingServer[command, response]) error {
	return a.calls.handle(shaped{ctx: s.Context(), recv: s.Recv, send: s.SendAndClose})
}

func (a *actions) HandleStreamedOut(in *command, s grpc.ServerStreamingServer[response]) error {
	return a.calls.handle(shaped{ctx: s.Context(), recv: once(in), send: s.Send})
}

func (a *actions) HandleUnary(ctx context.Context, in *command) (*response, error) {
	var out *response
	send := func(m *response) error {
		if out != nil {
			return errors.New("a unary call has one response")
		}
		out = m
		return nil
	}
	if err := a.calls.handle(shaped{ctx: ctx, recv: once(in), send: send}); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errors.New("the script has ended a unary call without a response")
	}
	return out, nil
}

// once returns in, and then that there is no more.
func once(in *command) func() (*command, error) {
	return func() (*command, error) {
		next := in
		if in = nil; next == nil {
			return nil, io.EOF
		}
		return next, nil
	}
}

// A shaped call is a conversation in which not both sides are streamed.
type shaped struct {
	ctx  context.Context //nolint:containedctx // a stream has one
	recv func() (*command, error)
	send func(*response) error
}

func (s shaped) Context() context.Context { return s.ctx }
func (s shaped) Recv() (*command, error)  { return s.recv() }
func (s shaped) Send(m *response) error   { return s.send(m) }

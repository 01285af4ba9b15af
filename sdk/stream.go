// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// NoReply lets the client of a unary method of an action get nothing: the
// effects are all there is. Its two results are those of the command that calls
// it:
//
//	return sdk.NoReply[*greet.Greeting](ctx)
//
// A client that waits for a reply gets an empty one from our proxy. Streamed
// methods just send nothing.
func NoReply[R proto.Message](ctx context.Context) (R, error) {
	var none R
	c := current(ctx, "NoReply")
	c.must("NoReply", c.call != nil && !c.method.streams(), "unary methods of actions")
	c.call.silent = true
	return none, nil
}

// SendForward lets the command of that full method name make the next response
// of a streamed method of an action, or the first one of a CRDT's, in place of a
// Send. Ctx is the stream's context, or one made from it.
func SendForward(ctx context.Context, fullMethod string, request proto.Message) error {
	if c := current(ctx, "SendForward"); c.replica.mayChange() && c.method.streams() {
		f, err := forwardTo(ctx, fullMethod, request, c.method.reply())
		if err != nil {
			c.abort(fmt.Errorf("sdk.SendForward: %w", err))
		}
		c.forward = f
		return nil
	}
	return send(ctx, "SendForward", func(c *call) (*response, error) {
		f, err := forwardTo(ctx, fullMethod, request, c.method.reply())
		return &response{Response: &cloudstate.ActionResponse_Forward{Forward: f}}, err
	})
}

// SendFailure sends the text of err as the next response of a streamed method of
// an action, in place of a Send. It ends the call for the client, as returning
// err does, but the method may go on, and have further effects.
func SendFailure(ctx context.Context, err error) error {
	return send(ctx, "SendFailure", func(*call) (*response, error) { return failed(err), nil })
}

// SendEffects sends the effects since the last response of a streamed method of
// an action, and nothing to the client.
func SendEffects(ctx context.Context) error {
	return send(ctx, "SendEffects", func(*call) (*response, error) { return &response{}, nil })
}

// send sends what is made for the stream that ctx is of.
func send(ctx context.Context, fn string, build func(*call) (*response, error)) error {
	c := current(ctx, fn)
	c.must(fn, c.call != nil && c.method.streams(), "streamed methods of actions")
	r, err := build(c.call)
	if err != nil {
		c.misuse = &misuse{fmt.Errorf("sdk.%s: %w", fn, err)}
		return c.misuse
	}
	return c.call.respond(r)
}

// MessageMetadata returns the metadata of the request that a streamed method of
// an action has received last. That of the call itself is in the context, as for
// all commands.
func MessageMetadata(ctx context.Context) metadata.MD {
	c := current(ctx, "MessageMetadata")
	c.must("MessageMetadata", c.call != nil && c.method.streams(), "streamed methods of actions")
	return fromMetadata(c.call.pipe.received)
}

// A pipe leads to the proxy, in a streamed call.
type pipe struct {
	in, out bool            // which sides are streamed
	ctx     context.Context //nolint:containedctx // a stream has one
	recv    func() (*cloudstate.ActionCommand, error)
	send    func(*response) error

	first    *cloudstate.ActionCommand // received, but not yet by the method
	received *cloudstate.Metadata      // of the last message
}

func (p *pipe) next() (*cloudstate.ActionCommand, error) {
	if in := p.first; in != nil {
		p.first = nil
		return in, nil
	}
	return p.recv()
}

// stream lets the server handle a streamed call, and returns what is to be sent
// in the end, if anything is. An error is a fault.
func (c *call) stream() (*response, error) {
	err := c.method.stream.Handler(c.server, serverStream{c})
	if c.misuse != nil {
		return nil, c.misuse
	}
	last := c.held
	switch {
	case err != nil:
		last = failed(err)
	case last == nil && (!c.pipe.out || len(c.effects) > 0):
		last = &response{}
	}
	if last != nil {
		last.SideEffects = c.effects
	}
	return last, nil
}

// respond sends a response with the effects since the last one. If the method
// makes only one, that has all effects, and waits for the method to return.
func (c *call) respond(r *response) error {
	if !c.pipe.out {
		if c.held != nil {
			return status.Errorf(codes.Internal, "%s has one response, and has made it", c.method.name)
		}
		c.held = r
		return nil
	}
	r.SideEffects, c.effects = c.effects, nil
	return c.pipe.send(r)
}

// A serverStream is what the generated code sees of a streamed call.
type serverStream struct{ *call }

func (s serverStream) Context() context.Context { return &s.command }

// RecvMsg receives the next request.
func (s serverStream) RecvMsg(into any) error {
	in, err := s.pipe.next()
	if err != nil {
		return err
	}
	s.pipe.received = in.GetMetadata()
	if err := s.method.decode(in.GetPayload(), into); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// SendMsg sends the next response.
func (s serverStream) SendMsg(m any) error {
	msg, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "a response of %s is a %T, not a message", s.method.name, m)
	}
	r := &response{}
	if err := s.answer(r, msg); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return s.respond(r)
}

func (s serverStream) SetHeader(md metadata.MD) error  { return s.setHeader(md) }
func (s serverStream) SendHeader(md metadata.MD) error { return s.setHeader(md) }

// SetTrailer can't say that it does nothing, but the log can.
func (s serverStream) SetTrailer(metadata.MD) {
	s.log.Warn("trailers are not sent", "entity", s.service, "command", s.method.name, "error", errNoTrailers)
}

// A callHeader lets grpc.SetHeader set the metadata of the next reply, and not
// that of the proxy's own call.
type callHeader struct{ *call }

func (h callHeader) Method() string                  { return h.fullMethod() }
func (h callHeader) SetHeader(md metadata.MD) error  { return h.setHeader(md) }
func (h callHeader) SendHeader(md metadata.MD) error { return h.setHeader(md) }
func (h callHeader) SetTrailer(metadata.MD) error    { return errNoTrailers }

var (
	_ grpc.ServerStream          = serverStream{}
	_ grpc.ServerTransportStream = callHeader{}
)

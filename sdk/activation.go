// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// An activation is what the instances of all types of entities with state have
// in common: one stream, and one command at a time. It belongs to the goroutine
// of the stream.
type activation struct {
	//nolint:containedctx // the stream's; an instance lives no longer.
	ctx     context.Context
	log     *slog.Logger
	gate    *gate
	service string // that the entity serves; "" before the init
	id      string
	current *command // being handled
}

// begin sets up the activation of a stream with that context. Commands must not
// see the metadata of the stream that they share, nor set it.
func (a *activation) begin(stream context.Context) {
	a.ctx = grpc.NewContextWithServerTransportStream(metadata.NewIncomingContext(stream, nil), replyHeader{a})
}

// An incoming message is one of the proxy's, of whatever protocol.
type incoming interface{ GetCommand() *cloudstate.Command }

// converse handles the messages of a stream, until the proxy has ended its side
// or the instance can't go on. Take handles one message; its error is a fault:
// the state can't be trusted any more.
func converse[In, Out any](a *activation, stream grpc.BidiStreamingServer[In, Out], take func(*In) (*Out, error), failure func(*cloudstate.Failure) *Out) error {
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if on, err := step(a, stream, in, take, failure); !on {
			return err
		}
	}
}

// step handles one message, and reports whether there may be another one.
func step[In, Out any](a *activation, stream grpc.BidiStreamingServer[In, Out], in *In, take func(*In) (*Out, error), failure func(*cloudstate.Failure) *Out) (on bool, err error) {
	if !a.gate.enter() {
		return false, errStopping
	}
	defer a.gate.leave()
	out, err := guarded(in, take)
	if err != nil {
		c := any(in).(incoming).GetCommand()
		a.logFault(c, err)
		return false, stream.Send(failure(&cloudstate.Failure{CommandId: c.GetId(), Description: err.Error()}))
	}
	if out == nil {
		return true, nil
	}
	return true, stream.Send(out)
}

var errStopping = status.Error(codes.Unavailable, "the function is stopping")

// guarded calls take and makes an error of a panic.
func guarded[In, Out any](in *In, take func(*In) (*Out, error)) (out *Out, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, asFault(v)
		}
	}()
	return take(in)
}

// A panicked is what was thrown by the function's code, and where.
type panicked struct {
	error
	stack []byte
}

func (p *panicked) Unwrap() error { return p.error }

// asFault makes an error of what was recovered.
func asFault(v any) error {
	err, ok := v.(*misuse)
	if !ok {
		return &panicked{error: fmt.Errorf("panic: %v", v), stack: debug.Stack()}
	}
	return &panicked{error: err, stack: debug.Stack()}
}

// stackOf returns the attributes of a log record that say where err was thrown,
// if it was.
func stackOf(err error) []any {
	if p := (*panicked)(nil); errors.As(err, &p) {
		return []any{"stack", string(p.stack)}
	}
	return nil
}

// logFault says all that the author of the function needs to find the fault.
func (a *activation) logFault(c *cloudstate.Command, err error) {
	attrs := []any{"entity_id", a.id, "error", err}
	if a.service != "" {
		attrs = append(attrs, "entity", a.service)
	}
	if c != nil {
		attrs = append(attrs, "command", c.GetName(), "command_id", c.GetId())
	}
	a.log.Error("fault in the function; the instance is given up", append(attrs, stackOf(err)...)...)
}

// takes says why the activation can't handle a command, if it can't.
func (a *activation) takes(m *cloudstate.Command) error {
	switch {
	case a.service == "":
		return errors.New("the proxy sent a command before the init")
	case m.GetEntityId() != a.id:
		return fmt.Errorf("the proxy sent a command for %q", m.GetEntityId())
	}
	return nil
}

// run lets state handle a command. Either the command was refused, or there is
// a fault, or there is a reply.
func (a *activation) run(c *command, state any, m *cloudstate.Command) (reply proto.Message, refused, fault error) {
	var out any
	var err error
	a.handle(c, m.GetPayload(), m.GetMetadata(), func() {
		if c.method.streams() {
			reply, err = c.stream(state)
		} else if out, err = c.method.call(state, c, c.decode, nil); err == nil {
			reply = out.(proto.Message)
		}
	})
	switch {
	case c.misuse != nil:
		return nil, nil, c.misuse
	case err != nil:
		return nil, err, nil
	}
	return reply, nil, nil
}

// handle calls f with c as what is being handled.
func (a *activation) handle(c *command, request *anypb.Any, md *cloudstate.Metadata, f func()) {
	c.Context, c.service, c.request = a.ctx, a.service, request
	if md != nil {
		c.Context = metadata.NewIncomingContext(a.ctx, fromMetadata(md))
	}
	a.current = c
	defer func() { c.ended, a.current = true, nil }()
	f()
}

// unknown says that an entity has no such command.
func (a *activation) unknown(m *cloudstate.Command) error {
	return fmt.Errorf("%s has no command %s", a.service, m.GetName())
}

// refusal is what the client of a refused command gets.
func refusal(id int64, err error, restart bool) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: status.Convert(err).Message(), Restart: restart},
	}}
}

// A clientAction is one with the messages that it usually consists of, in one
// allocation.
type clientAction struct {
	action  cloudstate.ClientAction
	reply   cloudstate.ClientAction_Reply
	message cloudstate.Reply
	payload anypb.Any
}

// of returns what the client of a command that was not refused gets.
func (a *clientAction) of(c *command, reply proto.Message) (*cloudstate.ClientAction, error) {
	if c.forward != nil {
		if reply.ProtoReflect().IsValid() {
			return nil, fmt.Errorf("the command %s called sdk.Forward and then returned a reply of its own", c.method.name)
		}
		a.action.Action = &cloudstate.ClientAction_Forward{Forward: c.forward}
		return &a.action, nil
	}
	if err := c.encode(&a.message, &a.payload, reply); err != nil {
		return nil, err
	}
	a.reply.Reply = &a.message
	a.action.Action = &a.reply
	return &a.action, nil
}

// encode makes the protocol's reply of a message.
func (c *command) encode(into *cloudstate.Reply, payload *anypb.Any, reply proto.Message) error {
	value, err := proto.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode the reply of %s: %w", c.method.name, err)
	}
	payload.TypeUrl, payload.Value = c.method.replyURL, value
	into.Payload, into.Metadata = payload, toMetadata(c.header)
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"fmt"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Emit applies event to the state at once and has it stored with the reply.
// The entity must be event sourced, with a handler for the event's type. An
// [anypb.Any] is stored as what is in it, see [JSON].
func Emit(ctx context.Context, event proto.Message) {
	c := current(ctx, "Emit")
	c.must("Emit", c.instance != nil, "the commands of event sourced entities")
	if err := c.instance.emit(event); err != nil {
		c.abort(fmt.Errorf("sdk.Emit: %w", err))
	}
}

// Update sets the state to value at once and has it stored with the reply, in
// place of what was stored. The entity must be a value entity, and value of the
// type of its State. Of several updates in a command, the last one is stored.
func Update(ctx context.Context, value proto.Message) {
	c := current(ctx, "Update")
	c.must("Update", c.value != nil, "the commands of value entities")
	if err := c.value.update(value); err != nil {
		c.abort(fmt.Errorf("sdk.Update: %w", err))
	}
}

// Delete has what is stored deleted with the reply. The state stays as it is
// until the command returns; the next command of an event sourced or value entity
// finds a new one. An [Update] after it is stored all the same; an [Emit], before
// or after, is deleted with the rest. A CRDT is gone for good, on all proxies.
func Delete(ctx context.Context) {
	c := current(ctx, "Delete")
	c.must("Delete", c.instance != nil || c.value != nil || c.replica.mayChange(), "the commands of entities with state")
	switch {
	case c.instance != nil:
		c.instance.deleting = true
	case c.value != nil:
		c.value.next = change{made: true}
	default:
		c.replica.deleted = true
	}
}

// Forward lets the command of that full method name answer the client instead
// of this one, after what is stored and the effects of this one. Its two results
// are those of the command that calls it; R is the type of reply that the client
// waits for:
//
//	return sdk.Forward[*shop.Cart](ctx, shop.ShoppingCart_GetCart_FullMethodName, &shop.GetCartRequest{...})
//
// Streamed methods have [SendForward].
func Forward[R proto.Message](ctx context.Context, fullMethod string, request proto.Message) (R, error) {
	var none R
	c := current(ctx, "Forward")
	watching := c.replica != nil && c.replica.watching
	c.must("Forward", !c.method.streams() || watching, "unary commands; streamed ones have sdk.SendForward")
	var reply protoreflect.FullName
	if any(none) != nil {
		reply = none.ProtoReflect().Descriptor().FullName()
	}
	f, err := forwardTo(ctx, fullMethod, request, reply)
	if err != nil {
		c.abort(fmt.Errorf("sdk.Forward: %w", err))
	}
	c.forward = f
	return none, nil
}

// Effect sends request to the command of that full method name once this
// command has been stored. The client doesn't see the answer. Effects are sent
// in the order of these calls. Those of a command that is refused are not sent,
// except those of an action. In a streamed method, an effect goes with the next
// response, or with the end.
func Effect(ctx context.Context, fullMethod string, request proto.Message, opts ...EffectOption) {
	c := current(ctx, "Effect")
	t, payload, err := outgoing(fullMethod, request, "")
	if err != nil {
		c.abort(fmt.Errorf("sdk.Effect: %w", err))
	}
	e := &cloudstate.SideEffect{ServiceName: t.service, CommandName: t.command, Payload: payload, Metadata: outgoingMetadata(ctx)}
	for _, o := range opts {
		o.apply(e)
	}
	c.effects = append(c.effects, e)
}

// An EffectOption changes how an effect is sent.
type EffectOption struct {
	apply func(*cloudstate.SideEffect)
}

// Synchronous lets the client's reply wait until the effect, and what follows
// from it, has been carried out.
func Synchronous() EffectOption {
	return EffectOption{apply: func(e *cloudstate.SideEffect) { e.Synchronous = true }}
}

// A command is one command being handled. It is also the context that it is
// handled with, so that both are one allocation.
type command struct {
	//nolint:containedctx // a command is a context; this is its parent.
	context.Context
	service string
	method  *method
	request *anypb.Any

	effects []*cloudstate.SideEffect
	forward *cloudstate.Forward
	header  metadata.MD // of the reply
	misuse  error       // of this package; the command can't be answered
	ended   bool
	owner
}

// An owner is what a command is one of; the others are nil.
type owner struct {
	instance *instance
	value    *value
	replica  *turn
	call     *call
}

type commandKey struct{}

// Value makes the command known to those who have its context.
func (c *command) Value(key any) any {
	if _, ok := key.(commandKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// current returns the command that ctx is of. Without one, the caller isn't
// running in a function, and there is nobody to tell but him.
func current(ctx context.Context, fn string) *command {
	c, ok := ctx.Value(commandKey{}).(*command)
	switch {
	case !ok:
		panic("sdk." + fn + " needs the context of a command; in tests, call commands through package sdktest")
	case c.ended:
		panic("sdk." + fn + " was called when the command " + c.method.name + " had already returned")
	}
	return c
}

// abort ends the command with an error of its author. It is kept too, for the
// case that somebody recovers from the panic.
func (c *command) abort(err error) {
	c.misuse = &misuse{err}
	panic(c.misuse)
}

// A misuse is an error in how a command used this package.
type misuse struct{ error }

func (m *misuse) Unwrap() error { return m.error }

// must aborts the command unless it may call a function of this package.
func (c *command) must(fn string, may bool, who string) {
	if !may {
		c.abort(fmt.Errorf("sdk.%s is for %s, which %s of %s is not", fn, who, c.method.name, c.service))
	}
}

func forwardTo(ctx context.Context, fullMethod string, request proto.Message, reply protoreflect.FullName) (*cloudstate.Forward, error) {
	t, payload, err := outgoing(fullMethod, request, reply)
	if err != nil {
		return nil, err
	}
	return &cloudstate.Forward{ServiceName: t.service, CommandName: t.command, Payload: payload, Metadata: outgoingMetadata(ctx)}, nil
}

// outgoingMetadata returns what the author wants to be sent with a call.
func outgoingMetadata(ctx context.Context) *cloudstate.Metadata {
	md, _ := metadata.FromOutgoingContext(ctx)
	return toMetadata(md)
}

// outgoing returns the target and the payload of a call that a command makes.
func outgoing(fullMethod string, request proto.Message, reply protoreflect.FullName) (target, *anypb.Any, error) {
	t, err := targetOf(fullMethod, request, reply)
	if err != nil {
		return target{}, nil, err
	}
	value, err := proto.Marshal(request)
	if err != nil {
		return target{}, nil, fmt.Errorf("encode the request to %s: %w", fullMethod, err)
	}
	return t, &anypb.Any{TypeUrl: typeURL(nameOf(request)), Value: value}, nil
}

// decode reads the request into the message that the generated code made.
func (c *command) decode(into any) error { return c.method.decode(c.request, into) }

// decode reads a request into a message.
func (m *method) decode(request *anypb.Any, into any) error {
	msg, ok := into.(proto.Message)
	if !ok {
		return fmt.Errorf("the request of %s is a %T, not a message", m.name, into)
	}
	if whole, ok := into.(*anypb.Any); ok && typeName(request.GetTypeUrl()) != anyName { // an event of some type
		whole.TypeUrl, whole.Value = request.GetTypeUrl(), request.GetValue()
		return nil
	}
	if want := nameOf(msg); typeName(request.GetTypeUrl()) != want {
		return fmt.Errorf("%s takes a %s, not a %q", m.name, want, request.GetTypeUrl())
	}
	if err := proto.Unmarshal(request.GetValue(), msg); err != nil {
		return fmt.Errorf("the request of %s can't be decoded: %w", m.name, err)
	}
	return nil
}

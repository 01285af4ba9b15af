// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// maxChain is how many forwards and effects may follow on one another.
const maxChain = 32

// Invoke calls a command. Generated clients use it.
func (p *Proxy) Invoke(ctx context.Context, fullMethod string, in, out any, opts ...grpc.CallOption) error {
	md, _ := metadata.FromOutgoingContext(ctx)
	reply, err := p.call(ctx, fullMethod, in.(proto.Message), fromMD(md), 0)
	if err != nil {
		return err
	}
	for _, o := range opts {
		if h, ok := o.(grpc.HeaderCallOption); ok {
			*h.HeaderAddr = toMD(reply.GetMetadata())
		}
	}
	return unpack(reply, out, fullMethod)
}

// unpack reads a reply into out. Without a payload, that stays empty.
func unpack(reply *cloudstate.Reply, out any, fullMethod string) error {
	if reply.GetPayload() == nil {
		return nil
	}
	if err := reply.GetPayload().UnmarshalTo(out.(proto.Message)); err != nil {
		return status.Errorf(codes.Internal, "reply of %s: %v", fullMethod, err)
	}
	return nil
}

// An outcome is what a command came to, of whatever protocol.
type outcome struct {
	effects []*cloudstate.SideEffect
	events  []event // that were stored
	goesOn  bool    // streamed command of a CRDT: there is more to come

	// At most one of these is set.
	reply   *cloudstate.Reply
	forward *cloudstate.Forward
	failure *cloudstate.Failure
}

// call runs a command and what follows from it.
func (p *Proxy) call(ctx context.Context, fullMethod string, in proto.Message, md *cloudstate.Metadata, depth int) (*cloudstate.Reply, error) {
	if depth > maxChain {
		return nil, status.Errorf(codes.Internal, "more than %d commands in a chain, the last of them %s", maxChain, fullMethod)
	}
	o, err := p.run(ctx, fullMethod, in, md)
	if err != nil {
		return nil, err
	}
	return p.follow(ctx, o, depth)
}

// run lets the function handle a command.
func (p *Proxy) run(ctx context.Context, fullMethod string, in proto.Message, md *cloudstate.Metadata) (*outcome, error) {
	payload, err := anypb.New(in)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return p.runWith(ctx, fullMethod, payload, md)
}

// runWith lets the function handle a command with that payload.
func (p *Proxy) runWith(ctx context.Context, fullMethod string, payload *anypb.Any, md *cloudstate.Metadata) (*outcome, error) {
	service, name := split(fullMethod)
	e := p.entities[service]
	if e == nil {
		return nil, status.Errorf(codes.Unimplemented, "no entity of the function serves %s", fullMethod)
	}
	if e.GetEntityType() == actionType {
		return p.act(ctx, &cloudstate.ActionCommand{ServiceName: service, Name: name, Payload: payload, Metadata: md})
	}
	id, err := entityKey(decode(payload)[0])
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return p.instance(e, id).handle(ctx, &cloudstate.Command{EntityId: id, Name: name, Payload: payload, Metadata: md})
}

func split(fullMethod string) (service, name string) {
	service, name, _ = strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	return service, name
}

// follow runs what follows from a command, and returns the client's reply; nil
// if there is none.
func (p *Proxy) follow(ctx context.Context, o *outcome, depth int) (*cloudstate.Reply, error) {
	p.runEffects(ctx, o.effects, depth)
	p.tell(ctx, o.events, depth)
	switch {
	case o.failure != nil:
		return nil, status.Error(codes.Unknown, o.failure.GetDescription())
	case o.forward != nil:
		s := Sent{Method: methodName(o.forward), Message: decode(o.forward.GetPayload())[0], Forward: true}
		p.record(s)
		return p.call(ctx, s.Method, s.Message, o.forward.GetMetadata(), depth+1)
	}
	return o.reply, nil
}

// runEffects carries out what can be carried out here. As behind a proxy, an
// effect that is refused doesn't change the reply.
func (p *Proxy) runEffects(ctx context.Context, effects []*cloudstate.SideEffect, depth int) {
	for _, e := range effects {
		s := Sent{Method: methodName(e), Message: decode(e.GetPayload())[0], Synchronous: e.GetSynchronous()}
		p.record(s)
		if p.entities[e.GetServiceName()] == nil {
			continue
		}
		if _, err := p.call(ctx, s.Method, s.Message, e.GetMetadata(), depth+1); err != nil {
			p.log.Info("an effect was refused", "method", s.Method, "error", err)
		}
	}
}

func (p *Proxy) record(s Sent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, s)
}

func methodName(call interface {
	GetServiceName() string
	GetCommandName() string
}) string {
	return fmt.Sprintf("/%s/%s", call.GetServiceName(), call.GetCommandName())
}

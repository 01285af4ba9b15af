// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Stream carries out a call of an action on the caller's goroutine, whatever its
// shape, and returns how it has ended. The request, if it isn't streamed, is in
// call, and what is in ctx of deadline and cancellation is there too.
func (r *Router) Stream(ctx context.Context, call entity.Call, client entity.Exchange) error {
	r.Stats.Calls.Add(1)
	method, err := r.method(&call, nil)
	if err != nil {
		return err
	}
	if call.Key, err = keyOf(method, call.Metadata); err != nil {
		return err
	}
	if !method.ClientStreams && !method.ServerStreams {
		return r.unary(ctx, method, call, client)
	}
	s := &streaming{router: r, call: call, method: method, client: client}
	return r.Streams.Stream(ctx, method, call, client.Recv, func(o entity.Outcome) error { return s.handle(ctx, o) })
}

// unary carries out a call of one message with one reply.
func (r *Router) unary(ctx context.Context, method *route.Method, call entity.Call, client entity.Exchange) error {
	o, err := r.Unary.Call(ctx, method, call)
	if err != nil {
		return err
	}
	s := streaming{router: r, call: call, method: method, client: client}
	return s.handle(ctx, o)
}

// A streaming is a call that is answered on the goroutine of its caller.
type streaming struct {
	router   *Router
	call     entity.Call
	method   *route.Method
	client   entity.Exchange
	from     *hop
	followed int  // responses that had something to be carried out
	warned   bool // whether the function was told that it replies with another type
}

// handle does what the function's next response asks for.
func (s *streaming) handle(ctx context.Context, o entity.Outcome) error {
	answer := s.answer(ctx, o)
	switch {
	case answer.Err != nil:
		return answer.Err
	case o.None && s.method.ServerStreams:
		return nil
	}
	return s.client.Send(answer.Payload, answer.Metadata)
}

// answer returns what the client gets for o, once that can be said.
func (s *streaming) answer(ctx context.Context, o entity.Outcome) entity.Answer {
	if len(o.Effects) == 0 && o.Forward == nil {
		return s.plain(o)
	}
	s.followed++
	call := s.call
	call.Key = derived(call.Key, s.followed)
	answered := make(chan entity.Answer, 1) // nobody may take it
	f := &following{
		router: s.router, call: call, method: s.method, outcome: o, depth: s.from.depth() + 1, from: s.from,
		wrote: s.method.Entity.Type == route.CRDT,
		done:  func(a entity.Answer) { answered <- a },
	}
	f.next()
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
		return entity.Answer{Err: context.Cause(ctx)}
	}
}

// plain returns what the client gets for o, which has nothing to be carried
// out. Of a stream of replies with a wrong type one is reported.
func (s *streaming) plain(o entity.Outcome) entity.Answer {
	if s.warned || o.Reply.TypeURL == "" || o.Reply.TypeURL == s.method.OutputURL {
		return entity.Answer{Payload: o.Reply.Value, Metadata: o.Meta, Err: o.Err}
	}
	s.warned = true
	return s.router.answer(s.method, &o)
}

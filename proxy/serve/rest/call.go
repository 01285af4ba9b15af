// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/header"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// A call is one call on its way.
type call struct {
	handler *Handler
	served  *served
	binding *httprule.Binding
	method  *route.Method
	params  transcode.Params
	call    entity.Call
	ctx     context.Context //nolint:containedctx // a call lives no longer than its request
	end     func()
}

// newCall returns the call that the headers of a request make, without its
// message and its variables.
func newCall(h *Handler, s *served, b *httprule.Binding, m *route.Method, r *http.Request) (*call, error) {
	md, err := header.FromHTTP(r.Header)
	if err != nil {
		return nil, err
	}
	ctx, end := r.Context(), func() {}
	if timeout := r.Header.Get("Grpc-Timeout"); timeout != "" {
		d, ok := header.Timeout(timeout)
		if !ok {
			return nil, fmt.Errorf("%w: grpc-timeout %q is no number with one of the units H, M, S, m, u, n", entity.ErrInvalid, timeout)
		}
		ctx, end = context.WithTimeout(ctx, d)
	}
	c := &call{handler: h, served: s, binding: b, method: m, ctx: ctx, end: end}
	c.params.Query = r.URL.RawQuery
	c.call = entity.Call{Service: m.Service, Command: m.Name, Metadata: md, Done: ctx.Done()}
	c.call.Deadline, _ = ctx.Deadline()
	return c, nil
}

// ask has a call of one message carried out, and returns its answer.
func (c *call) ask() entity.Answer {
	if c.method.Entity.Type == route.Action {
		out := &single{}
		return out.of(c.handler.streamer.Stream(c.ctx, c.call, exchange{nothing{}, out}))
	}
	answered := make(chan entity.Answer, 1) // nobody may take it
	c.handler.submitter.Submit(c.call, func(a entity.Answer) { answered <- a })
	select {
	case a := <-answered:
		return a
	case <-c.ctx.Done():
		return entity.Answer{Err: context.Cause(c.ctx)}
	}
}

// An exchange is the client's side of a call, made of its two directions.
type exchange struct {
	receiver
	sender
}

type receiver interface{ Recv() ([]byte, error) }

type sender interface {
	Send(payload []byte, md entity.Metadata) error
}

// A single keeps the one reply of a call.
type single struct {
	answer entity.Answer
	sent   bool
}

// Send keeps the reply.
func (s *single) Send(payload []byte, md entity.Metadata) error {
	s.answer, s.sent = entity.Answer{Payload: payload, Metadata: md}, true
	return nil
}

// of returns the answer of a call that has ended with err.
func (s *single) of(err error) entity.Answer {
	switch {
	case err != nil:
		s.answer = entity.Answer{Metadata: s.answer.Metadata, Err: err}
	case !s.sent:
		s.answer.Err = fmt.Errorf("no reply came: %w", entity.ErrProtocol)
	}
	return s.answer
}

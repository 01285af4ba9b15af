// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// stream serves a call of any shape that a Streamer carries out.
func (s *GRPC) stream(ctx context.Context, m *route.Method, call entity.Call, stream grpc.ServerStream) error {
	c := s.newClient(stream, m)
	if m.ClientStreams || m.ServerStreams {
		var end func()
		ctx, end = s.streams.begin(ctx)
		defer end()
	} else { // whoever has it has it no longer than the call lasts
		defer s.keep(c)
	}
	var err error
	if !m.ClientStreams {
		if call.Payload, err = receiveOne(stream, m, &c.in); err != nil {
			return err
		}
	}
	err = s.streamer.Stream(ctx, call, c)
	s.setTrailer(stream, m, c.last)
	if err == nil {
		return nil
	}
	if st, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return st // what is wrong with the client
	}
	return s.failed(stream, m, err)
}

// newClient returns a client, which may have been used before.
func (s *GRPC) newClient(stream grpc.ServerStream, m *route.Method) *client {
	c, _ := s.clients.Get().(*client)
	if c == nil {
		c = &client{}
	}
	c.grpc, c.stream, c.method = s, stream, m
	return c
}

// keep keeps c, which nobody uses any more, for another call.
func (s *GRPC) keep(c *client) {
	*c = client{}
	s.clients.Put(c)
}

// A client is the client's side of a streamed call.
type client struct {
	grpc    *GRPC
	stream  grpc.ServerStream
	method  *route.Method
	started bool            // whether a message was sent
	last    entity.Metadata // of the last message after the first that had any
	in, out Raw             // used again and again
}

var _ entity.Exchange = (*client)(nil)

// Recv returns the next message. Its error is io.EOF or a status.
func (c *client) Recv() ([]byte, error) {
	if err := c.stream.RecvMsg(&c.in); err != nil {
		return nil, err
	}
	return c.in.Bytes, nil
}

// Send sends a message. Metadata of the first one becomes headers, that of the
// last one trailers: gRPC has no place for that of others.
func (c *client) Send(payload []byte, md entity.Metadata) error {
	switch {
	case !c.started:
		c.started = true
		if err := c.grpc.setHeader(c.stream, c.method, md); err != nil {
			return err
		}
	case len(md) > 0:
		c.last = md
	}
	c.out.Bytes = payload
	return c.stream.SendMsg(&c.out)
}

// ErrCutOff is why a call ends when the proxy stops and can't wait for it.
var ErrCutOff = fmt.Errorf("%w: the proxy is stopping", entity.ErrUnknownOutcome)

// streams are the streamed calls that run, so that they can be ended. Those of
// one message with one reply are too many to be listed: they see for themselves
// that off is closed.
type streams struct {
	off [16]chan struct{} // closed when no call is waited for any more; many, or all calls would meet at the lock of one
	use atomic.Uint32     // how many exchanges have got one of off

	mu   sync.Mutex
	over bool
	open map[*context.CancelCauseFunc]bool
}

func newStreams() *streams {
	s := &streams{}
	for i := range s.off {
		s.off[i] = make(chan struct{})
	}
	return s
}

// newExchange returns an exchange that sees the end.
func (s *streams) newExchange() *exchange {
	return &exchange{ready: make(chan struct{}, 1), off: s.off[s.use.Add(1)%uint32(len(s.off))]}
}

// begin returns the context of a call that begins, and what ends it.
func (s *streams) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		cancel(ErrCutOff)
	}
	if s.open == nil {
		s.open = map[*context.CancelCauseFunc]bool{}
	}
	key := &cancel
	s.open[key] = true
	return ctx, func() {
		s.mu.Lock()
		delete(s.open, key)
		s.mu.Unlock()
		cancel(nil)
	}
}

// cut ends all calls, and those that are still to begin.
func (s *streams) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for cancel := range s.open {
		(*cancel)(ErrCutOff)
	}
	for _, off := range s.off {
		close(off)
	}
}

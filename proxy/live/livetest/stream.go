// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
)

// An In is what the proxy sends.
type In = cloudstate.EventSourcedStreamIn

// An Out is what the function sends.
type Out = cloudstate.EventSourcedStreamOut

// ErrEnded is what Next and Send return when the function itself has ended the
// stream.
var ErrEnded = errors.New("stream was ended by the function")

// A Stream is the function's side of an exchange. Next may be called by one
// goroutine at a time; the other methods by any.
type Stream struct {
	Method string

	// React, if set before the proxy sends anything, gets each message from
	// the goroutine that sends it, in place of Next.
	React func(*In)

	ctx      context.Context //nolint:containedctx // it is the stream's
	function *Function
	in       chan []byte   // its capacity is the window
	out      chan []byte   // has room for more than the proxy ever asks for
	half     chan struct{} // closed when the proxy sends no more
	over     chan struct{} // closed when the function has ended the stream
	once     [2]sync.Once  // for these two
	err      error         // why it has; set before over is closed
}

func newStream(ctx context.Context, f *Function, method string, window int) *Stream {
	return &Stream{
		Method: method, ctx: ctx, function: f,
		in: make(chan []byte, window), out: make(chan []byte, 16),
		half: make(chan struct{}), over: make(chan struct{}),
	}
}

// Next returns the next message from the proxy, to an event sourced entity. It
// returns [io.EOF] when the proxy sends no more, and the context's error when it
// has given the stream up.
func (s *Stream) Next() (*In, error) { return next(s, &In{}) }

// next reads the next message into m.
func next[M proto.Message](s *Stream, m M) (M, error) {
	data, err := s.NextBytes()
	if err != nil {
		return m, err
	}
	return m, decode(data, m)
}

func decode(data []byte, m proto.Message) error {
	if err := proto.Unmarshal(data, m); err != nil {
		return fmt.Errorf("decode a message of the proxy: %w", err)
	}
	return nil
}

// NextBytes returns the next message as it was sent.
func (s *Stream) NextBytes() ([]byte, error) {
	select {
	case m := <-s.in:
		return m, nil
	default:
	}
	select {
	case m := <-s.in:
		return m, nil
	case <-s.over:
		return nil, ErrEnded
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	case <-s.half:
	}
	select {
	case m := <-s.in: // it came just before
		return m, nil
	default:
		return nil, io.EOF
	}
}

// Send sends m to the proxy.
func (s *Stream) Send(m *Out) error { return s.send(m) }

func (s *Stream) send(m proto.Message) error {
	data, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	return s.SendBytes(data)
}

// SendBytes sends what may not be a message at all.
func (s *Stream) SendBytes(data []byte) error {
	select {
	case s.out <- data:
		return nil
	case <-s.over:
		return ErrEnded
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// End ends the stream: in order if err is nil, else with err, which should wrap
// an error of package entity. What was sent before still reaches the proxy.
func (s *Stream) End(err error) {
	s.once[1].Do(func() {
		s.err = err
		close(s.over)
		s.function.forget(s)
	})
}

// Unread returns how many messages wait for Next.
func (s *Stream) Unread() int { return len(s.in) }

// Canceled is closed when the proxy has given the stream up.
func (s *Stream) Canceled() <-chan struct{} { return s.ctx.Done() }

// HalfClosed is closed when the proxy sends no more.
func (s *Stream) HalfClosed() <-chan struct{} { return s.half }

// proxySide is a Stream as the proxy sees it.
type proxySide Stream

var _ live.Stream = (*proxySide)(nil)

func (p *proxySide) Send(m live.Marshaler) error {
	size := m.SizeWire()
	data := m.AppendWire(nil)
	if len(data) != size {
		return fmt.Errorf("message of %d bytes says that it has %d", len(data), size)
	}
	if p.ended() {
		return io.EOF
	}
	if p.React != nil {
		in := &In{}
		if err := decode(data, in); err != nil {
			return err
		}
		p.React(in)
		return nil
	}
	select {
	case p.in <- data:
		return nil
	case <-p.over:
	case <-p.ctx.Done():
	}
	return io.EOF
}

func (p *proxySide) ended() bool {
	select {
	case <-p.over:
		return true
	case <-p.ctx.Done():
		return true
	default:
		return false
	}
}

func (p *proxySide) Recv(m live.Unmarshaler) error {
	select {
	case data := <-p.out:
		return read(m, data)
	default:
	}
	select {
	case data := <-p.out:
		return read(m, data)
	case <-p.ctx.Done():
		(*Stream)(p).function.forget((*Stream)(p))
		return fmt.Errorf("stream was given up: %w", entity.ErrUnavailable)
	case <-p.over:
	}
	select {
	case data := <-p.out: // it came just before
		return read(m, data)
	default:
	}
	if p.err == nil {
		return io.EOF
	}
	return p.err
}

func read(m live.Unmarshaler, data []byte) error {
	if err := m.UnmarshalWire(data); err != nil {
		return fmt.Errorf("decode an answer: %w: %w", err, entity.ErrProtocol)
	}
	return nil
}

func (p *proxySide) CloseSend() error {
	p.once[0].Do(func() { close(p.half) })
	return nil
}

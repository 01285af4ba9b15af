// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/tck/exchange"
)

// A Stream is one that the suite opens: to a function, in place of a proxy, or to
// a proxy.
type Stream[In, Out any] struct {
	t      *T
	stream grpc.BidiStreamingClient[In, Out]
	cancel context.CancelFunc
}

// Open opens a stream. The function open is a method of a generated client, such
// as
//
//	cloudstate.NewEventSourcedClient(t.Function).Handle
func Open[In, Out any](t *T, open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[In, Out], error)) *Stream[In, Out] {
	return openIn(t.ctx, t, open)
}

func openIn[In, Out any](ctx context.Context, t *T, open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[In, Out], error)) *Stream[In, Out] {
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	stream, err := open(ctx)
	if err != nil {
		t.Fatalf("the stream can't be opened: %v", err)
	}
	return &Stream[In, Out]{t: t, stream: stream, cancel: cancel}
}

// OpenMethod opens a stream of any shape by the full name of its method. Where only
// one side is streamed, the other one still says one message.
func OpenMethod[In, Out any](t *T, conn grpc.ClientConnInterface, path string) *Stream[In, Out] {
	return OpenMethodIn[In, Out](t.ctx, t, conn, path)
}

// OpenMethodIn is [OpenMethod] in a context of the case's own, with metadata or a
// deadline.
func OpenMethodIn[In, Out any](ctx context.Context, t *T, conn grpc.ClientConnInterface, path string) *Stream[In, Out] {
	return openIn(ctx, t, func(ctx context.Context, opts ...grpc.CallOption) (grpc.BidiStreamingClient[In, Out], error) {
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path, opts...)
		if err != nil {
			return nil, err
		}
		return &grpc.GenericClientStream[In, Out]{ClientStream: s}, nil
	})
}

// Send sends a message.
func (s *Stream[In, Out]) Send(m *In) {
	if err := s.stream.Send(m); err != nil {
		_, err := s.stream.Recv() // which knows why
		s.t.Fatalf("the stream has ended: %v", err)
	}
}

// Next waits for the next message.
func (s *Stream[In, Out]) Next() *Out {
	m, err := s.receive()
	if err != nil {
		s.t.Fatalf("the stream has ended instead of an answer: %v", err)
	}
	return m
}

// Expect waits for the next message and compares it.
func (s *Stream[In, Out]) Expect(want *Out) {
	s.t.Equal("what comes back", any(want).(proto.Message), any(s.Next()).(proto.Message))
}

// Close half-closes the stream and waits until the other side has ended it, which
// it must do without a further message and without an error.
func (s *Stream[In, Out]) Close() {
	s.HalfClose()
	s.Ended()
}

// HalfClose says that nothing more will be sent.
func (s *Stream[In, Out]) HalfClose() {
	if err := s.stream.CloseSend(); err != nil {
		s.t.Fatalf("half-close the stream: %v", err)
	}
}

// Ended waits until the other side has ended the stream, which it must do without
// a further message and without an error.
func (s *Stream[In, Out]) Ended() {
	switch m, err := s.receive(); {
	case err == nil:
		s.t.Fatalf("this came back, which nobody has asked for:\n%s", exchange.Text(any(m).(proto.Message)))
	case !errors.Is(err, io.EOF):
		s.t.Fatalf("the stream did not end well: %v", err)
	}
}

// Cancel gives the stream up, which must not have a message that was not received.
func (s *Stream[In, Out]) Cancel() {
	s.cancel()
	_ = s.Fails() // with the cancellation
}

// Header returns the response headers, which must have come.
func (s *Stream[In, Out]) Header() metadata.MD {
	md, err := s.stream.Header()
	if err != nil {
		s.t.Fatalf("there are no headers: %v", err)
	}
	return md
}

// Trailer returns the trailers of a stream that the other side has ended.
func (s *Stream[In, Out]) Trailer() metadata.MD { return s.stream.Trailer() }

// Fails waits until the other side has ended the stream with an error, and
// returns that.
func (s *Stream[In, Out]) Fails() error {
	m, err := s.receive()
	switch {
	case err == nil:
		s.t.Fatalf("this came back instead of an error:\n%s", exchange.Text(any(m).(proto.Message)))
	case errors.Is(err, io.EOF):
		s.t.Fatalf("the stream ended well, and should not have")
	}
	return err
}

// receive waits for the next message, but not for ever.
func (s *Stream[In, Out]) receive() (*Out, error) {
	type result struct {
		m   *Out
		err error
	}
	got := make(chan result, 1)
	go func() {
		m, err := s.stream.Recv()
		got <- result{m, err}
	}()
	ctx, cancel := s.t.Waiting()
	defer cancel()
	select {
	case r := <-got:
		return r.m, r.err
	case <-ctx.Done():
		s.t.Fatalf("nothing came back within %v", Wait)
		return nil, nil
	}
}

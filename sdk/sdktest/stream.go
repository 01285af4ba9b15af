// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A stream is one in memory, between the proxy and the function.
type stream[In, Out any] struct {
	grpc.ServerStream
	ctx    context.Context //nolint:containedctx // gRPC's streams have one
	cancel context.CancelFunc
	in     chan *In // closed by the proxy
	out    chan *Out
	done   chan struct{} // closed when the function has ended its side
	err    error         // of the function's side; set before done is closed
	answer bool          // whether the function may only answer what it was asked
}

// start lets the function handle a stream. Whoever starts one must end it.
func start[In, Out any](s *stream[In, Out], handle func(*grpc.GenericServerStream[In, Out]) error) {
	go func() {
		defer close(s.done)
		s.err = handle(&grpc.GenericServerStream[In, Out]{ServerStream: s})
	}()
}

// open starts the stream of an instance. It has room for one answer, so that a
// failure during replay doesn't wait for the proxy, which is still sending.
func open[In, Out any](handle func(grpc.BidiStreamingServer[In, Out]) error) *stream[In, Out] {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // a stream outlives the call that opens it
	s := &stream[In, Out]{ctx: ctx, cancel: cancel, in: make(chan *In), out: make(chan *Out, 1), done: make(chan struct{}), answer: true}
	start(s, func(server *grpc.GenericServerStream[In, Out]) error { return handle(server) })
	return s
}

// send gives the function a message, unless it has ended its side.
func (s *stream[In, Out]) send(in *In) {
	select {
	case s.in <- in:
	case <-s.done:
	}
}

// exchange sends a message and waits for the answer, nil if there is none.
func (s *stream[In, Out]) exchange(in *In) *Out {
	s.send(in)
	select {
	case out := <-s.out:
		return out
	case <-s.done:
	}
	select { // it may have answered just before it ended
	case out := <-s.out:
		return out
	default:
		return nil
	}
}

// end ends the stream and waits until the function has ended its side.
func (s *stream[In, Out]) end() {
	close(s.in)
	<-s.done
	s.cancel()
}

func (s *stream[In, Out]) Context() context.Context     { return s.ctx }
func (s *stream[In, Out]) SetHeader(metadata.MD) error  { return nil }
func (s *stream[In, Out]) SendHeader(metadata.MD) error { return nil }
func (s *stream[In, Out]) SetTrailer(metadata.MD)       {}

// RecvMsg gives the function what the proxy has sent, encoded and decoded.
func (s *stream[In, Out]) RecvMsg(m any) error {
	select {
	case in, ok := <-s.in:
		if !ok {
			return io.EOF
		}
		return transfer(in, m)
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// SendMsg gives the proxy what the function says.
func (s *stream[In, Out]) SendMsg(m any) error {
	out := new(Out)
	if err := transfer(m, out); err != nil {
		return err
	}
	if s.answer {
		select {
		case s.out <- out:
			return nil
		default:
			return errors.New("sdktest: the function answers what it wasn't asked")
		}
	}
	select {
	case s.out <- out:
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// transfer copies a message by way of its encoding, as a network does.
func transfer(from, to any) error {
	b, err := proto.Marshal(from.(proto.Message))
	if err != nil {
		return err
	}
	return proto.Unmarshal(b, to.(proto.Message))
}

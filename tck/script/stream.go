// SPDX-License-Identifier: Apache-2.0

package script

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Streams are those of one protocol that proxies have opened.
type Streams[In, Out any] struct {
	key    func(*In) string
	opened *queue[*Stream[In, Out]]
}

func newStreams[In, Out any](key func(*In) string) *Streams[In, Out] {
	return &Streams[In, Out]{key: key, opened: newQueue[*Stream[In, Out]]()}
}

// Next waits for the next stream for the instance with that key. Whoever takes
// a stream must end it.
func (s *Streams[In, Out]) Next(ctx context.Context, key string) (*Stream[In, Out], error) {
	next, err := s.opened.next(ctx, func(s *Stream[In, Out]) bool { return s.key == key })
	if err != nil {
		return nil, fmt.Errorf("no stream for %q was opened: %w", key, err)
	}
	return next, nil
}

// A conversation is what gRPC's streams have in common, whatever their shape.
type conversation[In, Out any] interface {
	Recv() (*In, error)
	Send(m *Out) error
	Context() context.Context
}

// handle is one call of a method of the protocol.
func (s *Streams[In, Out]) handle(call conversation[In, Out]) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	stream := &Stream[In, Out]{key: s.key(first), first: first, stream: call, ended: make(chan error)}
	s.opened.add(stream)
	select {
	case err := <-stream.ended:
		return err
	case <-call.Context().Done():
		return errGone
	}
}

// A Stream is one that a proxy has opened. One goroutine at a time may receive,
// and one send.
type Stream[In, Out any] struct {
	key    string
	first  *In // not received yet; nil afterwards
	stream conversation[In, Out]
	ended  chan error // takes how the stream ends
}

// Recv waits for the next message of the proxy. The error is io.EOF when there
// will be none.
func (s *Stream[In, Out]) Recv() (*In, error) {
	if first := s.first; first != nil {
		s.first = nil
		return first, nil
	}
	return s.stream.Recv()
}

// Send sends a message, whether the proxy expects one or not.
func (s *Stream[In, Out]) Send(m *Out) error { return s.stream.Send(m) }

// End ends the stream: with an error, or well if that is nil. It reports
// whether the stream was still there to be ended. Nothing may be received or
// sent from then on.
func (s *Stream[In, Out]) End(err error) bool {
	select {
	case s.ended <- err:
		return true
	case <-s.stream.Context().Done():
		return false
	}
}

// Gone is closed when the stream is over, whoever has ended it.
func (s *Stream[In, Out]) Gone() <-chan struct{} { return s.stream.Context().Done() }

// A queue holds what has come until somebody asks for it.
type queue[E any] struct {
	mu      sync.Mutex // protects what follows
	held    []E
	changed chan struct{} // closed and replaced with every addition
}

func newQueue[E any]() *queue[E] { return &queue[E]{changed: make(chan struct{})} }

func (q *queue[E]) add(e E) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = append(q.held, e)
	close(q.changed)
	q.changed = make(chan struct{})
}

// next waits for the first one that fits and takes it.
func (q *queue[E]) next(ctx context.Context, fits func(E) bool) (E, error) {
	for {
		q.mu.Lock()
		changed := q.changed
		if i := slices.IndexFunc(q.held, fits); i >= 0 {
			e := q.held[i]
			q.held = slices.Delete(q.held, i, i+1)
			q.mu.Unlock()
			return e, nil
		}
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			var none E
			return none, ctx.Err()
		}
	}
}

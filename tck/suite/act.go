// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/tck/script"
)

// An Act is one stream of an instance, played by the script.
type Act[In, Out any] struct {
	seen   *Connection
	stream *script.Stream[In, Out]
}

// Perform takes the script's end of the stream for the instance with that key,
// which seen is what is seen of.
func Perform[In, Out any](seen *Connection, streams *script.Streams[In, Out], key string) *Act[In, Out] {
	ctx, cancel := seen.t.Waiting()
	defer cancel()
	stream, err := streams.Next(ctx, key)
	if err != nil {
		seen.t.Fatalf("%v", err)
	}
	seen.t.Cleanup(func() { stream.End(nil) })
	return &Act[In, Out]{seen, stream}
}

// Says sends a message.
func (a *Act[In, Out]) Says(m *Out) {
	if err := a.stream.Send(m); err != nil {
		a.seen.t.Fatalf("the proxy has given up the stream: %v", err)
	}
	a.seen.FromFunction(any(m).(proto.Message))
}

// Leaves says last messages, after the first of which the proxy is to give the
// stream up, however it does that.
func (a *Act[In, Out]) Leaves(m *Out, more ...*Out) {
	a.Says(m)
	a.seen.Ignore()
	for _, m := range more {
		_ = a.stream.Send(m) // the proxy may have given the stream up
	}
}

// Ends ends the stream, well or with an error. What the proxy has sent
// meanwhile is lost.
func (a *Act[In, Out]) Ends(err error) {
	a.seen.Ignore()
	a.stream.End(err)
}

// Closes waits until the proxy has half-closed the stream, and ends it.
func (a *Act[In, Out]) Closes() {
	a.seen.HalfClosed()
	a.stream.End(nil)
	a.seen.Ended()
}

// A Question is a call by the client that is under way.
type Question struct {
	t       *T
	pending *Pending
}

// Ask begins a call of a unary method of the proxy; out is what the answer is
// read into.
func (t *T) Ask(path string, in, out proto.Message) *Question {
	return &Question{t, t.Start(path, in, out)}
}

// GoesAway lets the client go away, and waits until it has gone.
func (q *Question) GoesAway() { q.pending.Cancel() }

// Gets expects that answer.
func (q *Question) Gets(want proto.Message) {
	m, err := q.pending.Wait()
	q.t.answered(want, m, err)
}

// Answer waits for an answer, whatever it says.
func (q *Question) Answer() proto.Message {
	m, err := q.pending.Wait()
	if err != nil {
		q.t.Fatalf("the client should have got an answer, but got %v", err)
	}
	return m
}

// Fails expects an error with that description.
func (q *Question) Fails(description string) {
	_, err := q.pending.Wait()
	q.t.failed(description, err)
}

// Troubled expects an error that says something.
func (q *Question) Troubled() {
	if q.Maybe() {
		q.t.Fatalf("the client got a reply, though the function did not answer")
	}
}

// Maybe expects an answer, or an error that says something, and reports whether
// it was an answer.
func (q *Question) Maybe() bool {
	_, err := q.pending.Wait()
	if s := status.Convert(err); err != nil && s.Message() == "" {
		q.t.Fatalf("the client got the code %v without a word", s.Code())
	}
	return err == nil
}

// Recovers expects that answer to what is asked, at the latest at the third time:
// the first ones may be told of trouble that there was.
func (t *T) Recovers(ask func() *Question, want proto.Message) {
	for range 3 {
		if q := ask(); q.Maybe() {
			q.Gets(want)
			return
		}
	}
	t.Fatalf("the instance did not recover within three commands")
}

// Gets calls a unary method of the proxy and expects that answer.
func (t *T) Gets(path string, in, want proto.Message) {
	got := want.ProtoReflect().New().Interface()
	err := t.Invoke(path, in, got)
	t.answered(want, got, err)
}

// Fails calls a unary method of the proxy, which answers with a message like out,
// and expects an error with that description.
func (t *T) Fails(path string, in, out proto.Message, description string) {
	t.failed(description, t.Invoke(path, in, out))
}

func (t *T) answered(want, got proto.Message, err error) {
	if err != nil {
		s := status.Convert(err)
		t.Fatalf("the client should have got an answer, but got the error %q (%v)", s.Message(), s.Code())
	}
	t.Equal("what the client got", want, got)
}

func (t *T) failed(description string, err error) {
	switch s := status.Convert(err); {
	case err == nil:
		t.Fatalf("the client should have got the error %q, but got a reply", description)
	case s.Message() != description:
		t.Fatalf("the client should have got the error %q, but got %q (%v)", description, s.Message(), s.Code())
	}
}

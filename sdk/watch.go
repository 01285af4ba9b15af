// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A WriteConsistency says how many proxies must know of what a command has
// changed before its client is answered.
type WriteConsistency int32

// The write consistencies.
const (
	WriteLocal    WriteConsistency = iota // this one; the others will soon
	WriteMajority                         // more than half of them
	WriteAll                              // all of them
)

// Consistently has the changes of a command of a CRDT written in that way, in
// place of [WriteLocal].
func Consistently(ctx context.Context, w WriteConsistency) {
	c := current(ctx, "Consistently")
	c.must("Consistently", c.replica.mayChange(), "the commands of CRDTs")
	c.replica.consistency = cloudstate.CrdtWriteConsistency(w)
}

// OnChange lets a streamed command of a CRDT go on when its method has returned:
// changed is called whenever the data has changed, here or elsewhere, and what it
// returns is sent to the client; nil is not. With an error, the command ends.
// It may look at the data, and call [Effect], [Forward] and [EndStream] with the
// context that it is given. Ctx is that of the stream of the method.
func OnChange[R proto.Message](ctx context.Context, changed func(ctx context.Context) (R, error)) {
	w := watchOf(ctx, "OnChange")
	var none R
	if c := current(ctx, "OnChange"); any(none) == nil || none.ProtoReflect().Descriptor().FullName() != c.method.reply() {
		c.abort(fmt.Errorf("sdk.OnChange: %s answers with a %s, not with a %T", c.method.name, c.method.reply(), none))
	}
	w.changed = func(ctx context.Context) (proto.Message, error) { return changed(ctx) }
}

// OnCancel lets a streamed command of a CRDT go on when its method has returned,
// until its client goes away. Then cancelled is called, which may change the data
// and have effects. It isn't called if the command ends in another way: by
// [EndStream], by a failure, or with the instance.
func OnCancel(ctx context.Context, cancelled func(ctx context.Context)) {
	watchOf(ctx, "OnCancel").cancelled = cancelled
}

// EndStream ends a streamed command of a CRDT with what the function given to
// [OnChange], which calls it, returns.
func EndStream(ctx context.Context) {
	c := current(ctx, "EndStream")
	c.must("EndStream", c.replica != nil && c.replica.watching, "functions given to sdk.OnChange")
	c.replica.last = true
}

// A watch is a streamed command of a CRDT; of another command, it stays empty.
type watch struct {
	id       int64
	method   *method
	metadata *cloudstate.Metadata

	// At least one is set if the command goes on.
	changed   func(context.Context) (proto.Message, error)
	cancelled func(context.Context)
}

func (w *watch) goesOn() bool { return w.changed != nil || w.cancelled != nil }

// failed is the last message of a streamed command that has failed.
func (w *watch) failed(err error) *cloudstate.CrdtStreamedMessage {
	return &cloudstate.CrdtStreamedMessage{CommandId: w.id, ClientAction: refusal(w.id, err, false), EndStream: true}
}

// watchOf returns the streamed command whose method calls a function.
func watchOf(ctx context.Context, fn string) *watch {
	c := current(ctx, fn)
	t := c.replica
	c.must(fn, t.mayChange() && !t.cancelling && c.method.streams(), "streamed methods of CRDTs")
	return t.watch
}

// A turn is one in which a function of a CRDT is called: for a command, when the
// data has changed, or when a client has gone.
type turn struct {
	*replica
	watch                *watch
	watching, cancelling bool

	consistency cloudstate.CrdtWriteConsistency
	deleted     bool
	last        bool // message of a streamed command
}

// mayChange reports whether the data may be changed.
func (t *turn) mayChange() bool { return t != nil && !t.watching }

// sendsOnce is what the generated code sees of a streamed command of a CRDT.
type sendsOnce struct {
	*command
	received bool
	sent     proto.Message
}

func (s *sendsOnce) Context() context.Context { return s.command }

// RecvMsg receives the request.
func (s *sendsOnce) RecvMsg(into any) error {
	if s.received {
		return io.EOF
	}
	s.received = true
	if err := s.decode(into); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// SendMsg keeps the first message.
func (s *sendsOnce) SendMsg(m any) error {
	msg, ok := m.(proto.Message)
	switch {
	case !ok:
		return status.Errorf(codes.Internal, "a response of %s is a %T, not a message", s.method.name, m)
	case s.sent != nil || s.forward != nil:
		return status.Errorf(codes.Internal, "%s has sent its first message; the function given to sdk.OnChange says the others", s.method.name)
	}
	s.sent = proto.Clone(msg) // the author may go on with it
	return nil
}

func (s *sendsOnce) SetHeader(md metadata.MD) error  { return s.setHeader(md) }
func (s *sendsOnce) SendHeader(md metadata.MD) error { return s.setHeader(md) }

// SetTrailer can't say that it does nothing, but the log can.
func (s *sendsOnce) SetTrailer(metadata.MD) {
	s.replica.log.Warn("trailers are not sent", "entity", s.service, "command", s.method.name, "error", errNoTrailers)
}

var _ grpc.ServerStream = (*sendsOnce)(nil)

// stream lets the state handle a streamed command.
func (c *command) stream(state any) (proto.Message, error) {
	s := &sendsOnce{command: c}
	err := c.method.stream.Handler(state, s)
	return s.sent, err
}

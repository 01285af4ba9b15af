// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A streamed is a call whose request, reply or both are streamed.
type streamed struct {
	*Actions
	method *route.Method
	call   *entity.Call
	recv   func() ([]byte, error)
	out    func(entity.Outcome) error
	cancel context.CancelCauseFunc // gives the function's stream up
}

// run carries the call out. Whoever calls it cancels ctx after it.
func (s *streamed) run(ctx context.Context) error {
	stream, err := s.Function.Open(ctx, s.path())
	if err != nil {
		return s.explain(ctx, s.call, err)
	}
	if err := s.begin(stream); err != nil && !errors.Is(err, io.EOF) { // the end's reason comes with Recv
		return s.lost(ctx, err)
	}
	if s.method.ClientStreams {
		go s.feed(stream)
	}
	if s.method.ServerStreams {
		return s.drain(ctx, stream)
	}
	return s.single(ctx, stream)
}

// path returns the method of the function that has the call's shape.
func (s *streamed) path() string {
	speech := s.method.Entity.Speech()
	switch {
	case !s.method.ServerStreams:
		return speech.StreamedIn
	case !s.method.ClientStreams:
		return speech.StreamedOut
	default:
		return speech.Streamed
	}
}

// begin sends the first message, and says that it is the last if it is. In a
// dialect where each message of a streamed request has the names, it has nothing
// to send.
func (s *streamed) begin(stream live.Stream) error {
	speech := s.method.Entity.Speech()
	if s.method.ClientStreams {
		if speech.Named {
			return nil
		}
		return s.send(stream, s.command(opening))
	}
	cmd := s.command(first(speech, whole))
	cmd.payload.Value = s.call.Payload
	if err := s.send(stream, cmd); err != nil {
		return err
	}
	return stream.CloseSend()
}

// command returns a message that lacks nothing but its payload's value.
func (s *streamed) command(p part) *command {
	return &command{
		part: p, service: s.call.Service, name: s.call.Command, metadata: s.call.Metadata,
		payload: entity.Payload{TypeURL: s.method.InputURL},
	}
}

func (s *streamed) send(stream live.Stream, cmd *command) error {
	s.Stats.Requests.Add(1)
	return stream.Send(cmd)
}

// feed takes the client's messages to the function, one at a time. It ends with
// the call.
func (s *streamed) feed(stream live.Stream) {
	cmd := s.command(first(s.method.Entity.Speech(), later))
	for {
		msg, err := s.recv()
		switch {
		case errors.Is(err, io.EOF):
			stream.CloseSend() //nolint:errcheck // if the stream has ended, Recv says why
			return
		case err != nil:
			s.cancel(err)
			return
		}
		cmd.payload.Value = msg
		if s.send(stream, cmd) != nil { // Recv says why
			return
		}
	}
}

// drain takes the function's responses, until it ends the stream.
func (s *streamed) drain(ctx context.Context, stream live.Stream) error {
	var msg response
	for {
		switch err := stream.Recv(&msg); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.lost(ctx, err)
		}
		s.Stats.Replies.Add(1)
		if err := s.out(msg.result()); err != nil {
			return err
		}
	}
}

// single takes the function's only response. It doesn't matter whether the
// client has more to say.
func (s *streamed) single(ctx context.Context, stream live.Stream) error {
	var msg, more response
	if err := stream.Recv(&msg); err != nil {
		return s.lost(ctx, err)
	}
	s.Stats.Replies.Add(1)
	switch err := stream.Recv(&more); {
	case err == nil:
		return s.lost(ctx, fmt.Errorf("user function answered twice: %w", entity.ErrProtocol))
	case !errors.Is(err, io.EOF):
		return s.lost(ctx, err)
	}
	return s.out(msg.result())
}

// lost says what the end of the function's stream means for the client. The
// function has got the call by then, or may have.
func (s *streamed) lost(ctx context.Context, err error) error {
	if errors.Is(err, entity.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", entity.ErrUnknownOutcome, err)
	}
	return s.explain(ctx, s.call, err)
}

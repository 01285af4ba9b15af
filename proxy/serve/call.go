// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// handle serves every call of grpc-go that is not for a service of the proxy's
// own.
func (s *GRPC) handle(_ any, stream grpc.ServerStream) error {
	ctx := stream.Context()
	path, _ := grpc.Method(ctx)
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return s.call(path, nil, stream)
	}
	if r.codec != "" {
		return toStatus(fmt.Errorf("%w: payloads of type %q; only protobuf is served", entity.ErrUnimplemented, r.codec))
	}
	return s.call(path, r.metadata, stream)
}

// Serve carries out a call that came by another way than Run's: of a service of
// the user function, of health or of reflection. The stream is given [Raw]s for
// the first, messages of protobuf for the others, and need not have SendHeader.
// The error is a status, or the stream's own.
func (s *GRPC) Serve(path string, md entity.Metadata, stream grpc.ServerStream) error {
	if serve := s.own[path]; serve != nil {
		return serve(stream)
	}
	return s.call(path, md, stream)
}

// call serves a call of a service of the function.
func (s *GRPC) call(path string, md entity.Metadata, stream grpc.ServerStream) error {
	m, err := s.Method(path)
	if err != nil {
		return toStatus(err)
	}
	ctx := stream.Context()
	call := entity.Call{Service: m.Service, Command: m.Name, Metadata: md, Done: ctx.Done()}
	call.Deadline, _ = ctx.Deadline()
	if m.ClientStreams || m.ServerStreams || m.Entity.Type == route.Action {
		return s.stream(ctx, m, call, stream)
	}
	return s.unary(ctx, m, call, stream)
}

// Method returns the method that a call of path is for.
func (s *GRPC) Method(path string) (*route.Method, error) {
	catalogue, err := s.catalogue()
	if errors.Is(err, entity.ErrUnavailable) {
		return nil, err
	}
	if err != nil { // the call can be sent again whatever the reason is
		return nil, fmt.Errorf("%w: %s", entity.ErrUnavailable, err.Error())
	}
	m := catalogue.Method(path)
	if m != nil {
		return m, nil
	}
	name := strings.TrimPrefix(path, "/")
	slash := max(strings.LastIndexByte(name, '/'), 0)
	service, method := name[:slash], strings.TrimPrefix(name[slash:], "/")
	if catalogue.HasService(service) {
		return nil, fmt.Errorf("%w: service %s has no method %s", entity.ErrUnimplemented, service, method)
	}
	return nil, fmt.Errorf("%w: no service %s", entity.ErrUnimplemented, service)
}

// unary serves a call of one message with one message.
func (s *GRPC) unary(ctx context.Context, m *route.Method, call entity.Call, stream grpc.ServerStream) error {
	e := s.exchanges.Get().(*exchange)
	defer s.release(e)

	var err error
	if call.Payload, err = receiveOne(stream, m, &e.message); err != nil {
		return err
	}
	answer, err := e.ask(ctx, s.submitter, call)
	if err != nil {
		return s.failed(stream, m, err)
	}
	return s.reply(stream, m, &e.message, answer)
}

// receiveOne receives the only message of a call. It uses m. Its error is a
// status.
func receiveOne(stream grpc.ServerStream, method *route.Method, m *Raw) ([]byte, error) {
	err := stream.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return nil, toStatus(fmt.Errorf("%w: %s takes one message, none came", entity.ErrInvalid, method.Path))
	}
	if err != nil {
		return nil, err // a status already
	}
	payload := m.Bytes
	switch err := stream.RecvMsg(m); {
	case errors.Is(err, io.EOF):
		return payload, nil
	case err != nil:
		return nil, err
	default:
		return nil, toStatus(fmt.Errorf("%w: %s takes one message, more came", entity.ErrInvalid, method.Path))
	}
}

// reply sends the answer and returns the status of the call. It uses m.
func (s *GRPC) reply(stream grpc.ServerStream, method *route.Method, m *Raw, a entity.Answer) error {
	if err := s.setHeader(stream, method, a.Metadata); err != nil {
		return err
	}
	if a.Err != nil {
		return s.failed(stream, method, a.Err)
	}
	m.Bytes = a.Payload
	return stream.SendMsg(m)
}

// setHeader makes response headers of md.
func (s *GRPC) setHeader(stream grpc.ServerStream, method *route.Method, md entity.Metadata) error {
	if len(md) == 0 {
		return nil
	}
	return stream.SetHeader(s.header(method, md))
}

// setTrailer makes trailers of md.
func (s *GRPC) setTrailer(stream grpc.ServerStream, method *route.Method, md entity.Metadata) {
	if len(md) > 0 {
		stream.SetTrailer(s.header(method, md))
	}
}

// header returns what gRPC can send of md.
func (s *GRPC) header(method *route.Method, md entity.Metadata) metadata.MD {
	header, left := toHeader(md)
	if len(left) > 0 {
		s.log.Debug("reply metadata left out", "method", method.Path, "names", left)
	}
	return header
}

// failed returns the status of a call that ended with err, which isn't nil.
func (s *GRPC) failed(stream grpc.ServerStream, method *route.Method, err error) error {
	if _, _, known := outcome.Describe(err); !known {
		s.log.Error("call failed", "method", method.Path, "err", err)
	}
	stream.SetTrailer(toTrailer(err))
	return toStatus(err)
}

// An exchange is what a goroutine of grpc-go needs to have one call carried out
// at a time. It is used again and again, and has to survive that an answer comes
// after its call was given up. So calls are numbered: turn belongs to the
// call under way, and whoever moves it on first, the answer or the caller who
// has waited enough, has decided how the call ends.
type exchange struct {
	turn    atomic.Uint64
	answer  entity.Answer // written by the one who moved turn, before ready
	ready   chan struct{} // of capacity 1, so that nobody who answers waits
	off     chan struct{} // closed when no call is waited for any more
	message Raw
}

// ask has the call carried out. The error is the cause of ctx's end, or
// [ErrCutOff].
func (e *exchange) ask(ctx context.Context, to Submitter, call entity.Call) (entity.Answer, error) {
	turn := e.turn.Load()
	to.Submit(call, func(a entity.Answer) { e.deliver(turn, a) })
	select {
	case <-e.ready:
		return e.answer, nil
	case <-call.Done:
	case <-e.off:
	}
	if e.turn.CompareAndSwap(turn, turn+1) { // whatever comes now is for a turn that is over
		return entity.Answer{}, cmp.Or(context.Cause(ctx), ErrCutOff)
	}
	<-e.ready // the answer came at the same time, it is just being written
	return e.answer, nil
}

func (e *exchange) deliver(turn uint64, a entity.Answer) {
	if e.turn.CompareAndSwap(turn, turn+1) {
		e.answer = a
		e.ready <- struct{}{}
	}
}

// release lets go of the messages of e and keeps it for another call.
func (s *GRPC) release(e *exchange) {
	e.answer, e.message = entity.Answer{}, Raw{}
	s.exchanges.Put(e)
}

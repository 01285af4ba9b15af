// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/header"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// A stream is one call.
type stream struct {
	handler *Handler
	ctx     context.Context //nolint:containedctx // a stream is asked for its context
	w       http.ResponseWriter
	r       *http.Request
	form    form
	method  *route.Method // nil for services of the proxy's own, and unknown ones

	in       input
	out      output
	trailers metadata.MD
}

var _ grpc.ServerStream = (*stream)(nil)

// An input is what comes of a call.
type input struct {
	frames
	buffer *bufio.Reader // of the pool; nil for what has one of its own
	timer  *time.Timer   // for the only message; nil if there may be more
	taken  bool          // whether the whole body was
	mu     sync.Mutex    // held while receiving
	over   bool          // whether the call is; needs mu

	guard sync.Mutex // protects ended
	ended bool       // whether the response may not be used any more
}

// An output is what goes out of a call.
type output struct {
	compress bool
	began    bool   // whether headers were sent
	whole    []byte // the only message of a body without frames
	replied  bool   // whether whole is set
}

// begin looks at the headers and prepares to receive. The error is a status.
func (s *stream) begin() error {
	if s.form.foreign {
		return status.Errorf(codes.Unimplemented, "not implemented: payloads of type %q; protobuf and JSON are served", s.form.media)
	}
	if v := s.r.Header.Get("Connect-Protocol-Version"); s.form.protocol == Connect && v != "" && v != "1" {
		return invalid("version %q of the Connect protocol", v)
	}
	if err := s.negotiate(); err != nil {
		return err
	}
	s.in.max = s.handler.options.MaxReceive
	if s.form.get {
		return nil
	}
	s.in.from = s.r.Body
	if s.form.text {
		s.in.from = &textReader{from: s.r.Body}
	}
	if s.method == nil || s.method.ClientStreams {
		if s.r.ProtoMajor == 1 {
			http.NewResponseController(s.w).EnableFullDuplex() //nolint:errcheck // HTTP/2 needs none
		}
		s.in.from = bufio.NewReader(s.in.from)
		return nil
	}
	s.in.buffer = s.handler.readers.Get().(*bufio.Reader)
	s.in.buffer.Reset(s.in.from)
	s.in.from = s.in.buffer
	s.in.timer = time.AfterFunc(s.handler.options.Patience, s.stopReading)
	return nil
}

// stopReading has reading fail.
func (s *stream) stopReading() {
	s.in.guard.Lock()
	defer s.in.guard.Unlock()
	if s.in.ended {
		return
	}
	http.NewResponseController(s.w).SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // both protocols have it
}

// serve has the call carried out.
func (s *stream) serve() error {
	md, err := header.FromHTTP(s.r.Header)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return s.handler.calls.Serve(s.r.URL.Path, md, s)
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) SetHeader(md metadata.MD) error {
	for name, values := range md {
		for _, v := range values {
			header.Add(s.w.Header(), name, v)
		}
	}
	return nil
}

func (s *stream) SendHeader(md metadata.MD) error { return s.SetHeader(md) }

func (s *stream) SetTrailer(md metadata.MD) { s.trailers = metadata.Join(s.trailers, md) }

// RecvMsg receives a message. The error is io.EOF or a status.
func (s *stream) RecvMsg(v any) error {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if s.in.over {
		return status.Error(codes.Canceled, "the call is over")
	}
	payload, err := s.receive()
	if err == nil {
		return s.decode(payload, v)
	}
	if s.in.timer != nil && errors.Is(err, io.EOF) {
		s.in.timer.Stop()
	}
	return err
}

func (s *stream) receive() ([]byte, error) {
	if s.form.unary {
		return s.receiveWhole()
	}
	flags, message, err := s.in.next()
	switch {
	case err != nil:
		return nil, s.cause(err)
	case flags&webTrailer != 0 && s.form.protocol == GRPCWeb:
		return nil, io.EOF // trailers of a request mean nothing
	case flags&^compressed != 0:
		return nil, status.Errorf(codes.Internal, "a frame with unknown flags %#x", flags)
	}
	return message, nil
}

// cause returns why the call ended, if it was not the client that ended it.
func (s *stream) cause(err error) error {
	if status.Code(err) == codes.Canceled && s.ctx.Err() != nil {
		return status.FromContextError(s.ctx.Err()).Err()
	}
	return err
}

// receiveWhole receives the message that is the whole body, or is in the query.
func (s *stream) receiveWhole() ([]byte, error) {
	switch {
	case s.in.taken:
		return nil, io.EOF
	case s.form.get:
		s.in.taken = true
		return s.receiveQuery()
	}
	s.in.taken = true
	message, err := readAll(s.in.from, s.in.max)
	if err != nil {
		outcome.TakeRest(s.r)
	}
	if err == nil && s.in.gzip {
		message, err = decompress(message, s.in.max)
	}
	return message, s.cause(err)
}

// SendMsg sends a message.
func (s *stream) SendMsg(v any) error {
	payload, err := s.encode(v)
	if err != nil {
		return err
	}
	if s.form.unary {
		s.out.whole, s.out.replied = payload, true
		return nil
	}
	var flags byte
	if s.out.compress && s.worth(payload) {
		if payload, err = compress(payload); err != nil {
			return internal(err)
		}
		flags = compressed
	}
	if err := s.write(flags, payload); err != nil {
		return err
	}
	if s.method != nil && !s.method.ServerStreams {
		return nil // the end comes at once
	}
	return s.flush()
}

// worth reports whether a reply gets shorter. What a client has compressed
// itself isn't asked.
func (s *stream) worth(payload []byte) bool {
	return s.form.protocol != Connect || len(payload) >= 1<<10
}

// write writes a frame, after the headers if it is the first.
func (s *stream) write(flags byte, payload []byte) error {
	if !s.out.began {
		s.out.began = true
		s.answerHeaders()
	}
	buffer := s.handler.buffers.Get().(*[]byte)
	defer s.handler.buffers.Put(buffer)
	frame := appendFrame((*buffer)[:0], flags, payload)
	if s.form.text {
		size := len(frame)
		frame = base64.StdEncoding.AppendEncode(frame, frame)[size:]
	}
	_, err := s.w.Write(frame)
	if cap(frame) <= atOnce && !s.form.text {
		*buffer = frame
	}
	return s.gone(err)
}

func (s *stream) flush() error {
	return s.gone(http.NewResponseController(s.w).Flush())
}

// gone makes a status of an error of writing.
func (s *stream) gone(err error) error {
	if err == nil {
		return nil
	}
	return s.cause(status.Error(codes.Canceled, "the client has gone away"))
}

// endInput ends whatever still receives, and lets go of what was lent.
func (s *stream) endInput() {
	if s.in.timer != nil {
		s.in.timer.Stop()
	}
	if !s.in.mu.TryLock() { // somebody waits for the client
		if s.r.ProtoMajor == 1 {
			s.stopReading()
		} else {
			s.r.Body.Close() //nolint:errcheck // it only has reading fail
		}
		s.in.mu.Lock()
	}
	defer s.in.mu.Unlock()
	s.in.over = true
	s.in.guard.Lock()
	s.in.ended = true
	s.in.guard.Unlock()
	if s.in.buffer != nil {
		s.in.buffer.Reset(nil)
		s.handler.readers.Put(s.in.buffer)
		s.in.from, s.in.buffer = nil, nil
	}
}

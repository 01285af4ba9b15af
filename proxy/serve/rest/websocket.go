// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

const (
	closedWithCode = 4000 // status of a WebSocket whose call failed: this and the code
	maxReason      = 123  // bytes; from the protocol
)

func isWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveWebSocket serves a streamed call, whatever the verb of its rule is, since
// WebSockets can only be asked for with GET.
func (h *Handler) serveWebSocket(w http.ResponseWriter, r *http.Request, s *served) {
	b, values := s.table.Find(r.URL.EscapedPath(), streamed)
	if b == nil {
		h.fail(w, r, &httpError{http.StatusNotFound, codes.NotFound, "there is no streamed method at " + r.URL.Path})
		return
	}
	m := s.catalogue.Lookup(string(b.Method.Parent().FullName()), string(b.Method.Name()))
	c, err := newCall(h, s, b, m, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer c.end()
	c.params.Values = values
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: h.options.Origins})
	if err != nil {
		h.log.Debug("no WebSocket", "path", r.URL.Path, "err", err)
		return // Accept has answered
	}
	defer conn.CloseNow() //nolint:errcheck // it is closed already, but for a panic
	conn.SetReadLimit(int64(h.options.MaxReceive))
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	c.ctx, c.call.Done = ctx, ctx.Done()
	sock := &socket{call: c, path: r.URL.Path, conn: conn, cancel: cancel}
	sock.finish(sock.carry())
}

// streamed picks a method whose requests or replies are streamed.
func streamed(verbs map[string]*httprule.Binding) *httprule.Binding {
	var found *httprule.Binding
	for verb, b := range verbs {
		if !b.Method.IsStreamingClient() && !b.Method.IsStreamingServer() {
			continue
		}
		if found == nil || verb == http.MethodGet || found.Verb != http.MethodGet && verb < found.Verb {
			found = b
		}
	}
	return found
}

// A socket is a client behind a WebSocket.
type socket struct {
	call   *call
	path   string
	conn   *websocket.Conn
	cancel context.CancelCauseFunc
	over   bool // whether nothing more comes
}

// carry carries the call out.
func (s *socket) carry() error {
	c := s.call
	if !c.method.ClientStreams {
		payload, err := s.only()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %s takes one message, none came", entity.ErrInvalid, c.method.Path)
		}
		c.call.Payload = payload
		s.listen()
	}
	return c.handler.streamer.Stream(c.ctx, c.call, s)
}

// only returns the message of a call that has one, which must come in time.
func (s *socket) only() ([]byte, error) {
	late := time.AfterFunc(s.call.handler.options.Patience, func() { s.finish(errLate) })
	payload, err := s.Recv()
	if !late.Stop() { // the client has been told already, so nothing may come of it
		return nil, errLate
	}
	return payload, err
}

// listen waits, while nothing more is expected, for the client to go away.
func (s *socket) listen() {
	s.over = true
	gone := s.conn.CloseRead(s.call.ctx)
	context.AfterFunc(gone, func() { s.cancel(entity.ErrCanceled) })
}

// Recv returns the client's next message.
func (s *socket) Recv() ([]byte, error) {
	codec, b := s.call.served.codec, s.call.binding
	switch {
	case s.over:
		return nil, io.EOF
	case !b.WholeBody && b.Body == nil:
		s.listen()
		return codec.Request(b, s.call.params, transcode.Body{})
	}
	_, data, err := s.conn.Read(s.call.ctx)
	if cause := context.Cause(s.call.ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", entity.ErrCanceled, err)
	}
	if len(data) == 0 {
		s.listen()
		return nil, io.EOF
	}
	return codec.Request(b, s.call.params, transcode.Body{Data: data})
}

// Send sends a message. There is no place for metadata.
func (s *socket) Send(payload []byte, _ entity.Metadata) error {
	body, err := s.call.reply(payload)
	if err != nil {
		return err
	}
	kind := websocket.MessageText
	if transcode.GivesRaw(s.call.binding) {
		kind = websocket.MessageBinary
	}
	if err := s.conn.Write(s.call.ctx, kind, body.Data); err != nil {
		return fmt.Errorf("%w: %w", entity.ErrCanceled, err)
	}
	return nil
}

// finish says how the call has ended, and closes. The first time counts.
func (s *socket) finish(err error) {
	h := s.call.handler
	if err == nil {
		s.conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // the client has gone away
		return
	}
	status, code, text := h.describe(s.path, err)
	line := outcome.JSON(status, code, text, outcome.Details(err)...)
	if err := s.conn.Write(context.WithoutCancel(s.call.ctx), websocket.MessageText, line); err != nil {
		return
	}
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "")
	}
	s.conn.Close(websocket.StatusCode(closedWithCode+uint32(code)), text) //nolint:errcheck // the client has gone away
}

// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/header"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// A framing is how the messages of a streamed reply follow each other.
type framing int

const (
	lines  framing = iota // JSON, a line for each
	events                // Server-Sent Events
	pieces                // of a raw body
)

// The content types of streams.
const (
	eventStream = "text/event-stream"
	jsonLines   = "application/x-ndjson"
)

// serveStream serves a call whose reply is streamed.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request, c *call, in *incoming) {
	out := &outgoing{handler: h, call: c, w: w, flush: http.NewResponseController(w)}
	out.kind, out.framing = framingFor(r, c)
	var from receiver = nothing{}
	if c.method.ClientStreams {
		from = in
		if err := out.flush.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			h.log.Debug("requests and replies one after the other", "err", err)
		}
	} else {
		var err error
		if c.call.Payload, err = in.only(); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	err := h.streamer.Stream(c.ctx, c.call, exchange{from, out})
	out.finish(r, err)
}

// framingFor returns the content type and the framing that a client asks for.
func framingFor(r *http.Request, c *call) (string, framing) {
	if transcode.GivesRaw(c.binding) {
		return "", pieces
	}
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	switch {
	case strings.Contains(accept, eventStream):
		return eventStream, events
	case strings.Contains(accept, jsonLines):
		return jsonLines, lines
	}
	return "application/json", lines
}

// An outgoing is a streamed reply.
type outgoing struct {
	handler *Handler
	call    *call
	w       http.ResponseWriter
	flush   *http.ResponseController
	kind    string
	framing framing
	begun   bool
	last    entity.Metadata // of the last message after the first that had any
}

// Send sends a message. Metadata of the first one becomes headers, that of the
// last one trailers.
func (o *outgoing) Send(payload []byte, md entity.Metadata) error {
	body, err := o.call.reply(payload)
	if err != nil {
		return err
	}
	if !o.begun {
		o.handler.setHeader(o.w, o.call, md)
		o.begin(body.Type)
	} else if len(md) > 0 {
		o.last = md
	}
	return o.write(body.Data)
}

// begin sends the headers.
func (o *outgoing) begin(rawType string) {
	o.begun = true
	head := o.w.Header()
	head.Set("Content-Type", o.kind)
	if o.framing == pieces {
		head.Set("Content-Type", cmp.Or(rawType, "application/octet-stream"))
	}
	if head.Get("Cache-Control") == "" {
		head.Set("Cache-Control", "no-store") // a stream is of its moment
	}
	head.Set("X-Accel-Buffering", "no") // some proxies would hold messages back
	o.w.WriteHeader(http.StatusOK)
}

func (o *outgoing) write(data []byte) error {
	switch o.framing {
	case events:
		data = append(append([]byte("data: "), data...), "\n\n"...)
	case lines:
		data = append(data, '\n')
	case pieces:
	}
	_, err := o.w.Write(data)
	if err == nil {
		err = o.flush.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", entity.ErrCanceled, err)
	}
	return nil
}

// finish ends the response of a call that has ended with err.
func (o *outgoing) finish(r *http.Request, err error) {
	switch {
	case err != nil && !o.begun:
		o.handler.fail(o.w, r, err)
		return
	case !o.begun:
		o.begin("")
	}
	trailer := http.Header{}
	header.ToHTTP(trailer, o.last)
	if err != nil {
		o.fail(r, err, trailer)
	}
	for name, values := range trailer {
		for _, v := range values {
			o.w.Header().Add(http.TrailerPrefix+name, v)
		}
	}
}

// fail tells of an error within a stream: in its own form, and with trailers that
// can't be taken for a message.
func (o *outgoing) fail(r *http.Request, err error, trailer http.Header) {
	status, code, text := o.handler.describe(r.URL.Path, err)
	line := outcome.JSON(status, code, text, outcome.Details(err)...)
	trailer.Set("Grpc-Status", fmt.Sprint(uint32(code)))
	trailer.Set("Grpc-Message", percent(text))
	if outcome.Unknown(err) {
		trailer.Set(outcome.Trailer, "unknown")
	}
	switch o.framing {
	case events:
		o.w.Write([]byte("event: error\n")) //nolint:errcheck // the client has gone away
		o.write(line)                       //nolint:errcheck // likewise
	case lines:
		o.write(line) //nolint:errcheck // likewise
	case pieces:
		panic(http.ErrAbortHandler) // so that nobody takes half a file for the whole
	}
}

// percent encodes text as gRPC does in a trailer.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

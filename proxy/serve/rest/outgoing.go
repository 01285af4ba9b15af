// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"compress/gzip"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/header"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// An httpError is something wrong with a request for which HTTP has a status of
// its own.
type httpError struct {
	status int
	code   codes.Code
	text   string
}

func (e *httpError) Error() string { return e.text }

// describe returns what there is to say of err in the words of HTTP and of gRPC.
func (h *Handler) describe(path string, err error) (status int, code codes.Code, text string) {
	if own, ok := errors.AsType[*httpError](err); ok {
		return own.status, own.code, outcome.Shortened(own.text)
	}
	code, text, known := outcome.Describe(err)
	if !known {
		h.log.Error("call failed", "path", path, "err", err)
	}
	return outcome.HTTP(code), code, outcome.Shortened(text)
}

// answer writes the answer of a call of one reply.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, c *call, a entity.Answer) {
	h.setHeader(w, c, a.Metadata)
	if a.Err != nil {
		h.fail(w, r, a.Err)
		return
	}
	body, err := c.reply(a.Payload)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	write(w, r, http.StatusOK, body)
}

// reply returns the body that a reply makes.
func (c *call) reply(payload []byte) (transcode.Body, error) {
	if transcode.GivesRaw(c.binding) {
		return c.served.codec.RawReply(c.binding, payload)
	}
	data, err := c.served.codec.Reply(c.binding, payload)
	return transcode.Body{Type: "application/json", Data: data}, err
}

// setHeader makes response headers of md.
func (h *Handler) setHeader(w http.ResponseWriter, c *call, md entity.Metadata) {
	if left := header.ToHTTP(w.Header(), md); len(left) > 0 {
		h.log.Debug("reply metadata left out", "method", c.method.Path, "names", left)
	}
}

// fail writes an error as the response.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, code, text := h.describe(r.URL.Path, err)
	switch {
	case outcome.Unknown(err):
		w.Header().Set(outcome.Trailer, "unknown")
	case code == codes.Unavailable:
		w.Header().Set("Retry-After", "1")
	}
	if h.options.BareErrors && (status == http.StatusInternalServerError || isOfFunction(err)) {
		write(w, r, http.StatusInternalServerError, transcode.Body{Type: "text/plain; charset=utf-8", Data: []byte(text)})
		return
	}
	write(w, r, status, transcode.Body{
		Type: "application/json",
		Data: outcome.JSON(status, code, text, outcome.Details(err)...),
	})
}

// isOfFunction reports whether the function itself has failed a call.
func isOfFunction(err error) bool {
	_, refused := errors.AsType[*entity.Refusal](err)
	_, crashed := errors.AsType[*entity.Crash](err)
	_, ended := errors.AsType[*entity.Status](err)
	return refused || crashed || ended
}

// minCompressed is the size from which a body is worth compressing.
const minCompressed = 1 << 10

var compressors = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is one of the package
	}
	return z
}}

// write writes a response of one piece, compressed if the client takes that.
func write(w http.ResponseWriter, r *http.Request, status int, body transcode.Body) {
	head := w.Header()
	if body.Type != "" {
		head.Set("Content-Type", body.Type)
	} else {
		head["Content-Type"] = nil // so that nobody guesses
	}
	if len(body.Data) < minCompressed || head.Get("Content-Encoding") != "" {
		head.Set("Content-Length", strconv.Itoa(len(body.Data)))
		w.WriteHeader(status)
		w.Write(body.Data) //nolint:errcheck // the client has gone away
		return
	}
	head.Add("Vary", "Accept-Encoding")
	if !takesGzip(r.Header.Values("Accept-Encoding")) {
		head.Set("Content-Length", strconv.Itoa(len(body.Data)))
		w.WriteHeader(status)
		w.Write(body.Data) //nolint:errcheck // the client has gone away
		return
	}
	head.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z := compressors.Get().(*gzip.Writer)
	z.Reset(w)
	z.Write(body.Data) //nolint:errcheck // the client has gone away
	z.Close()          //nolint:errcheck // likewise
	z.Reset(nil)
	compressors.Put(z)
}

// takesGzip reports whether the client wants gzip.
func takesGzip(accept []string) bool {
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			name, q, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip", "*":
				q = strings.TrimRight(strings.ReplaceAll(q, " ", ""), "0")
				return q != "q=" && q != "q=0."
			}
		}
	}
	return false
}

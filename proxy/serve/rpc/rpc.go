// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bufio"
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/header"
)

// Calls carries calls out.
type Calls interface {
	// Method returns the method that a call of path is for, or an error if
	// there is none in the catalogue.
	Method(path string) (*route.Method, error)

	// Serve carries out a call, also one of a method that Method doesn't know.
	// The error is a status.
	Serve(path string, md entity.Metadata, stream grpc.ServerStream) error
}

// Options says how a Handler serves. The zero value of a field stands for its
// default.
type Options struct {
	// MaxReceive is how many bytes a message may have, decompressed; 4 MiB
	// by default.
	MaxReceive int

	// Patience is how long the only message of a call may take to arrive; 30 s
	// by default.
	Patience time.Duration
}

// A Handler serves requests of the protocols that [Of] knows.
type Handler struct {
	calls   Calls
	codecs  codecs
	options Options
	readers sync.Pool // of *bufio.Reader
	buffers sync.Pool // of *[]byte, for replies
}

// New returns a Handler that has calls carried out. Catalogue is what they are
// of, for the types of JSON messages.
func New(calls Calls, catalogue func() (*route.Catalogue, error), o Options) *Handler {
	o.MaxReceive = cmp.Or(o.MaxReceive, 4<<20)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	return &Handler{
		calls:   calls,
		codecs:  codecs{catalogue: catalogue},
		options: o,
		readers: sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }},
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}
}

// ServeHTTP serves one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := formOf(r)
	method, _ := h.calls.Method(r.URL.Path) // Serve says it again if it is an error
	if code := h.refuse(w, r, f, method); code != 0 {
		http.Error(w, http.StatusText(code), code)
		return
	}
	ctx, cancel, err := withTimeout(r, f)
	defer cancel()
	s := &stream{handler: h, ctx: ctx, w: w, r: r, form: f, method: method}
	if err == nil {
		err = s.begin()
	}
	if err == nil {
		err = s.serve()
	}
	s.finish(err)
}

// refuse returns the status of a request that is no call; 0 if it is one.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f form, m *route.Method) int {
	switch {
	case f.protocol == None:
		return http.StatusUnsupportedMediaType
	case f.protocol == GRPC && r.ProtoMajor < 2:
		return http.StatusHTTPVersionNotSupported
	case f.get && m != nil && !free(m):
		w.Header().Set("Allow", "POST")
		return http.StatusMethodNotAllowed
	case !f.get && r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		return http.StatusMethodNotAllowed
	case f.protocol == Connect && (f.foreign || m != nil && f.unary == streams(m)):
		w.Header().Set("Accept-Post", acceptPost(m))
		return http.StatusUnsupportedMediaType
	}
	return 0
}

// acceptPost lists the types that a method takes by the Connect protocol.
func acceptPost(m *route.Method) string {
	if m != nil && streams(m) {
		return "application/connect+proto, application/connect+json"
	}
	return "application/proto, application/json"
}

func streams(m *route.Method) bool { return m.ClientStreams || m.ServerStreams }

// free reports whether m has no side effects.
func free(m *route.Method) bool {
	o, ok := m.Descriptor.Options().(*descriptorpb.MethodOptions)
	return ok && o.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// withTimeout returns the context of the call. If the deadline can't be read the
// error is a status.
func withTimeout(r *http.Request, f form) (context.Context, context.CancelFunc, error) {
	name, parse := "Grpc-Timeout", header.Timeout
	if f.protocol == Connect {
		name, parse = "Connect-Timeout-Ms", header.Millis
	}
	values := r.Header[name]
	if len(values) == 0 {
		return r.Context(), func() {}, nil
	}
	d, ok := parse(values[0])
	if !ok {
		return r.Context(), func() {}, invalid("header %s: %q", strings.ToLower(name), values[0])
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// A Submitter carries calls out, as that of package serve does.
type Submitter interface {
	Submit(call entity.Call, done func(entity.Answer))
}

// A Streamer carries out calls that are streamed, and calls of actions, as that
// of package serve does.
type Streamer interface {
	Stream(ctx context.Context, call entity.Call, client entity.Exchange) error
}

// Options says how a Handler serves. The zero value of a field stands for its
// default.
type Options struct {
	// MaxReceive is how many bytes a request body, or a message of a
	// streamed one, may have, decompressed; 4 MiB by default.
	MaxReceive int

	// Patience is how long a body that is the only message of a call may take
	// to arrive; 30 s by default.
	Patience time.Duration

	// BareErrors makes failures of the function a 500 whose body is the bare
	// description, as the reference proxy has it.
	BareErrors bool

	// Origins are the patterns of host names, as for path.Match, whose pages
	// may open WebSockets besides those of the host itself.
	Origins []string
}

// A Handler serves REST. It is for every request that is of none of the other
// protocols, and answers "GET /" and "GET /openapi.json" too, unless the
// function has rules for them.
type Handler struct {
	log       *slog.Logger
	catalogue func() (*route.Catalogue, error)
	submitter Submitter
	streamer  Streamer
	options   Options
	served    atomic.Pointer[served]
}

// New returns a Handler that finds the methods to serve in the catalogue of the
// moment, or the reason why there is none. Catalogue is called for each request.
// A call ends with the context of its request, and with the cause of that.
func New(log *slog.Logger, catalogue func() (*route.Catalogue, error), to Submitter, streams Streamer, o Options) *Handler {
	o.MaxReceive = cmp.Or(o.MaxReceive, 4<<20)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	return &Handler{log: log, catalogue: catalogue, submitter: to, streamer: streams, options: o}
}

// A served is a catalogue with what has been made of it.
type served struct {
	catalogue *route.Catalogue
	table     *httprule.Table
	codec     *transcode.Codec
	documents documents
}

// Use prepares to serve a catalogue that the function Catalogue will return, and
// returns what is wrong with the HTTP rules in it, each a line of text for the
// author of the function. Methods whose rules are wrong are served without them.
func (h *Handler) Use(c *route.Catalogue) []string {
	s, problems := newServed(c)
	h.served.Store(s)
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Error())
	}
	return texts
}

func newServed(c *route.Catalogue) (*served, []*httprule.Problem) {
	table, problems := httprule.Compile(methodsOf(c))
	return &served{catalogue: c, table: table, codec: transcode.New(c.Files()), documents: newDocuments(c, table)}, problems
}

// methodsOf returns the methods of c in the order of their declaration.
func methodsOf(c *route.Catalogue) iter.Seq[protoreflect.MethodDescriptor] {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for _, s := range servicesOf(c) {
			for i := range s.Methods().Len() {
				if !yield(s.Methods().Get(i)) {
					return
				}
			}
		}
	}
}

// servicesOf returns the services of c in the order of their declaration.
func servicesOf(c *route.Catalogue) []protoreflect.ServiceDescriptor {
	var services []protoreflect.ServiceDescriptor
	for _, e := range c.Entities() {
		d, err := c.Files().FindDescriptorByName(protoreflect.FullName(e.Service))
		if s, ok := d.(protoreflect.ServiceDescriptor); ok && err == nil {
			services = append(services, s)
		}
	}
	return services
}

// now returns what is served at the moment.
func (h *Handler) now() (*served, error) {
	c, err := h.catalogue()
	if errors.Is(err, entity.ErrUnavailable) {
		return nil, err
	}
	if err != nil { // the call can be sent again whatever the reason is
		return nil, fmt.Errorf("%w: %s", entity.ErrUnavailable, err.Error())
	}
	s := h.served.Load()
	if s == nil || s.catalogue != c {
		s, _ = newServed(c) // Use has said what is wrong with it, or will
		h.served.Store(s)
	}
	return s, nil
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := h.now()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if isWebSocket(r) {
		h.serveWebSocket(w, r, s)
		return
	}
	b, values, allowed := s.table.Match(r.Method, r.URL.EscapedPath())
	switch {
	case b != nil:
		h.serve(w, r, s, b, values)
	case len(allowed) > 0:
		h.notAllowed(w, r, allowed)
	case !h.servePage(w, r, s):
		h.fail(w, r, &httpError{http.StatusNotFound, codes.NotFound, "there is nothing at " + r.URL.Path})
	}
}

// notAllowed says which verbs a path has.
func (h *Handler) notAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	if slices.Contains(allowed, http.MethodGet) && !slices.Contains(allowed, http.MethodHead) {
		allowed = append(allowed, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	text := fmt.Sprintf("%s is not for %s, but for %s", r.URL.Path, r.Method, strings.Join(allowed, ", "))
	h.fail(w, r, &httpError{http.StatusMethodNotAllowed, codes.Unimplemented, text})
}

// serve carries out the call of b that a request makes.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, s *served, b *httprule.Binding, values []string) {
	m := s.catalogue.Lookup(string(b.Method.Parent().FullName()), string(b.Method.Name()))
	c, err := newCall(h, s, b, m, r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer c.end()
	c.params.Values = values
	in := &incoming{call: c, r: r, patience: http.NewResponseController(w)}
	switch {
	case m.ServerStreams:
		h.serveStream(w, r, c, in)
	case m.ClientStreams:
		out := &single{}
		h.answer(w, r, c, out.of(h.streamer.Stream(c.ctx, c.call, exchange{in, out})))
	default:
		if c.call.Payload, err = in.only(); err != nil {
			h.fail(w, r, err)
			return
		}
		h.answer(w, r, c, c.ask())
	}
}

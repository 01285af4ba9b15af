// SPDX-License-Identifier: Apache-2.0

// Package rest serves the methods of a user function over plain HTTP with JSON,
// by their google.api.http rules.
package rest

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
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
}

// New returns a Handler that finds the methods to serve in the catalogue of the
// moment, or the reason why there is none. Catalogue is called for each request.
func New(log *slog.Logger, catalogue func() (*route.Catalogue, error), to Submitter, streams Streamer, o Options) *Handler {
	o.MaxReceive = cmp.Or(o.MaxReceive, 4<<20)
	return &Handler{log: log, catalogue: catalogue, submitter: to, streamer: streams, options: o}
}

// Use prepares to serve a catalogue that the function Catalogue will return, and
// returns what is wrong with the HTTP rules in it, each a line of text for the
// author of the function. Methods whose rules are wrong are served without them.
func (h *Handler) Use(c *route.Catalogue) []string { return nil }

// Cut ends all streamed calls, and those that are still to begin, with
// UNAVAILABLE and kairn-outcome: unknown. It returns whether there were any.
func (h *Handler) Cut() bool { return false }

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "REST is not served yet", http.StatusNotImplemented)
}

// SPDX-License-Identifier: Apache-2.0

// Package router takes a call to the entity that it is for, and does what the
// entity's answer asks for: side effects first, then the forward, then the
// reply to the caller.
//
// # Order and outcome
//
// Effects are carried out in the order in which the function lists them, after
// what the command wrote is durable. A synchronous one is carried out to its
// end, its own effects and forwards included, before the next one and before
// the reply; an asynchronous one is started. The reply never depends on an
// effect: one that fails is logged and counted, and if the function named a
// target that does not exist it is told. (The reference fails the command,
// though its events are stored.)
//
// A forward's answer is the caller's answer. It has the caller's deadline, and
// is dropped if the caller goes away before its turn; an effect has a time of
// its own and outlives its caller.
//
// A forward that was not carried out, behind a call that has stored something or
// asked for effects, must not look as if all of it could be sent again: its
// error wraps [entity.ErrUnknownOutcome].
//
// Metadata of the original call is not passed on, apart from its trace context.
//
// # Streamed calls
//
// Each response of a streamed call is handled as the reply of a call of its own
// would be, and to its end before the next one. One with neither reply nor
// forward gives the client nothing. An error ends the call. A forward of a
// response goes to a method with one request and one reply, whose reply is put
// in its place. Forwards and effects to a method with a streamed request or
// reply are refused, and the function is told. (The reference has them from
// streams to streams.)
//
// A chain of forwards and effects that is longer than MaxDepth is cut with
// [entity.ErrLoop], and the function is told the chain.
package router

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Entities is where commands for entity instances go.
type Entities interface {
	// Submit gives cmd to the instance id of e. It never blocks, and calls
	// cmd.Done exactly once.
	Submit(e *route.Entity, id string, cmd *instance.Command)
}

// ByType is where commands go by the type of their entity.
type ByType map[string]Entities

// Submit gives cmd to what is there for the type of e.
func (b ByType) Submit(e *route.Entity, id string, cmd *instance.Command) {
	b[e.Type].Submit(e, id, cmd)
}

// Unary is where calls go that have one message and one reply, and a caller who
// can wait.
type Unary interface {
	// Call carries out a call of m and returns what the function answers. It
	// doesn't have the streamed calls' way out, since what that costs is felt in
	// calls that are short.
	Call(ctx context.Context, m *route.Method, call entity.Call) (entity.Outcome, error)
}

// Streams is where streamed calls go.
type Streams interface {
	// Stream carries out a call of m and returns how it has ended. It calls
	// out for what the function answers, one after the other; an error of
	// that ends the call.
	Stream(ctx context.Context, m *route.Method, call entity.Call,
		recv func() ([]byte, error), out func(entity.Outcome) error) error
}

// StreamsByType is where streamed calls go by the type of their entity.
type StreamsByType map[string]Streams

// Stream gives a call to what is there for the type of its entity.
func (b StreamsByType) Stream(ctx context.Context, m *route.Method, call entity.Call,
	recv func() ([]byte, error), out func(entity.Outcome) error,
) error {
	return b[m.Entity.Type].Stream(ctx, m, call, recv, out)
}

// Outbox is where what commands have led to is carried out, if it is stored.
type Outbox interface {
	// Send has row carried out, which is stored. First, if it isn't nil, is
	// called once, with the answer to the first try. The rows of one source
	// have to come in the order of their ids.
	Send(row entity.OutboxRow, first func(entity.Answer))
}

// A Config says what a Router works with.
type Config struct {
	// Catalogue returns what the function serves, or why it can't be called.
	Catalogue func() (*route.Catalogue, error)

	Entities   Entities
	Unary      Unary // of actions
	Streams    Streams
	Outbox     Outbox        // where goes what is stored; nil if nothing is
	Report     func(string)  // tells the function what it did wrong; must not block
	EffectTime time.Duration // for one side effect
	MaxDepth   int           // of a chain of forwards and effects
	Stats      *Stats
}

// Stats counts what a Router does. Its zero value is ready for use.
type Stats struct {
	Calls         atomic.Int64
	Forwards      atomic.Int64
	Effects       atomic.Int64
	EffectsFailed atomic.Int64
}

// A Router takes calls to entities. Its methods may be called by any goroutine.
type Router struct {
	Config
	log *slog.Logger
}

// New returns a Router.
func New(log *slog.Logger, cfg Config) *Router { return &Router{cfg, log} }

// Submit carries call out. It never blocks. done is called exactly once, maybe
// before Submit returns; the answer's bytes are the caller's from then on, to
// read.
func (r *Router) Submit(call entity.Call, done func(entity.Answer)) {
	r.Stats.Calls.Add(1)
	method, id, err := r.target(&call, nil)
	if err == nil {
		call.Key, err = keyOf(method, call.Metadata)
	}
	if err != nil {
		done(entity.Answer{Err: err})
		return
	}
	r.submit(method, id, call, nil, done)
}

// submit carries out a call of method that from has led to; from is nil for a
// call from outside.
func (r *Router) submit(method *route.Method, id string, call entity.Call, from *hop, done func(entity.Answer)) {
	call.Depth = from.depth()
	cmd := &instance.Command{Call: call, TypeURL: method.InputURL, Arrived: time.Now()}
	cmd.Done = func(o entity.Outcome) {
		if len(o.Effects) == 0 && o.Forward == nil && len(cmd.Write.Outbox) == 0 {
			done(r.answer(method, &o))
			return
		}
		f := &following{
			router: r, call: cmd.Call, method: method, outcome: o, begun: begun{rows: cmd.Write.Outbox},
			done: done, depth: from.depth() + 1, from: from,
		}
		f.wrote = !cmd.Write.Empty() || method.Entity.Type == route.CRDT // of a CRDT nobody says whether it did
		f.next()
	}
	r.Entities.Submit(method.Entity, id, cmd)
}

// target returns the method and the instance that call is for.
func (r *Router) target(call *entity.Call, from *hop) (*route.Method, string, error) {
	method, err := r.method(call, from)
	if err != nil {
		return nil, "", err
	}
	if method.ClientStreams || method.ServerStreams {
		return nil, "", r.refused(fmt.Errorf("%s/%s is streamed%v: %w", call.Service, call.Command, from, entity.ErrUnimplemented), from)
	}
	if method.NewKey {
		return method, newKey(), nil
	}
	id, err := method.Key(call.Payload)
	if err != nil {
		return nil, "", err
	}
	return method, id, nil
}

// newKey returns a random UUID, of version 4.
func newKey() string {
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (r *Router) method(call *entity.Call, from *hop) (*route.Method, error) {
	catalogue, err := r.Catalogue()
	if err != nil {
		return nil, err
	}
	method := catalogue.Lookup(call.Service, call.Command)
	if method != nil {
		return method, nil
	}
	what := "service " + call.Service
	if catalogue.HasService(call.Service) {
		what = "method " + call.Command + " of service " + call.Service
	}
	return nil, r.refused(fmt.Errorf("there is no %s%v: %w", what, from, entity.ErrUnimplemented), from)
}

// refused returns err, and tells the function if it was the function that
// called.
func (r *Router) refused(err error, from *hop) error {
	if from != nil {
		r.Report(err.Error())
	}
	return err
}

// answer returns what the caller of method gets for an outcome without forward.
func (r *Router) answer(method *route.Method, o *entity.Outcome) entity.Answer {
	if o.Err != nil {
		return entity.Answer{Err: o.Err}
	}
	if url := o.Reply.TypeURL; url != "" && url != method.OutputURL {
		r.Report(fmt.Sprintf("Warning: %s/%s replied with %s, expected %s", method.Service, method.Name, url, method.OutputURL))
	}
	return entity.Answer{Payload: o.Reply.Value, Metadata: o.Meta}
}

// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A hop is one step of a chain of calls, for error messages. A nil hop is the
// start of the chain.
type hop struct {
	how     string // "forwarded from" or "side effect of"
	service string
	command string
	deep    int
	from    *hop
}

func (h *hop) depth() int {
	if h == nil {
		return 0
	}
	return h.deep
}

// shown is how many hops of a chain an error message has at most.
const shown = 8

// String returns the chain, nearest hop first, to be put behind what the last
// call was for.
func (h *hop) String() string {
	var b strings.Builder
	for n := 0; h != nil; h, n = h.from, n+1 {
		if n == shown {
			fmt.Fprintf(&b, ", and %d more", h.deep)
			break
		}
		fmt.Fprintf(&b, ", %s %s/%s", h.how, h.service, h.command)
	}
	return b.String()
}

// Begun is how far a following has come.
type begun struct {
	rows    []entity.OutboxRow // that are stored, of effects and the forward
	sent    int                // how many of rows have been sent
	effects int                // how many of the effects that aren't stored
	calls   int                // how many keys have been derived
}

// A following is what is still to be done about the outcome of one call.
type following struct {
	router  *Router
	call    entity.Call
	method  *route.Method
	outcome entity.Outcome
	wrote   bool // whether the call has changed what is stored
	begun
	turns atomic.Uint32
	depth int // of the calls that this one leads to
	from  *hop
	done  func(entity.Answer)
}

// next begins what comes next, up to the first thing that has to be waited for.
func (f *following) next() {
	for f.sent < len(f.rows) {
		row := &f.rows[f.sent]
		f.sent++
		if f.send(row) {
			return
		}
	}
	for f.effects < len(f.outcome.Effects) {
		e := &f.outcome.Effects[f.effects]
		f.effects++
		if f.begin(e) {
			return
		}
	}
	if f.kept() {
		return // the row of it answers
	}
	if f.outcome.Forward == nil || f.outcome.Err != nil {
		f.done(f.router.answer(f.method, &f.outcome))
		return
	}
	f.forward()
}

// send sends a row, and returns whether it will call next when that was tried.
func (f *following) send(row *entity.OutboxRow) bool {
	switch row.Kind {
	case entity.Forward: // which is the last one
		return false
	case entity.SideEffect:
		f.router.Stats.Effects.Add(1)
	}
	if !row.Synchronous {
		f.router.Outbox.Send(*row, nil)
		return false
	}
	f.router.Outbox.Send(*row, func(entity.Answer) {
		if f.second() {
			f.next()
		}
	})
	return !f.second()
}

// kept sends the row of the forward if there is one, and returns whether there
// is.
func (f *following) kept() bool {
	n := len(f.rows)
	if n == 0 || f.rows[n-1].Kind != entity.Forward {
		return false
	}
	f.router.Stats.Forwards.Add(1)
	t := &f.rows[n-1].Target
	if c, err := f.router.Catalogue(); err == nil && c.Lookup(t.Service, t.Command) != nil {
		f.compare(c.Lookup(t.Service, t.Command))
	}
	f.router.Outbox.Send(f.rows[n-1], f.forwarded)
	return true
}

// begin begins an effect, and returns whether it will call next when it is
// done. It doesn't call next for one that is done at once: there may be many.
func (f *following) begin(e *entity.Effect) bool {
	r := f.router
	r.Stats.Effects.Add(1)
	call := f.callTo(&e.Target)
	call.Deadline = time.Now().Add(r.EffectTime)
	method, id, from, err := f.resolve(&call, "side effect of")
	if err != nil {
		f.failed(e, err)
		return false
	}
	r.submit(method, id, call, from, func(a entity.Answer) {
		if a.Err != nil {
			f.failed(e, a.Err)
		}
		if e.Synchronous && f.second() {
			f.next()
		}
	})
	return e.Synchronous && !f.second()
}

// second is asked twice about each synchronous effect, when it is done and when
// it has been begun. It returns true the second time: who gets that goes on.
func (f *following) second() bool { return f.turns.Add(1)%2 == 0 }

func (f *following) failed(e *entity.Effect, err error) {
	f.router.Stats.EffectsFailed.Add(1)
	f.router.log.Warn("side effect failed", "of", f.method.Path, "target", e.Service+"/"+e.Command, "err", err)
}

func (f *following) forward() {
	f.router.Stats.Forwards.Add(1)
	call := f.callTo(f.outcome.Forward)
	call.Deadline, call.Done = f.call.Deadline, f.call.Done
	if f.outcome.ForwardKey != "" {
		call.Key = f.outcome.ForwardKey
	}
	method, id, from, err := f.resolve(&call, "forwarded from")
	if err != nil {
		f.forwarded(entity.Answer{Err: err})
		return
	}
	f.compare(method)
	f.router.submit(method, id, call, from, f.forwarded)
}

// compare tells the function if it has forwarded to a method with another reply.
func (f *following) compare(to *route.Method) {
	if to.OutputURL != f.method.OutputURL {
		f.router.Report(fmt.Sprintf("Warning: %s/%s was forwarded to %s/%s, which replies with %s, expected %s",
			f.method.Service, f.method.Name, to.Service, to.Name, to.OutputURL, f.method.OutputURL))
	}
}

// forwarded gives the answer to the forward to the caller of this call, who must
// not take it for one that had no effect if this one had.
func (f *following) forwarded(a entity.Answer) {
	again := errors.Is(a.Err, entity.ErrUnavailable) || errors.Is(a.Err, entity.ErrOverloaded) || errors.Is(a.Err, entity.ErrFull)
	if again && (f.wrote || f.effects > 0) {
		a.Err = fmt.Errorf("%s/%s was carried out, its forward was not: %w: %w",
			f.call.Service, f.call.Command, entity.ErrUnknownOutcome, a.Err)
	}
	f.done(a)
}

// resolve returns the method and the instance that call is for, and the hop
// from this call to it.
func (f *following) resolve(call *entity.Call, how string) (*route.Method, string, *hop, error) {
	h := &hop{how: how, service: f.call.Service, command: f.call.Command, deep: f.depth, from: f.from}
	if f.depth > f.router.MaxDepth {
		err := fmt.Errorf("%d calls in a chain%v: %w", f.depth, h, entity.ErrLoop)
		f.router.Report(err.Error())
		return nil, "", nil, err
	}
	method, id, err := f.router.target(call, h)
	return method, id, h, err
}

func (f *following) callTo(t *entity.Target) entity.Call {
	f.calls++
	call := entity.Call{Service: t.Service, Command: t.Command, Payload: t.Payload.Value, Metadata: t.Meta.WithTrace(f.call.Metadata)}
	if !keeps(f.method) { // what keeps its effects gives them keys
		call.Key = derived(f.call.Key, f.calls)
	}
	return call
}

// keeps reports whether the entity of m remembers the commands that it had.
func keeps(m *route.Method) bool {
	return m.Entity.Type == route.EventSourced || m.Entity.Type == route.ValueEntity
}

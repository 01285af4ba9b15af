// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"fmt"
	"slices"
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

// A following is what is still to be done about the outcome of one call.
type following struct {
	router  *Router
	call    entity.Call
	method  *route.Method
	outcome entity.Outcome
	wrote   bool // whether the call has changed what is stored
	effects int  // how many have been begun
	turns   atomic.Uint32
	depth   int // of the calls that this one leads to
	from    *hop
	done    func(entity.Answer)
}

// next begins what comes next, up to the first thing that has to be waited for.
func (f *following) next() {
	for f.effects < len(f.outcome.Effects) {
		e := &f.outcome.Effects[f.effects]
		f.effects++
		if f.begin(e) {
			return
		}
	}
	if f.outcome.Forward == nil || f.outcome.Err != nil {
		f.done(f.router.answer(f.method, &f.outcome))
		return
	}
	f.forward()
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
	method, id, from, err := f.resolve(&call, "forwarded from")
	if err != nil {
		f.forwarded(entity.Answer{Err: err})
		return
	}
	if method.OutputURL != f.method.OutputURL {
		f.router.Report(fmt.Sprintf("Warning: %s/%s was forwarded to %s/%s, which replies with %s, expected %s",
			f.method.Service, f.method.Name, method.Service, method.Name, method.OutputURL, f.method.OutputURL))
	}
	f.router.submit(method, id, call, from, f.forwarded)
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

// traced are the names of metadata that go with every call that a call leads
// to: https://www.w3.org/TR/trace-context.
var traced = []string{"traceparent", "tracestate"}

func (f *following) callTo(t *entity.Target) entity.Call {
	call := entity.Call{Service: t.Service, Command: t.Command, Payload: t.Payload.Value, Metadata: t.Meta}
	if hasTrace(t.Meta) {
		return call // the function has begun a span of its own
	}
	for _, e := range f.call.Metadata {
		if slices.Contains(traced, strings.ToLower(e.Name)) {
			call.Metadata = append(slices.Clip(call.Metadata), e)
		}
	}
	return call
}

func hasTrace(md entity.Metadata) bool {
	return slices.ContainsFunc(md, func(e entity.MetadataEntry) bool { return strings.EqualFold(e.Name, traced[0]) })
}

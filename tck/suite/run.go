// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/report"
)

// caseLimit is for one case with all its waits.
const caseLimit = time.Minute

// A Run is one run of cases against a target.
type Run struct {
	Target   *Target
	Barriers []Barrier

	// Done, if not nil, is called with each result as it comes. What is found
	// out only at the end of the run is in the results of [Run.Cases].
	Done func(*report.Result)

	id      string
	owners  map[string]int // of instances: by key, the case in results
	reports map[int]bool   // the cases that may lead to reports of errors at any time
	results []report.Result
}

// Cases runs the cases, one after the other, and returns what became of them.
func (r *Run) Cases(ctx context.Context, cases []Case) []report.Result {
	r.id = strings.ToLower(rand.Text()[:8])
	r.owners, r.reports = map[string]int{}, map[int]bool{}
	r.results = nil
	for i := range cases {
		if ctx.Err() != nil {
			break
		}
		result := r.one(ctx, &cases[i])
		r.results = append(r.results, result)
		if r.Done != nil {
			r.Done(&result)
		}
	}
	r.sweep()
	return r.results
}

func (r *Run) one(ctx context.Context, c *Case) report.Result {
	result := report.Result{Number: c.Number, Section: c.Section, Name: c.Name, Status: report.Passed}
	if why := r.Target.pending(c); why != "" {
		result.Status, result.Reason = report.Pending, why
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	begun, mark := time.Now(), r.Target.Log.Mark()
	t := &T{Target: r.Target, ctx: ctx, c: c, run: r.id, barrier: r.barrier()}
	done := make(chan struct{}) // closed when the case has returned or given up
	go func() {
		defer close(done)
		c.Run(t)
	}()
	<-done
	until := r.Target.Log.Mark()
	for _, key := range t.keys {
		r.owners[key] = len(r.results)
	}
	r.reports[len(r.results)] = t.reports
	if c.Kind == Proxy {
		r.check(ctx, t)
	}
	cancel()
	t.finish()
	result.Took = time.Since(begun)
	if t.problem != "" {
		result.Status, result.Reason = report.Failed, t.problem
		result.Exchange = render(r.Target.Log.Between(mark, until))
	}
	return result
}

// barrier returns the barrier that the function has what it needs for.
func (r *Run) barrier() *Barrier {
	i := slices.IndexFunc(r.Barriers, func(b Barrier) bool { return r.Target.has(b.Service) })
	if i < 0 {
		return nil
	}
	return &r.Barriers[i]
}

// check looks for what should not have happened in or besides a proxy case.
func (r *Run) check(ctx context.Context, t *T) {
	if t.problem == "" {
		if err := t.settle(ctx); err != nil {
			t.problem = err.Error()
		}
	}
	this := len(r.results)
	var left []*exchange.Entry
	for _, e := range r.Target.Log.Unread(exchange.ProxyToFunction) {
		switch owner, known := r.owner(e); {
		case known && owner != this:
			r.late(owner, e)
		case !r.allowed(this, e):
			left = append(left, e)
		}
	}
	if len(left) > 0 && t.problem == "" {
		t.problem = "this was not expected between proxy and function:\n" + render(left)
	}
}

// owner returns the case that a call between proxy and function belongs to,
// which can be known if it names an instance.
func (r *Run) owner(e *exchange.Entry) (owner int, known bool) {
	first := e.Call.First()
	if first == nil {
		return 0, false
	}
	if _, key := instance(e.Call, first); key != "" {
		owner, known = r.owners[key]
		return owner, known
	}
	text := exchange.Text(first)
	for key, owner := range r.owners {
		if strings.Contains(text, key) {
			return owner, true
		}
	}
	return 0, false
}

// allowed reports whether a case may lead to a call at any time.
func (r *Run) allowed(owner int, e *exchange.Entry) bool {
	return r.reports[owner] && e.Call.Method == cloudstate.EntityDiscovery_ReportError_FullMethodName
}

// sweep looks, when all cases are done, for what has come since.
func (r *Run) sweep() {
	for _, e := range r.Target.Log.Unread(exchange.ProxyToFunction) {
		owner, known := r.owner(e)
		if !known {
			owner = len(r.results) - 1
		}
		if owner >= 0 {
			r.late(owner, e)
		}
	}
}

// late charges a case that is over with what it has led to, unless that is
// passivation.
func (r *Run) late(owner int, e *exchange.Entry) {
	result := &r.results[owner]
	if result.Status != report.Passed || e.End() && e.Err == nil || r.allowed(owner, e) {
		return
	}
	result.Status = report.Failed
	result.Reason = "this was seen between proxy and function after the case was over:\n" + e.String()
	if r.Done != nil {
		r.Done(result)
	}
}

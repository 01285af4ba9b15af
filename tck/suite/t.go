// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/exchange"
)

// A T is one run of a case. Its methods are for the goroutine of the case; the
// case is over when one of them finds something wrong.
type T struct {
	*Target
	//nolint:containedctx // a case is an activity with one context, as a test is
	ctx     context.Context
	c       *Case
	run     string   // keeps the keys of different runs apart
	keys    []string // of the instances of this case
	problem string   // "" as long as all is well
	reports bool     // whether errors may be reported at any time
	slow    bool     // whether to wait longer
	barrier *Barrier // nil if the function has nothing for it
	cleanup []func()
}

// Fatalf says what is wrong and ends the case.
func (t *T) Fatalf(format string, args ...any) {
	t.problem = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Cleanup has f called when the case is over.
func (t *T) Cleanup(f func()) { t.cleanup = append(t.cleanup, f) }

// Context returns the context of the case.
func (t *T) Context() context.Context { return t.ctx }

// Waiting returns a context for what must happen within [Wait].
func (t *T) Waiting() (context.Context, context.CancelFunc) {
	wait := Wait
	if t.slow {
		wait *= 5
	}
	return context.WithTimeout(t.ctx, wait)
}

// Slowly makes the case wait five times as long, since it moves very much.
func (t *T) Slowly() { t.slow = true }

// Slowly returns a case that does what run does, slowly.
func Slowly(run func(*T)) func(*T) {
	return func(t *T) {
		t.Slowly()
		run(t)
	}
}

// Key returns the key of an instance that only this case uses.
func (t *T) Key() string { return t.KeyOf("case") }

// KeyOf returns such a key that begins with a prefix and a hyphen.
func (t *T) KeyOf(prefix string) string {
	key := fmt.Sprintf("%s-%s-%d-%s", prefix, t.c.Number, len(t.keys)+1, t.run)
	t.keys = append(t.keys, key)
	return key
}

// Equal ends the case if the messages differ.
func (t *T) Equal(what string, want, got proto.Message) {
	if diff := exchange.Diff(want, got); diff != "" {
		t.Fatalf("%s is not as expected:\n%s", what, diff)
	}
}

// Entity returns what the function said of an entity.
func (t *T) Entity(service string) *cloudstate.Entity {
	for _, e := range t.Spec.GetEntities() {
		if e.GetServiceName() == service {
			return e
		}
	}
	t.Fatalf("the function does not have %s", service)
	return nil
}

// Invoke calls a unary method of the proxy, within [Wait].
func (t *T) Invoke(path string, in, out proto.Message) error {
	ctx, cancel := t.Waiting()
	defer cancel()
	return t.Proxy.Invoke(ctx, path, in, out)
}

// A Pending is a call under way.
type Pending struct {
	t      *T
	cancel context.CancelFunc
	out    proto.Message
	err    error
	done   chan struct{} // closed when out and err are set
}

// Start begins a call of a unary method of the proxy.
func (t *T) Start(path string, in, out proto.Message) *Pending {
	ctx, cancel := context.WithCancel(t.ctx)
	p := &Pending{t: t, cancel: cancel, out: out, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = t.Proxy.Invoke(ctx, path, in, out)
	}()
	t.Cleanup(func() { cancel(); <-p.done })
	return p
}

// Cancel lets the client go away, and waits until it has gone.
func (p *Pending) Cancel() {
	p.cancel()
	<-p.done
}

// Wait waits for the call to end.
func (p *Pending) Wait() (proto.Message, error) {
	ctx, cancel := p.t.Waiting()
	defer cancel()
	select {
	case <-p.done:
		return p.out, p.err
	case <-ctx.Done():
		p.t.Fatalf("the client was not answered within %v", Wait)
		return nil, nil
	}
}

// Connection waits for the stream that the proxy opens next for an instance.
func (t *T) Connection(path, service, key string) *Connection {
	return t.claim(fmt.Sprintf("the proxy has not opened a stream for %q of %s", key, service), stream(path, service, key))
}

// Call waits for the next call of that method by the proxy.
func (t *T) Call(path string) *Connection {
	return t.claim("the proxy has not called "+path, method(path))
}

func (t *T) claim(problem string, fits func(*exchange.Call, proto.Message) bool) *Connection {
	ctx, cancel := t.Waiting()
	defer cancel()
	call, err := t.Log.Claim(ctx, fits)
	if err != nil {
		t.Fatalf("%s within %v", problem, Wait)
	}
	return &Connection{t: t, call: call}
}

// Reported waits until the proxy reports an error to the function, and expects
// all these texts in it.
func (t *T) Reported(texts ...string) {
	c := t.claim(fmt.Sprintf("the proxy has not reported an error to the function that names %q", texts),
		func(c *exchange.Call, first proto.Message) bool {
			text := exchange.Text(first)
			return c.Link == exchange.ProxyToFunction && c.Method == cloudstate.EntityDiscovery_ReportError_FullMethodName &&
				!slices.ContainsFunc(texts, func(want string) bool { return !strings.Contains(text, want) })
		})
	c.Ignore()
}

// AllowReports lets the proxy report errors that name an instance of this case,
// now and later.
func (t *T) AllowReports() { t.reports = true }

// Script lets the next streams of an instance, or the next calls of the method of
// an action, be opened to t.Script instead of the function. The function returned, which is called at the latest when the
// case is over, ends that.
func (t *T) Script(key string) (release func()) {
	t.Between.Divert(key, t.Divert)
	release = func() { t.Between.Divert(key, nil) }
	t.Cleanup(release)
	return release
}

// IgnoreService lets anything happen in the streams so far of the instances of a
// service.
func (t *T) IgnoreService(service string) {
	t.Log.Ignore(func(c *exchange.Call, first proto.Message) bool {
		of, _ := instance(c, first)
		return of == service
	})
}

// IgnoreInstance lets anything happen in the streams so far of an instance, and in
// those in which the proxy has not said whose they are.
func (t *T) IgnoreInstance(key string) {
	t.Settle()
	t.Log.IgnoreSilent(exchange.ProxyToFunction)
	t.Log.Ignore(func(c *exchange.Call, first proto.Message) bool {
		_, of := instance(c, first)
		return of == key
	})
}

// Cut closes the proxy's connection to the function. How that ends the calls
// that are open is no concern of the cases that they belong to.
func (t *T) Cut() {
	t.Log.Ignore(func(c *exchange.Call, _ proto.Message) bool { return c.Link == exchange.ProxyToFunction })
	t.Between.Cut()
}

// finish runs what must be done in the end, last first.
func (t *T) finish() {
	for _, f := range slices.Backward(t.cleanup) {
		f()
	}
	t.cleanup = nil
}

// barriers is how many calls a barrier makes.
const barriers = 3

// Settle makes the calls of a barrier, so that the proxy gets on with what it
// has begun.
func (t *T) Settle() {
	if err := t.settle(t.ctx); err != nil {
		t.Fatalf("%v", err)
	}
}

func (t *T) settle(ctx context.Context) error {
	if t.barrier == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Wait)
	defer cancel()
	key := fmt.Sprintf("barrier-%s-%s", t.c.Number, t.run)
	for range barriers {
		if err := t.barrier.Call(ctx, t.Proxy, key); err != nil {
			return fmt.Errorf("a call to another instance, which had nothing to do with the case: %w", err)
		}
	}
	t.Log.Ignore(func(c *exchange.Call, first proto.Message) bool {
		_, of := instance(c, first)
		return of == key || of == "" && c.Link == exchange.ProxyToFunction && strings.Contains(exchange.Text(first), key)
	})
	return nil
}

// render returns entries for people.
func render(entries []*exchange.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

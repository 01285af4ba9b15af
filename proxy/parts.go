// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proxy/action"
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventlog"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/keeper"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/replica"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/port"
	"github.com/kairn-dev/kairn/proxy/userfunc"
)

// served is what the function serves, or why it can't be called.
type served struct {
	catalogue *route.Catalogue
	err       error
	since     time.Time
}

// lost returns what follows s when the function can't be called for that reason. A
// reason that is another one than before doesn't make it a new loss.
func (s *served) lost(reason error, now time.Time) *served {
	if s.err != nil {
		now = s.since
	}
	return &served{err: reason, since: now}
}

// Once is something that happens once.
type once struct {
	once sync.Once
	c    chan struct{} // closed when it has happened
}

func (s *once) happens() { s.once.Do(func() { close(s.c) }) }

func (s *once) happened() bool {
	select {
	case <-s.c:
		return true
	default:
		return false
	}
}

// A contact is what is known of the function.
type contact struct {
	served    atomic.Pointer[served]
	first     *route.Catalogue // that was described; owned by whoever discovers until that has happened
	described once             // that it has said what it serves
	known     once             // that it was found
	discovery discovery.Config
	reporter  *discovery.Reporter
}

// A standing is the process as a member of its service.
type standing struct {
	member membership
	joined once // that it has become one
	keeper *keeper.Keeper
}

// parts are what the proxy is made of.
type parts struct {
	log *slog.Logger
	contact
	standing
	live     *live.Set
	outbox   *outbox.Pump
	backfill *eventlog.Backfill
	replicas *replica.Set
	grpc     *serve.GRPC
	use      func(*route.Catalogue) []string // prepares to serve it, and returns what is wrong with its rules
	port     *port.Port
	admin    *http.Server
	stopping atomic.Bool
}

func newParts(log *slog.Logger, cfg config, n *counters, s store, conn *grpc.ClientConn) *parts {
	p := &parts{log: log}
	p.member = newMembership(log, cfg, s, p.usable)
	for _, o := range []*once{&p.described, &p.known, &p.joined} {
		o.c = make(chan struct{})
	}
	p.reporter = discovery.NewReporter(log, conn)
	p.served.Store(&served{err: fmt.Errorf("user function has not been reached yet: %w", entity.ErrUnavailable)})
	p.discovery = discovery.Config{
		Conn:         conn,
		ProxyVersion: version,
		Supported:    []string{route.Action, route.CRDT, route.EventSourced, route.ValueEntity},
		AnyVersion:   cfg.function.anyVersion,
		Headers:      cfg.function.metadata.has,
		Lost:         p.lost,
	}
	function := &userfunc.Function{Conn: conn}
	p.live = newLive(log, cfg, live.Config{Journal: s, Function: function, Alive: p.member.Alive, Report: p.reporter.ReportError})
	p.replicas = newReplicas(log, cfg, replica.Config{Function: function, Report: p.reporter.ReportError})
	n.Live, n.Replicas = p.live, p.replicas
	actions := action.New(action.Config{
		Function: function,
		Report:   p.reporter.ReportError,
		Answer:   cfg.answer,
		Submits:  maxActions,
		Stats:    n.Actions,
	})
	r := router.New(log, router.Config{
		Catalogue: p.catalogue,
		Entities: router.ByType{
			route.Action: actions, route.CRDT: p.replicas, route.EventSourced: p.live, route.ValueEntity: p.live,
		},
		Unary:      actions,
		Streams:    router.StreamsByType{route.Action: actions, route.CRDT: keyed{p.replicas}},
		Report:     p.reporter.ReportError,
		EffectTime: effectTime,
		MaxDepth:   maxDepth,
		Stats:      n.Router,
	})
	p.newOutbox(s, r, n.Outbox)
	g := groupings[cfg.store]
	p.keeper = keeper.New(log, keeper.Config{
		Membership: p.member, Instances: p.live, Outbox: p.outbox, Lanes: g.lanes,
		Lane: lane.Config{Store: s, MaxWrites: g.writes, MaxBytes: g.bytes, Stats: n.Lane},
	})
	p.newEdge(cfg, r, n.HTTP)
	p.admin = &http.Server{
		Handler:           serve.Admin(p.ready, n.handler(), cfg.log.pprof),
		ReadHeaderTimeout: 5 * time.Second,
	}
	return p
}

// newLive makes the set of the instances that handle one command at a time.
func newLive(log *slog.Logger, cfg config, c live.Config) *live.Set {
	c.Limits = instance.Limits{
		Mailbox:        cfg.mailbox,
		Undecided:      maxUndecided,
		UndecidedBytes: maxUndecidedBytes,
		Answer:         cfg.answer,
		Sends:          maxSends,
		Memory:         instance.Memory{Commands: cfg.remember, Effects: rememberEffects, Recent: maxRecent},
	}
	c.Idle, c.Grace, c.Loads = cfg.idle, grace, maxLoads
	return live.New(log, c)
}

// newReplicas makes the set of the instances of CRDT entities.
func newReplicas(log *slog.Logger, cfg config, c replica.Config) *replica.Set {
	c.Self = crdt.Replica(rand.Text())
	c.Limits = exchange.Limits{
		Waiting:     cfg.mailbox,
		Outstanding: 100,
		Streams:     10_000,
		Lingering:   256,
		Sends:       maxSends,
		Buffer:      64,
		BufferBytes: 1 << 20,
		Answer:      cfg.answer,
		Cancel:      5 * time.Second,
		Stall:       5 * time.Second,
		Hold:        time.Second,
	}
	c.Idle, c.Grace = cfg.idle, grace
	return replica.New(log, c)
}

// keyed is where streamed calls go that are for one instance of an entity.
type keyed struct{ *replica.Set }

// Stream takes the one message of the call to the instance that it names.
func (k keyed) Stream(ctx context.Context, m *route.Method, call entity.Call,
	_ func() ([]byte, error), out func(entity.Outcome) error,
) error {
	id, err := m.Key(call.Payload)
	if err != nil {
		return err
	}
	return k.Set.Stream(ctx, m, id, call, out)
}

// await has the process become a member for what is in c, unless it is one for what
// was served before, and waits for that. It returns false if ctx ends first.
func (p *parts) await(ctx context.Context, c *route.Catalogue) bool {
	if p.first == nil {
		p.first = c
		p.described.happens()
	}
	select {
	case <-p.joined.c:
		return true
	case <-ctx.Done():
		return false
	}
}

// found says that the function can be called, for what is in c.
func (p *parts) found(c *route.Catalogue) {
	p.reporter.Speak(c.Dialect())
	for _, wrong := range p.use(c) {
		p.reporter.ReportError(wrong)
	}
	p.served.Store(&served{catalogue: c, since: time.Now()})
	p.backfill.Wake()
	p.known.happens()
	p.grpc.SetServing(true)
}

// lost says that the function can't be called. Streams that are open lead
// nowhere.
func (p *parts) lost(reason error) {
	p.served.Store(p.served.Load().lost(reason, time.Now()))
	p.outbox.Hold()
	p.grpc.SetServing(false)
	p.live.Passivate()
	p.replicas.Passivate()
}

// usable reports whether the function can be called, or will be soon.
func (p *parts) usable() bool {
	s := p.served.Load()
	return s.err == nil || !p.known.happened() || time.Since(s.since) < unusable
}

func (p *parts) catalogue() (*route.Catalogue, error) {
	s := p.served.Load()
	return s.catalogue, s.err
}

// ready returns why the proxy should be sent nothing, or nil.
func (p *parts) ready() error {
	if p.stopping.Load() {
		return errors.New("proxy is stopping")
	}
	if err := p.member.Err(); err != nil && !p.joined.happened() {
		return err
	}
	_, err := p.catalogue()
	return err
}

// join makes the process a member as soon as the function has said what it serves,
// until ctx is done.
func (p *parts) join(ctx context.Context) error {
	select {
	case <-p.described.c:
	case <-ctx.Done():
		return nil
	}
	return p.member.Join(ctx, p.first, p.keeper, p.joined.happens)
}

// running is what start has started, in the order in which it is stopped.
type running struct {
	edge, outbox, function, member, admin stage
}

// A stage is goroutines that end when they are told to.
type stage struct {
	end  context.CancelFunc
	work *sync.WaitGroup
}

// begin runs f until its context is done. If f fails before, fail is told.
func begin(ctx context.Context, fail func(error), f func(context.Context) error) stage {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	s := stage{end, &sync.WaitGroup{}}
	s.work.Go(func() {
		if err := f(ctx); err != nil {
			fail(err)
		}
	})
	return s
}

// stop ends the stage and waits, but not longer than limit allows.
func (s stage) stop(limit context.Context) error {
	s.end()
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-limit.Done():
		return context.Cause(limit)
	}
}

func (p *parts) start(ctx context.Context, fail func(error), l lines) running {
	if at, ok := l.grpc.Addr().(*net.TCPAddr); ok {
		p.discovery.ProxyPort = at.Port
	}
	return running{
		admin:  begin(ctx, fail, func(ctx context.Context) error { return serveHTTP(ctx, p.admin, l.admin) }),
		member: begin(ctx, fail, p.join),
		outbox: begin(ctx, fail, p.runOutbox),
		function: begin(ctx, fail, func(ctx context.Context) error {
			var work sync.WaitGroup
			work.Go(func() { p.reporter.Run(ctx) }) //nolint:errcheck // it returns nil when ctx is done
			defer work.Wait()
			d := p.discovery
			d.Found = func(c *route.Catalogue) {
				if p.await(ctx, c) {
					p.found(c)
				}
			}
			return discovery.Run(ctx, p.log, d)
		}),
		edge: begin(ctx, fail, func(ctx context.Context) error { return p.serveClients(ctx, l) }),
	}
}

// stop hands over to other members, if there are any, takes no more calls, finishes
// those that run, puts the instances to sleep and brings to the store what they have
// written. What is not done when limit is over is left undone: nobody has been told
// that it was.
func (p *parts) stop(ctx context.Context, r running, limit time.Duration) {
	p.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type part struct {
		name string
		stop func(context.Context) error
	}
	all := []part{
		{"edge", r.edge.stop},
		{"outbox", r.outbox.stop},
		{"instances", p.live.Stop},
		{"replicas", p.replicas.Stop},
		{"membership", r.stopMember},
		{"lanes", p.keeper.Stop},
		{"function", r.stopFunction},
		{"admin", r.admin.stop},
	}
	if p.member.Others() {
		all = slices.Insert(all, 0, part{"shards", r.member.stop})
	}
	for _, s := range all {
		if err := s.stop(ctx); err != nil {
			p.log.Warn("not stopped in time", "part", s.name, "limit", limit)
		}
	}
}

// stopMember gives the membership up, even if the time for everything else is over:
// others would have to wait for it.
func (r running) stopMember(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	return r.member.stop(ctx)
}

// stopFunction gives the function, which may wait for it, the time to hear that
// the proxy ends, even if that for everything else is over.
func (r running) stopFunction(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	return r.function.stop(ctx)
}

// serveHTTP serves until ctx is done.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // it only closes the listener
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin port: %w", err)
	}
	return nil
}

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
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/replica"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/port"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/userfunc"
)

// served is what the function serves, or why it can't be called.
type served struct {
	catalogue *route.Catalogue
	err       error
}

// Once is something that happens once.
type once struct {
	once sync.Once
	c    chan struct{} // closed when it has happened
}

func (s *once) happens() { s.once.Do(func() { close(s.c) }) }

// A contact is what is known of the function.
type contact struct {
	served    atomic.Pointer[served]
	known     once // that it was found
	discovery discovery.Config
	reporter  *discovery.Reporter
}

// parts are what the proxy is made of.
type parts struct {
	log *slog.Logger
	contact
	lanes    []*lane.Lane
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

func newParts(log *slog.Logger, cfg config, n *counters, s store, m entity.Member, conn *grpc.ClientConn) *parts {
	p := &parts{log: log}
	p.known.c = make(chan struct{})
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
	g := groupings[cfg.store]
	for i := range g.lanes {
		p.lanes = append(p.lanes, lane.New(log, lane.Config{
			Store: s, Member: m, Lane: i, MaxWrites: g.writes, MaxBytes: g.bytes, Stats: n.Lane,
		}))
	}
	function := &userfunc.Function{Conn: conn}
	p.live = newLive(log, cfg, live.Config{Journal: s, Lanes: p.lanes, Function: function, Alive: alive(s), Report: p.reporter.ReportError})
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
		Streams:    router.StreamsByType{route.Action: actions, route.CRDT: keyed{p.replicas}},
		Report:     p.reporter.ReportError,
		EffectTime: effectTime,
		MaxDepth:   maxDepth,
		Stats:      n.Router,
	})
	p.newOutbox(m, s, r, n.Outbox)
	p.newEdge(cfg, r, n.HTTP)
	p.admin = &http.Server{
		Handler:           serve.Admin(p.ready, n.handler(), cfg.log.pprof),
		ReadHeaderTimeout: 5 * time.Second,
	}
	return p
}

// newOutbox makes what carries out what is stored of effects and forwards.
func (p *parts) newOutbox(m entity.Member, s store, r *router.Router, n *outbox.Stats) {
	laneOf := func(key entity.Key) *lane.Lane { return p.lanes[shard.Lane(key, len(p.lanes))] }
	events := eventlog.New(eventlog.Config{
		Calls: r, Journal: s, Methods: r, Catalogue: p.catalogue, Time: effectTime, AtOnce: maxNotices,
	})
	p.outbox = outbox.New(p.log, outbox.Config{
		Rows: s, Calls: events, Lane: laneOf,
		Member: m, MinPause: 100 * time.Millisecond, MaxPause: time.Minute, MaxTries: 20, MaxRows: 10_000, Stats: n,
	})
	r.Outbox, p.live.Outbox = p.outbox, p.outbox
	p.backfill = &eventlog.Backfill{Log: p.log, States: s, Values: s, Outbox: p.outbox, Lane: laneOf, Pause: time.Second}
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

// found says that the function can be called, for what is in c.
func (p *parts) found(c *route.Catalogue) {
	p.reporter.Speak(c.Dialect())
	for _, wrong := range p.use(c) {
		p.reporter.ReportError(wrong)
	}
	p.served.Store(&served{catalogue: c})
	p.known.happens()
	p.grpc.SetServing(true)
}

// lost says that the function can't be called. Streams that are open lead
// nowhere.
func (p *parts) lost(reason error) {
	p.served.Store(&served{err: reason})
	p.grpc.SetServing(false)
	p.live.Passivate()
	p.replicas.Passivate()
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
	_, err := p.catalogue()
	return err
}

// running is what start has started, in the order in which it is stopped.
type running struct {
	edge, outbox, function, lane, admin stage
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
		lane:   begin(ctx, fail, p.runLanes),
		outbox: begin(ctx, fail, func(ctx context.Context) error { return p.outbox.Run(ctx, p.known.c) }),
		function: begin(ctx, fail, func(ctx context.Context) error {
			var work sync.WaitGroup
			work.Go(func() { p.reporter.Run(ctx) }) //nolint:errcheck // it returns nil when ctx is done
			defer work.Wait()
			d := p.discovery
			d.Found = func(c *route.Catalogue) {
				if p.backfill.Run(ctx, c) == nil {
					p.found(c)
				}
			}
			return discovery.Run(ctx, p.log, d)
		}),
		edge: begin(ctx, fail, func(ctx context.Context) error { return p.serveClients(ctx, l) }),
	}
}

// runLanes runs all lanes until ctx is done and what has joined them is stored.
// The first that fails ends it for all.
func (p *parts) runLanes(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for _, l := range p.lanes {
		work.Go(func() {
			if err := l.Run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// stop takes no more calls, finishes those that run, puts the instances to
// sleep and brings to the store what they have written. What is not done when
// limit is over is left undone: nobody has been told that it was.
func (p *parts) stop(ctx context.Context, r running, limit time.Duration) {
	p.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, s := range []struct {
		name string
		stop func(context.Context) error
	}{
		{"edge", r.edge.stop},
		{"outbox", r.outbox.stop},
		{"instances", p.live.Stop},
		{"replicas", p.replicas.Stop},
		{"lane", r.lane.stop},
		{"function", r.stopFunction},
		{"admin", r.admin.stop},
	} {
		if err := s.stop(ctx); err != nil {
			p.log.Warn("not stopped in time", "part", s.name, "limit", limit)
		}
	}
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

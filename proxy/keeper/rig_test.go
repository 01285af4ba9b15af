// SPDX-License-Identifier: Apache-2.0

package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/keeper"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

var lists = &route.Entity{Service: "test.Lists", Type: route.EventSourced, Name: "test.Lists/lists", PersistenceID: "lists"}

// A proxy is one process of a service, with the function beside it: a list.
type proxy struct {
	*cluster.Cluster
	*keeper.Keeper
	set      *live.Set
	quit     context.CancelFunc
	ran      chan error
	cut      atomic.Bool // from the store
	unusable atomic.Bool // its function
	member   atomic.Int64
	drops    atomic.Int64
	outbox   outbox.Stats
}

// targets are where effects go, of which the lists have none.
type targets struct{}

func (targets) To(*entity.OutboxRow) string                           { return "" }
func (targets) Deliver(_ *entity.OutboxRow, done func(entity.Answer)) { done(entity.Answer{}) }

var errCut = errors.New("store is out of reach")

// line is the store as a proxy reaches it. What it reads of instances it reads in
// any case.
type line struct {
	*memstore.Store
	p *proxy
}

func (l line) Renew(ctx context.Context, m entity.Member) error {
	if l.p.cut.Load() {
		return errCut
	}
	return l.Store.Renew(ctx, m)
}

func (l line) Look(ctx context.Context, known entity.Placement, neighbour entity.Member) (entity.Sight, error) {
	if l.p.cut.Load() {
		return entity.Sight{}, errCut
	}
	return l.Store.Look(ctx, known, neighbour)
}

func (l line) Transact(ctx context.Context, decide func(entity.Placement, []entity.Lease) (entity.Transition, bool)) (entity.Placement, error) {
	if l.p.cut.Load() {
		return entity.Placement{}, errCut
	}
	return l.Store.Transact(ctx, decide)
}

// Commit takes a while, and is applied before the answer is lost.
func (l line) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	<-time.After(time.Millisecond)
	if l.p.cut.Load() {
		return errCut
	}
	return l.Store.Commit(ctx, at, writes)
}

func (l line) Position(ctx context.Context, m entity.Member, lane int) (int64, bool, error) {
	if l.p.cut.Load() {
		return 0, false, errCut
	}
	return l.Store.Position(ctx, m, lane)
}

func (p *proxy) Ready(context.Context, shard.Member) error { return nil }

// Do notes who the process is.
func (p *proxy) Do(o member.Output) {
	switch o.Do {
	case member.Begin:
		p.member.Store(int64(o.Member))
	case member.Drop:
		p.drops.Add(1)
	default:
	}
	p.Keeper.Do(o)
}

// start starts a proxy.
func start(t *testing.T, s *memstore.Store, name string) *proxy {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	ctx, quit := context.WithCancel(context.Background())
	p := &proxy{quit: quit, ran: make(chan error, 1)}
	through := line{s, p}
	p.Cluster = cluster.New(log, cluster.Config{
		Settings: member.Settings{
			Lease: 6 * time.Second, Beat: 2 * time.Second, Margin: 500 * time.Millisecond, Quiet: time.Second,
			Moves: 64, Drain: 10 * time.Second, Retry: 500 * time.Millisecond,
			Jitter: func(d time.Duration) time.Duration { return d },
		},
		Self:  member.Newcomer{Process: shard.Process{Nonce: name, Addr: name}, Layout: shard.NewLayout(nil), Lanes: 2, Incarnation: name},
		Store: through, Peers: p, Keeper: p, Limit: 5 * time.Second,
		Usable: func() bool { return !p.unusable.Load() },
		Clock:  func() time.Duration { return time.Duration(time.Now().UnixNano()) },
	})
	fn := &livetest.Function{Opened: func(s *livetest.Stream) {
		go func() { _ = (&livetest.List{Snapshots: 10}).Serve(s) }() // it ends when the proxy gives the stream up
	}}
	p.set = live.New(log, live.Config{
		Journal: s, Function: fn, Alive: p.Alive,
		Limits: instance.Limits{Mailbox: 100, Undecided: 16, UndecidedBytes: 1 << 20, Answer: time.Minute, Sends: 3},
		Idle:   time.Minute, Grace: 5 * time.Second, Loads: 64, Report: func(s string) { t.Errorf("%s: %s", name, s) },
	})
	pump := outbox.New(log, outbox.Config{
		Rows: s, Calls: targets{}, Lane: func(key entity.Key) *lane.Lane { return p.LaneOf(key) },
		MinPause: 100 * time.Millisecond, MaxPause: time.Second, MaxTries: 3, MaxRows: 10, Stats: &p.outbox,
	})
	p.set.Outbox = pump
	known := make(chan struct{})
	close(known)
	go func() { p.ran <- pump.Run(ctx, known) }()
	p.Keeper = keeper.New(log, keeper.Config{
		Membership: p.Cluster, Instances: p.set, Outbox: pump, Lanes: 2,
		Lane: lane.Config{Store: through, MaxWrites: 8, MaxBytes: 1 << 20, Stats: &lane.Stats{}},
	})
	go func() { p.ran <- p.Run(ctx) }()
	return p
}

// end ends the process in order.
func (p *proxy) end(t *testing.T) {
	t.Helper()
	p.quit()
	for range 2 {
		if err := <-p.ran; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	if n := p.outbox.Rows.Load(); n != 0 {
		t.Errorf("%d rows of the outbox are left", n)
	}
	p.cut.Store(false)
	if err := errors.Join(p.set.Stop(t.Context()), p.Stop(t.Context())); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// A service is proxies, and what the clients of them saw.
type service struct {
	t       *testing.T
	store   *memstore.Store
	clients sync.WaitGroup
	over    chan struct{}

	mu      sync.Mutex // protects what follows
	proxies []*proxy
	acked   map[string]map[string]string // of each instance: what the client of an item saw
	reads   map[string][]string
	sent    int
	unknown int
	bounced int
}

// owner returns the proxy that owns the instance id by the newest table that any
// of them knows; nil if there is none.
func (s *service) owner(id string) *proxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	var newest *shard.Table
	for _, p := range s.proxies {
		if t := p.Table(); t != nil && (newest == nil || t.Version > newest.Version) {
			newest = t
		}
	}
	if newest == nil {
		return nil
	}
	owner := newest.Shards[shard.Of(entity.Key{Entity: lists.Name, ID: id})].Owner
	for _, p := range s.proxies {
		if owner != 0 && entity.Member(p.member.Load()) == owner {
			return p
		}
	}
	return nil
}

// call gives a command to the owner of an instance until somebody takes it.
func (s *service) call(id, command, item string) entity.Outcome {
	for {
		if p := s.owner(id); p != nil {
			out := make(chan entity.Outcome, 1)
			p.set.Submit(lists, id, &instance.Command{
				Call:    entity.Call{Service: lists.Service, Command: command, Payload: []byte(item)},
				TypeURL: livetest.Text("").GetTypeUrl(), Arrived: time.Now(), Done: func(o entity.Outcome) { out <- o },
			})
			if o := <-out; !errors.Is(o.Err, entity.ErrUnavailable) {
				return o
			}
		}
		s.mu.Lock()
		s.bounced++
		s.mu.Unlock()
		<-time.After(20 * time.Millisecond)
	}
}

// client adds items to an instance and reads it, until the service is over.
func (s *service) client(n int, id string) {
	for i := 0; ; i++ {
		select {
		case <-s.over:
			return
		case <-time.After(250 * time.Millisecond):
		}
		item := fmt.Sprintf("c%d-%d", n, i)
		o := s.call(id, "Append", item)
		s.mu.Lock()
		s.sent++
		switch {
		case o.Err == nil:
			s.acked[id][item] = string(o.Reply.Value)
		case errors.Is(o.Err, entity.ErrUnknownOutcome):
			s.unknown++
		default:
			s.t.Errorf("%s of %s: %v", item, id, o.Err)
		}
		least := 0
		for _, saw := range s.acked[id] {
			least = max(least, len(saw))
		}
		s.mu.Unlock()
		if o = s.call(id, "Read", ""); o.Err == nil {
			s.mu.Lock()
			s.reads[id] = append(s.reads[id], string(o.Reply.Value))
			s.mu.Unlock()
			if len(o.Reply.Value) < least {
				s.t.Errorf("%s is read as it was before: %d bytes, and somebody has seen %d", id, len(o.Reply.Value), least)
			}
		} else if !errors.Is(o.Err, entity.ErrUnknownOutcome) {
			s.t.Errorf("read of %s: %v", id, o.Err)
		}
	}
}

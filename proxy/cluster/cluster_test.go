// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

// A proxy is one process of a service, with a keeper that has no instances.
type proxy struct {
	*cluster.Cluster
	quit     context.CancelFunc
	ran      chan error
	cut      atomic.Bool  // from the store
	unusable atomic.Bool  // its function
	jump     atomic.Int64 // by which its clock is ahead

	mu    sync.Mutex // protects what follows
	id    entity.Member
	owns  map[shard.ID]bool
	drops int
}

var errCut = errors.New("store is out of reach")

// line is the store as a proxy reaches it.
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

// Do does what has to be done at once.
func (p *proxy) Do(o member.Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o.Do {
	case member.Begin:
		p.id = o.Member
	case member.Open, member.Resume:
		p.owns[o.Shard] = true
	case member.Drain:
		delete(p.owns, o.Shard)
		p.Drained(o.Shard, o.Turn, false)
	case member.Close:
		delete(p.owns, o.Shard)
	case member.Drop:
		clear(p.owns)
		p.drops++
	default:
	}
}

func (p *proxy) Ready(context.Context, shard.Member) error { return nil }

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.owns)
}

// start starts a proxy.
func start(t *testing.T, s *memstore.Store, name string) *proxy {
	t.Helper()
	ctx, quit := context.WithCancel(context.Background())
	p := &proxy{quit: quit, ran: make(chan error, 1), owns: map[shard.ID]bool{}}
	p.Cluster = cluster.New(slog.New(slog.DiscardHandler), cluster.Config{
		Settings: member.Settings{
			Lease: 6 * time.Second, Beat: 2 * time.Second, Margin: 500 * time.Millisecond, Quiet: time.Second,
			Moves: 64, Drain: 10 * time.Second, Retry: 500 * time.Millisecond,
			Jitter: func(d time.Duration) time.Duration { return d },
		},
		Self: member.Newcomer{
			Process: shard.Process{Nonce: name, Addr: name}, Layout: shard.NewLayout(nil), Lanes: 1, Incarnation: name,
		},
		Store: line{s, p}, Peers: p, Keeper: p, Limit: 5 * time.Second,
		Usable: func() bool { return !p.unusable.Load() },
		Clock:  func() time.Duration { return time.Duration(time.Now().UnixNano() + p.jump.Load()) },
	})
	go func() { p.ran <- p.Run(ctx) }()
	return p
}

// wantShares wants each proxy to serve about so many shards, all of them together
// every one.
func wantShares(t *testing.T, all ...*proxy) {
	t.Helper()
	sum := 0
	for i, p := range all {
		n, share := p.count(), shard.Count/len(all)
		if sum += n; n < share || n > share+1 {
			t.Errorf("proxy %d of %d serves %d shards, want %d", i, len(all), n, share)
		}
		if !p.Alive() {
			t.Errorf("proxy %d of %d has no lease", i, len(all))
		}
	}
	if sum != shard.Count {
		t.Errorf("%d proxies serve %d shards", len(all), sum)
	}
}

// after lets time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// end ends proxies one after the other, and waits for them.
func end(t *testing.T, all ...*proxy) {
	t.Helper()
	for _, p := range all {
		p.quit()
		if err := <-p.ran; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

func TestProxiesShareTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		var all []*proxy
		for i := range 3 {
			all = append(all, start(t, s, fmt.Sprint(i)))
			after(10 * time.Second)
			wantShares(t, all...)
		}
		end(t, all[0])
		after(3 * time.Second) // until they look
		if n := all[0].count(); n != 0 {
			t.Errorf("who has left serves %d shards", n)
		}
		if sum := all[1].count() + all[2].count(); sum != shard.Count {
			t.Errorf("who is left serves %d shards", sum)
		}
		end(t, all[1:]...)
		if all[1].drops+all[2].drops != 2 {
			t.Errorf("they dropped everything %d and %d times, want once, at the end", all[1].drops, all[2].drops)
		}
	})
}

func TestProxyWithoutStoreIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a, b := start(t, s, "a"), start(t, s, "b")
		after(15 * time.Second)
		wantShares(t, a, b)
		a.cut.Store(true)
		after(3 * time.Second)
		wantShares(t, a, b) // for the time of its lease
		after(7 * time.Second)
		if a.Alive() || b.count() != shard.Count {
			t.Errorf("it is alive: %v; the other one serves %d shards", a.Alive(), b.count())
		}
		a.cut.Store(false)
		after(15 * time.Second)
		wantShares(t, a, b)
		if a.drops != 1 {
			t.Errorf("it dropped everything %d times", a.drops)
		}
		end(t, a, b)
	})
}

// TestStoreThatWasAwayEvictsNobody has all leases run out.
func TestStoreThatWasAwayEvictsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		all := []*proxy{start(t, s, "a"), start(t, s, "b"), start(t, s, "c")}
		after(15 * time.Second)
		wantShares(t, all...)
		for _, p := range all {
			p.cut.Store(true)
		}
		after(time.Minute)
		for i, p := range all {
			if p.Alive() {
				t.Errorf("proxy %d is alive without a store", i)
			}
			p.cut.Store(false)
		}
		after(5 * time.Second)
		wantShares(t, all...)
		for i, p := range all {
			if p.drops != 0 {
				t.Errorf("proxy %d was evicted", i)
			}
		}
		end(t, all...)
	})
}

func TestClockThatJumpsIsDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, memstore.New(), "a")
		after(5 * time.Second)
		p.jump.Store(int64(-10 * time.Second)) // as if it had stood still
		p.cut.Store(true)
		after(3 * time.Second)
		if p.Alive() {
			t.Error("the lease is trusted")
		}
		p.cut.Store(false)
		after(3 * time.Second)
		if !p.Alive() || p.count() != shard.Count || p.drops != 0 {
			t.Errorf("alive %v, with %d shards, dropped %d times", p.Alive(), p.count(), p.drops)
		}
		end(t, p)
	})
}

func TestProxyWhoseFunctionIsUnusableGivesItsShardsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		a, b := start(t, s, "a"), start(t, s, "b")
		after(15 * time.Second)
		a.unusable.Store(true)
		after(5 * time.Second)
		if a.count() != 0 || b.count() != shard.Count {
			t.Errorf("they serve %d and %d shards", a.count(), b.count())
		}
		b.unusable.Store(true)
		after(5 * time.Second)
		if b.count() != shard.Count {
			t.Errorf("the last one gives its shards to nobody: it serves %d", b.count())
		}
		a.unusable.Store(false)
		b.unusable.Store(false)
		after(15 * time.Second)
		wantShares(t, a, b)
		end(t, a, b)
	})
}

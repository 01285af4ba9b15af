// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/keeper"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A membership is how the process gets the right to write, and to answer.
type membership interface {
	keeper.Membership
	state

	// Join makes the process a member, for what is in the catalogue, until ctx is
	// done. Then it gives that up in order. What is to be done about shards is said
	// to k. Joined is called when it is a member for the first time.
	Join(ctx context.Context, c *route.Catalogue, k cluster.Keeper, joined func()) error
}

// A state says how it stands with a membership.
type state interface {
	// Alive reports whether the member may answer without writing.
	Alive() bool

	// Others reports whether there are members that could take over.
	Others() bool

	// Err returns why the process can't become a member; nil if nothing says so.
	Err() error
}

// newMembership returns that of a process whose state is in s, and whose function can
// be used if usable says so.
func newMembership(log *slog.Logger, cfg config, s store, usable func() bool) membership {
	shared, ok := s.(cluster.Store)
	if !ok || cfg.store == memory {
		return &sole{store: s.(own), lanes: groupings[cfg.store].lanes, over: make(chan entity.Member, 1)}
	}
	return &shareholder{cluster.New(log, cluster.Config{
		Settings: member.Settings{
			Lease: leaseTime, Beat: leaseTime / 3, Margin: leaseTime / 12,
			Quiet: time.Second, Moves: maxMoves, Drain: min(drainTime, cfg.shutdown*3/4), Retry: 500 * time.Millisecond,
			Jitter: jitter,
		},
		Self: member.Newcomer{
			Process: shard.Process{UID: cfg.uid, Nonce: rand.Text(), Born: time.Now().UnixNano(), Revision: cfg.revision},
			Lanes:   groupings[cfg.store].lanes, Incarnation: rand.Text(),
		},
		Store: shared, Peers: anybody{}, Usable: usable, Limit: storeTime, Clock: cluster.Clock,
	})}
}

// jitter returns about d, so that members don't move as one.
func jitter(d time.Duration) time.Duration { return d*4/5 + mathrand.N(d*2/5+1) }

// A shareholder has a part in a service that may have other members.
type shareholder struct{ *cluster.Cluster }

// Join implements [membership].
func (s *shareholder) Join(ctx context.Context, c *route.Catalogue, k cluster.Keeper, joined func()) error {
	s.Self.Layout, s.Keeper = shard.NewLayout(c.KeyFields()), k
	waiting, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := s.Await(waiting, nil); err == nil {
			joined()
		}
	})
	defer work.Wait()
	defer end()
	return s.Run(ctx)
}

// Others implements [membership].
func (s *shareholder) Others() bool {
	t := s.Table()
	if t == nil {
		return false
	}
	stay := 0
	for _, m := range t.Members {
		if !m.Leaving {
			stay++
		}
	}
	return stay > 1
}

// anybody can take shards, for all that is known.
type anybody struct{}

// Ready implements [cluster.Peers].
func (anybody) Ready(context.Context, shard.Member) error { return nil }

// A sole is the membership of a process that shares its store with no other one.
type sole struct {
	store own
	lanes int
	over  chan entity.Member // has room for the one that has lost its lanes
}

// Join implements [membership].
func (s *sole) Join(ctx context.Context, _ *route.Catalogue, k cluster.Keeper, joined func()) error {
	m, err := s.store.Join(ctx, s.lanes)
	if err != nil {
		return err
	}
	k.Do(member.Output{Do: member.Begin, Member: m})
	for at := range shard.ID(shard.Count) {
		k.Do(member.Output{Do: member.Open, Member: m, Shard: at, Dirty: true})
	}
	joined()
	select {
	case <-ctx.Done():
	case <-s.over:
		return errors.New("the store does not know the lanes of this process any more: another one has opened it, or it was exchanged; start again, once nobody else uses it")
	}
	k.Do(member.Output{Do: member.Drop, Member: m})
	return nil
}

// Alive implements [membership].
func (*sole) Alive() bool { return true }

// Others implements [membership].
func (*sole) Others() bool { return false }

// Err implements [membership].
func (*sole) Err() error { return nil }

// Drained implements [membership]; nothing is ever drained.
func (*sole) Drained(shard.ID, int64, bool) {}

// Evicted implements [membership].
func (s *sole) Evicted(m entity.Member) {
	select {
	case s.over <- m:
	default:
	}
}

// SPDX-License-Identifier: Apache-2.0

package keeper

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Membership is who says what to do, and is told of what came of it. It must
// not wait for the keeper.
type Membership interface {
	// Drained says that nothing of a shard is under way any more that was to
	// be drained, in that turn, and whether there may be rows in its outbox.
	Drained(at shard.ID, turn int64, dirty bool)

	// Evicted says that the store doesn't know a member's lanes any more.
	Evicted(m entity.Member)
}

// A Config says what a Keeper keeps.
type Config struct {
	Membership Membership
	Instances  *live.Set
	Outbox     *outbox.Pump // of the instances
	Lanes      int
	Lane       lane.Config // of each of them, but for what the Keeper sets
}

// A Keeper keeps the lanes and the instances of this process. Make it with [New].
type Keeper struct {
	Config
	log  *slog.Logger
	work sync.WaitGroup // of the lanes

	mu     sync.Mutex    // protects what follows; one thing is done at a time
	member entity.Member // 0 if the process is none
	lanes  atomic.Pointer[[]*lane.Lane]
	end    context.CancelFunc
	drains map[shard.ID]member.Output // that have not been taken back
}

// New returns a keeper of a process that is no member yet.
func New(log *slog.Logger, cfg Config) *Keeper {
	return &Keeper{Config: cfg, log: log, drains: map[shard.ID]member.Output{}}
}

// LaneOf returns the lane that the instance key writes to; nil if the process is
// no member.
func (k *Keeper) LaneOf(key entity.Key) *lane.Lane {
	lanes := k.lanes.Load()
	if lanes == nil {
		return nil
	}
	return (*lanes)[shard.Lane(key, len(*lanes))]
}

// Do carries out what the member has to do about itself and its shards, see
// cluster.Keeper.
func (k *Keeper) Do(o member.Output) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.Do == member.Begin {
		k.begin(o.Member)
	}
	if o.Member == 0 || o.Member != k.member {
		return // of a membership that a lane has found to be over
	}
	switch o.Do {
	case member.Open:
		k.Outbox.Open(o.Shard, o.Dirty)
		k.Instances.Open(o.Shard)
	case member.Drain:
		k.drains[o.Shard] = o
		k.Instances.Drain(o.Shard, func() { go k.asleep(o) }) // it may be called at once
	case member.Sever:
		k.Instances.Sever(o.Shard)
		k.Outbox.Sever(o.Shard)
	case member.Resume:
		delete(k.drains, o.Shard)
		k.Outbox.Resume(o.Shard)
		k.Instances.Resume(o.Shard)
	case member.Close:
		delete(k.drains, o.Shard)
		k.Instances.Close(o.Shard)
		k.Outbox.Close(o.Shard)
	case member.Drop:
		k.drop()
	default:
	}
}

// asleep goes on with a drain that has not been taken back, whose instances are
// asleep: what they have led to is next.
func (k *Keeper) asleep(o member.Output) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.drains[o.Shard] == o {
		k.Outbox.Drain(o.Shard, func(dirty bool) { k.Membership.Drained(o.Shard, o.Turn, dirty) })
	}
}

// begin starts the lanes of a member.
func (k *Keeper) begin(m entity.Member) {
	ctx, end := context.WithCancel(context.Background()) //nolint:forbidigo // nobody's: they end with the membership
	lanes := make([]*lane.Lane, k.Lanes)
	for i := range lanes {
		cfg := k.Lane
		cfg.Member, cfg.Lane, cfg.Evicted = m, i, k.evicted
		lanes[i] = lane.New(k.log, cfg)
		k.work.Go(func() {
			if err := lanes[i].Run(ctx); err != nil && !errors.Is(err, lane.ErrEvicted) {
				k.log.Error("lane has ended", "member", m, "lane", i, "err", err)
			}
		})
	}
	k.member, k.end = m, end
	k.lanes.Store(&lanes)
	k.Outbox.Begin(m)
	k.Instances.Begin(lanes)
}

// evicted is what a lane says that has found out.
func (k *Keeper) evicted(m entity.Member) {
	k.mu.Lock()
	if k.member == m {
		k.drop()
	}
	k.mu.Unlock()
	k.Membership.Evicted(m)
}

// drop ends the membership. It is called with k.mu held.
func (k *Keeper) drop() {
	k.member = 0
	clear(k.drains)
	k.lanes.Store(nil)
	k.Instances.Drop()
	k.Outbox.Drop()
	k.end()
}

// Stop waits until all lanes have ended, which they do after the membership is
// over and the store has answered.
func (k *Keeper) Stop(ctx context.Context) error {
	done := make(chan struct{})
	go func() { k.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

const (
	atOnce = 64      // instances whose notices are stored at once
	batch  = 100_000 // notices that are stored before some of them are carried out
)

// States are what is stored.
type States interface {
	Journal
	Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error)

	// Instances returns the ids of the instances of the entity name.
	Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error]
}

// Outbox is where notices go.
type Outbox interface {
	// Held returns the shards whose notices wait.
	Held() []outbox.Held

	// Store stores notices and marks of a shard, or removes marks, unless it
	// is to move.
	Store(h outbox.Held, w entity.Write, done func(error))

	// Release lets the notices of a shard go.
	Release(h outbox.Held)
}

// A BackfillConfig says what a [Backfill] works with.
type BackfillConfig struct {
	States    States
	Outbox    Outbox
	Rows      func() int64 // how many rows the outbox has in memory
	Catalogue func() (*route.Catalogue, error)
	Pause     time.Duration // before it is tried again
}

// A Backfill gives new consumers what was stored before. Make it with
// [NewBackfill].
type Backfill struct {
	BackfillConfig
	log  *slog.Logger
	wake chan struct{} // has room for one: there may be something to do
}

// NewBackfill returns one that has nothing to do yet.
func NewBackfill(log *slog.Logger, cfg BackfillConfig) *Backfill {
	return &Backfill{cfg, log, make(chan struct{}, 1)}
}

// Wake says that there are shards whose notices wait, or that the function has
// been found. It may be called by any goroutine, and does not block.
func (b *Backfill) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run does what there is to do, until ctx ends.
func (b *Backfill) Run(ctx context.Context) error {
	for {
		more, err := b.try(ctx)
		var wait <-chan time.Time
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err != nil:
			b.log.Error("new consumers of events were not given all, trying again", "err", err)
			wait = time.After(b.Pause)
		case more:
			wait = time.After(b.Pause)
		}
		select {
		case <-b.wake:
		case <-wait:
		case <-ctx.Done():
			return nil
		}
	}
}

// A follow is one consumer of the events of one entity.
type follow struct {
	consumer *route.Consumer
	entity   *route.Entity
}

// mark returns the row that notes that it has been given all.
func (f *follow) mark(at shard.ID) entity.OutboxRow {
	return entity.OutboxRow{Source: markKey(at), Kind: entity.Mark, Target: entity.Target{
		Service: f.consumer.Service, Command: f.consumer.Group, Payload: entity.Payload{Value: []byte(f.entity.Name)},
	}}
}

func (f *follow) isOf(mark *entity.OutboxRow) bool {
	t := &mark.Target
	return t.Service == f.consumer.Service && t.Command == f.consumer.Group && string(t.Payload.Value) == f.entity.Name
}

// try releases the shards that are held, some of them at least, and reports
// whether there are more.
func (b *Backfill) try(ctx context.Context) (more bool, err error) {
	held := b.Outbox.Held()
	c, err := b.Catalogue() // only now: one that comes later makes them wait again
	if err != nil || len(held) == 0 {
		return false, nil //nolint:nilerr // whoever finds the function wakes us
	}
	fs := &filling{Backfill: b}
	for _, h := range held {
		fs.add(h, c)
	}
	if more, err = fs.choose(ctx); err != nil {
		return false, err
	}
	began := time.Now()
	if err := fs.fill(ctx); err != nil {
		return false, err
	}
	if fs.n > 0 {
		b.log.Info("events have new consumers", "instances", fs.n, "took", time.Since(began))
	}
	return more, fs.release(ctx)
}

// markKeys are the sources of marks, by their shard.
var markKeys = sync.OnceValue(func() (keys [shard.Count]entity.Key) {
	for n, found := 0, 0; found < shard.Count; n++ {
		key := entity.Key{Entity: "kairn.eventlog/consumers", ID: fmt.Sprint(n)}
		if at := shard.Of(key); keys[at].Entity == "" {
			keys[at] = key
			found++
		}
	}
	return keys
})

func markKey(at shard.ID) entity.Key { return markKeys()[at] }

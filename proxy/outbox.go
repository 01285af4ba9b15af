// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventlog"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/router"
)

// newOutbox makes what carries out what is stored of effects and forwards.
func (p *parts) newOutbox(s store, r *router.Router, n *outbox.Stats) {
	laneOf := func(key entity.Key) *lane.Lane { return p.keeper.LaneOf(key) }
	events := eventlog.New(eventlog.Config{
		Calls: r, Journal: s, Methods: r, Catalogue: p.catalogue, Time: effectTime, AtOnce: maxNotices,
	})
	p.backfill = eventlog.NewBackfill(p.log, eventlog.BackfillConfig{
		States: s, Rows: n.Rows.Load, Catalogue: p.catalogue, Pause: time.Second,
	})
	p.outbox = outbox.New(p.log, outbox.Config{
		Rows: s, Calls: events, Lane: laneOf, Waiting: p.backfill.Wake,
		MinPause: 100 * time.Millisecond, MaxPause: time.Minute, MaxTries: 20, MaxRows: 10_000,
		Memory: rememberEffects, Stats: n,
	})
	r.Outbox, p.live.Outbox = p.outbox, p.outbox
	p.backfill.Outbox = p.outbox
}

// runOutbox carries out what is stored, and gives consumers what was there before
// them.
func (p *parts) runOutbox(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { p.backfill.Run(ctx) }) //nolint:errcheck // it returns nil when ctx is done
	defer work.Wait()
	return p.outbox.Run(ctx, p.known.c)
}

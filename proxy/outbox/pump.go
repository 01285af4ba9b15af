// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Rows is where the rows of the outbox are read from. The suite in package
// storetest checks that a store keeps the promises made here.
type Rows interface {
	// Outbox returns the rows whose sources are in the shards from first to
	// last, in bounded memory. Those of one source come together and in the
	// order of their ids. The first error ends it, with a zero row.
	Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error]
}

// Calls is where calls go.
type Calls interface {
	// To returns the instance or method that row is for, as a text that is
	// the same for all rows that have to keep their order.
	To(row *entity.OutboxRow) string

	// Deliver carries out the call that row asks for, under the key of the
	// row. It never blocks. done is called once, maybe before Deliver
	// returns.
	Deliver(row *entity.OutboxRow, done func(entity.Answer))
}

// A Config says what a Pump works with.
type Config struct {
	Rows     Rows
	Calls    Calls
	Lane     func(entity.Key) *lane.Lane // that an instance writes to; nil if the process is no member
	Member   entity.Member               // that owns every shard; 0 for one that is told what it owns
	MinPause time.Duration               // before the second try; doubles with each one
	MaxPause time.Duration
	MaxTries int
	MaxRows  int           // that an instance may have
	Memory   time.Duration // for which targets remember the rows that they have carried out
	Stats    *Stats

	// Waiting, if not nil, is called when there are shards whose notices wait
	// for [Pump.Release]. It must not block. If it is nil none do.
	Waiting func()
}

// Stats counts what a Pump does. Its zero value is ready for use.
type Stats struct {
	Rows      atomic.Int64 // that are not done now, parked ones among them
	Parked    atomic.Int64 // that are parked now
	Delivered atomic.Int64
	Refused   atomic.Int64 // delivered and refused by the target
	Retried   atomic.Int64 // tries that failed
}

// A Pump carries out the rows of the outbox. Make it with [New], run it with
// [Pump.Run]. Its methods may be called by any goroutine.
type Pump struct {
	Config
	log    *slog.Logger
	member atomic.Int64
	next   atomic.Int64 // the last number of an id
	acks   acks
	wake   chan struct{} // has room for one: there are boxes to be read

	mu      sync.Mutex // protects what follows, the boxes and their queues
	boxes   [shard.Count]*box
	stopped bool
	turn    int // how often notices were made to wait
}

// A place is whose rows keep their order.
type place struct {
	source entity.Key
	to     string
}

// An item is a row on its way.
type item struct {
	row   entity.OutboxRow
	first func(entity.Answer) // told of the first try; nil if nobody waits, or was told
}

// New returns a Pump that knows of no rows yet.
func New(log *slog.Logger, cfg Config) *Pump {
	p := &Pump{Config: cfg, log: log, wake: make(chan struct{}, 1)}
	p.acks = acks{pump: p, lanes: map[*lane.Lane]*batch{}}
	if cfg.Member != 0 {
		p.Begin(cfg.Member)
		for at := range shard.ID(shard.Count) {
			p.Open(at, true)
		}
	}
	return p
}

// Next returns an id for a row, which was never given out before.
func (p *Pump) Next() entity.OutboxID {
	return entity.OutboxID{Member: entity.Member(p.member.Load()), N: p.next.Add(1)}
}

// Full reports whether source has so many rows that it must not get more.
func (p *Pump) Full(source entity.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.boxes[shard.Of(source)]
	return b != nil && b.counts[source] >= p.MaxRows
}

// Send has row carried out, which is stored. First, if it isn't nil, is called
// once: with the answer to the first try, or with an error if there is none for
// the time being. The rows of one source have to come in the order of their ids.
func (p *Pump) Send(row entity.OutboxRow, first func(entity.Answer)) {
	it := &item{row, first}
	p.mu.Lock()
	b := p.boxes[shard.Of(row.Source)]
	switch {
	case p.stopped || b == nil:
		why := errStopping
		if b == nil {
			why = errMoved
		}
		tell := it.waits()
		p.mu.Unlock()
		tell(entity.Answer{Err: why})
	case !b.read:
		b.early = append(b.early, it)
		p.mu.Unlock()
	default:
		at := p.enqueue(b, it)
		p.mu.Unlock()
		p.run(b, at)
	}
}

var errStopping = fmt.Errorf("proxy is stopping, it is done later: %w", entity.ErrUnknownOutcome)

// placeOf returns where row has to wait for its turn.
func (p *Pump) placeOf(row *entity.OutboxRow) place {
	if row.Kind == entity.Purge {
		return place{source: row.Source}
	}
	return place{row.Source, p.Calls.To(row)}
}

// waits returns what tells whoever waits for the first try, once. It is called
// with the lock of the pump held, and what it returns without.
func (it *item) waits() func(entity.Answer) {
	first := it.first
	it.first = nil
	if first == nil {
		return func(entity.Answer) {}
	}
	return first
}

// Run reads what is stored of the shards that are open, from when ready is closed,
// and carries out all that there is and comes until ctx ends.
func (p *Pump) Run(ctx context.Context, ready <-chan struct{}) error {
	defer p.stop()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	pause := p.MinPause
	for {
		wait, err := (<-chan time.Time)(nil), p.readOpen(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			pause = p.MinPause
		default:
			p.log.Error("outbox was not read, trying again", "err", err)
			wait = time.After(pause)
			pause = min(2*pause, p.MaxPause)
		}
		select {
		case <-p.wake:
		case <-wait:
		case <-ctx.Done():
			return nil
		}
	}
}

// readOpen reads the rows of shards that were opened and not read, of neighbours
// together.
func (p *Pump) readOpen(ctx context.Context) error {
	for first := shard.ID(0); first < shard.Count; {
		boxes := p.unread(first)
		if len(boxes) == 0 {
			return nil
		}
		first = boxes[len(boxes)-1].at + 1
		rows, err := p.read(ctx, boxes[0].at, first-1)
		if err != nil {
			return err
		}
		p.start(boxes, rows)
	}
	return nil
}

// unread returns the boxes that are to be read, from first on up to a gap.
func (p *Pump) unread(first shard.ID) (boxes []*box) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.boxes[first:] {
		switch {
		case b != nil && !b.read:
			boxes = append(boxes, b)
		case len(boxes) > 0:
			return boxes
		}
	}
	return boxes
}

func (p *Pump) read(ctx context.Context, first, last shard.ID) (rows []*item, err error) {
	for row, err := range p.Rows.Outbox(ctx, first, last) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, &item{row: row})
	}
	return rows, nil
}

// start begins with the rows of some boxes that were stored before, and goes on
// with those that came meanwhile. Rows of this process that were stored since a
// box was opened are among these, or still to come: each is sent when its command
// is released.
func (p *Pump) start(boxes []*box, rows []*item) {
	type queued struct {
		b  *box
		at place
	}
	var all []queued
	p.mu.Lock()
	for _, it := range rows {
		b := boxes[shard.Of(it.row.Source)-boxes[0].at]
		if id := it.row.ID; !b.gone && (id.Member != entity.Member(p.member.Load()) || id.N <= b.mark) {
			if at := p.enqueue(b, it); at != (place{}) {
				all = append(all, queued{b, at})
			}
		}
	}
	before := len(all)
	for _, b := range boxes {
		for _, it := range b.early {
			all = append(all, queued{b, p.enqueue(b, it)})
		}
		b.early, b.read = nil, true
	}
	p.mu.Unlock()
	if before > 0 {
		p.log.Info("outbox has rows from before", "rows", before, "parked", p.Stats.Parked.Load())
	}
	for _, q := range all {
		p.run(q.b, q.at)
	}
	p.waiting()
}

// stop tries nothing more. What is under way may end, and is removed then if it
// can.
func (p *Pump) stop() {
	p.mu.Lock()
	p.stopped = true
	var tell []func(entity.Answer)
	for _, b := range p.boxes {
		if b != nil {
			tell = append(tell, b.halt()...)
		}
	}
	p.mu.Unlock()
	for _, t := range tell {
		t(entity.Answer{Err: errStopping})
	}
}

// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
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
	Lane     func(entity.Key) *lane.Lane // that an instance writes to
	Member   entity.Member
	MinPause time.Duration // before the second try; doubles with each one
	MaxPause time.Duration
	MaxTries int
	MaxRows  int // that an instance may have
	Stats    *Stats
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
	log  *slog.Logger
	next atomic.Int64 // the last number of an id
	acks acks

	mu      sync.Mutex // protects what follows, and the queues
	queues  map[place]*queue
	counts  map[entity.Key]int // rows that are not done, by their source
	early   []*item            // that came before the store was read
	started bool               // the store has been read
	stopped bool
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
	p := &Pump{Config: cfg, log: log, queues: map[place]*queue{}, counts: map[entity.Key]int{}}
	p.acks = acks{pump: p, lanes: map[*lane.Lane]*batch{}}
	return p
}

// Next returns an id for a row, which was never given out before.
func (p *Pump) Next() entity.OutboxID { return entity.OutboxID{Member: p.Member, N: p.next.Add(1)} }

// Full reports whether source has so many rows that it must not get more.
func (p *Pump) Full(source entity.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[source] >= p.MaxRows
}

// Send has row carried out, which is stored. First, if it isn't nil, is called
// once: with the answer to the first try, or with an error if there is none for
// the time being. The rows of one source have to come in the order of their ids.
func (p *Pump) Send(row entity.OutboxRow, first func(entity.Answer)) {
	it := &item{row, first}
	p.mu.Lock()
	switch {
	case p.stopped:
		tell := it.waits()
		p.mu.Unlock()
		tell(entity.Answer{Err: errStopping})
	case !p.started:
		p.early = append(p.early, it)
		p.mu.Unlock()
	default:
		p.enqueue(it)
		p.mu.Unlock()
		p.run(p.placeOf(&it.row))
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

// Run reads what is stored as soon as ready is closed, and carries out all that
// there is and comes until ctx ends.
func (p *Pump) Run(ctx context.Context, ready <-chan struct{}) error {
	defer p.stop()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil
	}
	for pause := p.MinPause; ; pause = min(2*pause, p.MaxPause) {
		rows, err := p.read(ctx)
		if err == nil {
			p.start(rows)
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		p.log.Error("outbox was not read, trying again", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
	<-ctx.Done()
	return nil
}

func (p *Pump) read(ctx context.Context) (rows []*item, err error) {
	for row, err := range p.Rows.Outbox(ctx, 0, shard.Count-1) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, &item{row: row})
	}
	return rows, nil
}

// start begins with the rows that were stored before, and goes on with those that
// came meanwhile. Rows of this process that were stored meanwhile are among these,
// or still to come: each is sent when its command is released.
func (p *Pump) start(rows []*item) {
	p.mu.Lock()
	rows = slices.DeleteFunc(rows, func(it *item) bool { return it.row.ID.Member == p.Member })
	rows = append(rows, p.early...)
	p.early, p.started = nil, true
	var places []place
	for _, it := range rows {
		places = append(places, p.enqueue(it))
	}
	p.mu.Unlock()
	if len(rows) > 0 {
		p.log.Info("outbox has rows from before", "rows", len(rows), "parked", p.Stats.Parked.Load())
	}
	for _, at := range places {
		p.run(at)
	}
}

// stop tries nothing more. What is under way may end, and is removed then if it
// can.
func (p *Pump) stop() {
	p.mu.Lock()
	p.stopped = true
	waiting := p.early
	p.early = nil
	var tell []func(entity.Answer)
	for _, q := range p.queues {
		if q.timer != nil {
			q.timer.Stop()
		}
		items := q.items
		if q.busy {
			items = items[1:] // whoever has the first one tells
		}
		waiting = append(waiting, items...)
	}
	for _, it := range waiting {
		tell = append(tell, it.waits())
	}
	p.mu.Unlock()
	for _, t := range tell {
		t(entity.Answer{Err: errStopping})
	}
}

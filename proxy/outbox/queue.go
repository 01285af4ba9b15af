// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A queue is the rows of one place, in order. It is there as long as it has some.
type queue struct {
	items []*item
	busy  bool        // the first one is being tried
	timer *time.Timer // until the first one is to be tried; nil if it needn't wait
}

// errWaits is for who waits for the first try of a row that has to wait.
var errWaits = fmt.Errorf("waits for its turn, it is done later: %w", entity.ErrUnknownOutcome)

// enqueue adds it where it belongs and returns where that is. p.mu is held.
func (p *Pump) enqueue(b *box, it *item) place {
	at := p.placeOf(&it.row)
	if b.queues == nil {
		b.queues, b.counts = map[place]*queue{}, map[entity.Key]int{}
	}
	b.counts[it.row.Source]++
	p.Stats.Rows.Add(1)
	if it.row.Parked {
		b.parked++
		p.Stats.Parked.Add(1)
		return at
	}
	q := b.queues[at]
	if q == nil {
		q = &queue{}
		b.queues[at] = q
	}
	q.items = append(q.items, it)
	if q.timer != nil && it.first != nil {
		first := it.first // the ones before it pause, so this one may take long
		it.first = nil
		go first(entity.Answer{Err: errWaits})
	}
	return at
}

// run tries the rows at a place until one has to be waited for, unless somebody
// does already.
func (p *Pump) run(b *box, at place) {
	for {
		it := p.begin(b, at)
		if it == nil {
			return
		}
		var turns atomic.Uint32 // whoever comes second goes on
		done := func(a entity.Answer) {
			p.done(b, at, it, a)
			if turns.Add(1) == 2 {
				p.run(b, at)
			}
		}
		p.try(it, done)
		if turns.Add(1) != 2 {
			return
		}
	}
}

// begin returns the row to be tried now, nil if there is none.
func (p *Pump) begin(b *box, at place) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := b.queues[at]
	if q == nil || q.busy || q.timer != nil || p.stopped || b.gone || b.quiet {
		return nil
	}
	it := q.items[0]
	if wait := time.Until(it.row.Due); !it.row.Due.IsZero() && wait > 0 {
		q.timer = time.AfterFunc(wait, func() {
			p.mu.Lock()
			q.timer = nil
			it.row.Due = time.Time{}
			p.mu.Unlock()
			p.run(b, at)
		})
		return nil
	}
	q.busy = true
	b.tries++
	return it
}

func (p *Pump) try(it *item, done func(entity.Answer)) {
	if it.row.Kind == entity.Purge {
		done(entity.Answer{})
		return
	}
	p.Calls.Deliver(&it.row, done)
}

// done says how a try of it, the first row at a place, has ended.
func (p *Pump) done(b *box, at place, it *item, a entity.Answer) {
	p.mu.Lock()
	q := b.queues[at]
	q.busy = false
	b.tries--
	var w entity.Write
	if !b.gone && !b.severed { // else it is the next owner's
		w = p.judge(b, it, a.Err)
		if gone := it.row.Due.IsZero(); gone { // else it is tried again
			q.items[0] = nil
			q.items = q.items[1:]
			if len(q.items) == 0 {
				delete(b.queues, at)
			}
		}
	}
	if !w.Empty() {
		b.acks++
	}
	tell, settled := it.waits(), b.settled() // now, or somebody who ends the pump may do so too
	p.mu.Unlock()
	if !w.Empty() {
		p.acks.add(b, w)
	}
	tell(a)
	settled()
}

// acked says that the store has decided about what became of n rows.
func (p *Pump) acked(b *box, n int) {
	p.mu.Lock()
	b.acks -= n
	settled := b.settled()
	p.mu.Unlock()
	settled()
}

// judge decides what a try that ended with err means, and returns what is to be
// stored about it. A row whose Due is set then is to be tried again. p.mu is held.
func (p *Pump) judge(b *box, it *item, err error) entity.Write {
	row := &it.row
	row.Due = time.Time{}
	w := entity.Write{Key: row.Source}
	_, refused := errors.AsType[*entity.Refusal](err)
	if err == nil || refused {
		p.Stats.Delivered.Add(1)
		if refused {
			p.Stats.Refused.Add(1)
			p.log.Warn("refused by its target", "row", row.ID, "source", row.Source.String(), "target", target(row), "err", err)
		}
		p.finished(b, row)
		w.Sent = []entity.OutboxID{row.ID}
		if row.Kind == entity.Purge {
			w.Trim = row.Seq
		}
		return w
	}
	row.Attempts++
	row.Trouble = err.Error()
	p.Stats.Retried.Add(1)
	if hopeless(err) || row.Attempts >= p.MaxTries && !away(err) {
		row.Parked = true
		b.parked++
		p.Stats.Parked.Add(1)
		p.log.Error("parked", "row", row.ID, "source", row.Source.String(), "target", target(row), "tries", row.Attempts, "err", err)
	} else {
		pause := min(p.MinPause<<min(row.Attempts-1, 20), p.MaxPause)
		row.Due = time.UnixMilli(time.Now().Add(pause/2 + rand.N(pause)).UnixMilli())
		p.log.Warn("failed, is tried again", "row", row.ID, "source", row.Source.String(), "target", target(row), "tries", row.Attempts, "err", err)
	}
	if row.Attempts > 1 || row.Parked { // most that fail once don't fail twice
		w.Outbox = []entity.OutboxRow{*row}
	}
	return w
}

// finished notes that row is done. p.mu is held.
func (p *Pump) finished(b *box, row *entity.OutboxRow) {
	p.Stats.Rows.Add(-1)
	if b.counts[row.Source]--; b.counts[row.Source] == 0 {
		delete(b.counts, row.Source)
	}
}

// hopeless reports whether a call that ended with err will never end otherwise.
func hopeless(err error) bool {
	return errors.Is(err, entity.ErrUnimplemented) || errors.Is(err, entity.ErrInvalid) || errors.Is(err, entity.ErrLoop)
}

// away reports whether err says nothing about the call, only that it could not be
// carried out now.
func away(err error) bool {
	return errors.Is(err, entity.ErrUnavailable) || errors.Is(err, entity.ErrOverloaded) || errors.Is(err, entity.ErrFull)
}

func target(row *entity.OutboxRow) string { return row.Target.Service + "/" + row.Target.Command }

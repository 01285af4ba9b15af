// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// ErrMore is how a try ends that has carried out a part of what its row asks for
// and has changed the row to ask for the rest.
var ErrMore = errors.New("there is more to be done")

// enqueue adds it where it belongs and returns where that is. p.mu is held.
func (p *Pump) enqueue(b *box, it *item) place {
	if it.row.Kind == entity.Mark {
		b.marks = append(b.marks, it.row)
		return place{}
	}
	at := p.placeOf(&it.row)
	if b.queues == nil {
		b.queues, b.counts, b.parked = map[place]*queue{}, map[entity.Key]int{}, map[entity.OutboxID]entity.Key{}
	}
	b.counts[it.row.Source]++
	p.Stats.Rows.Add(1)
	if it.row.Parked {
		p.park(b, &it.row)
	} else {
		b.queueUp(at, it)
	}
	return at
}

// queueUp makes it the last one at its place, if it is no notice.
func (b *box) queueUp(at place, it *item) {
	q := b.queues[at]
	if q == nil {
		q = &queue{}
		b.queues[at] = q
	}
	q.add(it)
	if q.timer != nil && it.first != nil {
		first := it.first // the ones before it pause, so this one may take long
		it.first = nil
		go first(entity.Answer{Err: errWaits})
	}
}

// park has row, which is in no queue, not tried any more. p.mu is held.
func (p *Pump) park(b *box, row *entity.OutboxRow) {
	b.parked[row.ID] = row.Source
	p.Stats.Parked.Add(1)
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
	if b.held && it.row.Kind == entity.EventNotice {
		return nil
	}
	if wait := time.Until(it.row.Due); !it.row.Due.IsZero() && wait > 0 {
		p.pause(b, at, q, wait)
		return nil
	}
	q.busy = true
	b.tries++
	return it
}

// pause has the rows at a place wait, unless somebody goes on before. p.mu is held.
func (p *Pump) pause(b *box, at place, q *queue, wait time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		if q.timer == timer {
			q.goOn()
		}
		p.mu.Unlock()
		p.run(b, at)
	})
	q.timer = timer
}

// goOn ends the pause, so that the first one can be tried. p.mu is held.
func (q *queue) goOn() {
	q.timer.Stop()
	q.timer = nil
	q.items[0].row.Due = time.Time{}
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
		var again bool
		if w, again = p.judge(b, it, a.Err); !again {
			b.remove(at, 0)
		}
	}
	if !w.Empty() {
		b.acks++
	}
	tell, settled := it.waits(), b.settled() // now, or somebody who ends the pump may do so too
	p.mu.Unlock()
	if !w.Empty() {
		p.acks.add(b, w, nil)
	}
	tell(a)
	settled()
}

// remove takes a row that isn't being tried out of its queue. The lock of the pump
// is held.
func (b *box) remove(at place, i int) {
	q := b.queues[at]
	if i == 0 {
		q.items[0] = nil
		q.items = q.items[1:]
	} else {
		q.items = slices.Delete(q.items, i, i+1)
	}
	if len(q.items) == 0 {
		delete(b.queues, at)
	}
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
// stored about it and whether the row is to be tried again, from its Due on. p.mu
// is held.
func (p *Pump) judge(b *box, it *item, err error) (w entity.Write, again bool) {
	row := &it.row
	row.Due = time.Time{}
	w = entity.Write{Key: row.Source}
	_, refused := errors.AsType[*entity.Refusal](err)
	if err == nil || refused {
		p.Stats.Delivered.Add(1)
		if refused {
			p.Stats.Refused.Add(1)
			p.log.Warn("refused by its target", "row", row.ID, "source", row.Source.String(), "target", target(row), "err", err)
		}
		p.finished(b, row.Source)
		w.Sent = []entity.OutboxID{row.ID}
		if row.Kind == entity.Purge {
			w.Trim = row.Seq
		}
		return w, false
	}
	if errors.Is(err, ErrMore) {
		w.Outbox = []entity.OutboxRow{*row}
		return w, true
	}
	row.Attempts++
	row.Trouble = err.Error()
	p.Stats.Retried.Add(1)
	if hopeless(err) || row.Attempts >= p.MaxTries && !away(err) {
		row.Parked = true
		p.park(b, row)
		p.log.Error("parked", "row", row.ID, "source", row.Source.String(), "target", target(row), "tries", row.Attempts, "err", err)
	} else {
		pause := min(p.MinPause<<min(row.Attempts-1, 20), p.MaxPause)
		row.Due = time.UnixMilli(time.Now().Add(pause/2 + rand.N(pause)).UnixMilli())
		p.log.Warn("failed, is tried again", "row", row.ID, "source", row.Source.String(), "target", target(row), "tries", row.Attempts, "err", err)
	}
	if row.Attempts > 1 || row.Parked { // most that fail once don't fail twice
		w.Outbox = []entity.OutboxRow{*row}
	}
	return w, !row.Parked
}

// finished notes that a row of source is done. p.mu is held.
func (p *Pump) finished(b *box, source entity.Key) {
	p.Stats.Rows.Add(-1)
	if b.counts[source]--; b.counts[source] == 0 {
		delete(b.counts, source)
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

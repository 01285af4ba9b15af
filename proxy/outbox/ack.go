// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"sync"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
)

// acks brings to the store what has become of rows. What comes while a batch of
// a lane is under way is its next batch, in which each source has one write.
type acks struct {
	pump *Pump

	mu    sync.Mutex // protects lanes and the batches
	lanes map[*lane.Lane]*batch
}

// A batch is what a lane gets next.
type batch struct {
	writes   map[entity.Key]*entity.Write
	underway int // writes of the one before
}

// add stores w soon.
func (a *acks) add(w entity.Write) {
	l := a.pump.Lane(w.Key)
	a.mu.Lock()
	b := a.lanes[l]
	if b == nil {
		b = &batch{writes: map[entity.Key]*entity.Write{}}
		a.lanes[l] = b
	}
	if has := b.writes[w.Key]; has != nil {
		merge(has, &w)
	} else {
		b.writes[w.Key] = &w
	}
	a.mu.Unlock()
	a.flush(l, b)
}

// merge adds w to has: what became of a row last is what counts.
func merge(has, w *entity.Write) {
	has.Trim = max(has.Trim, w.Trim)
	has.Sent = append(has.Sent, w.Sent...)
	for _, id := range w.Sent {
		has.Outbox = without(has.Outbox, id)
	}
	for _, row := range w.Outbox {
		has.Outbox = append(without(has.Outbox, row.ID), row)
	}
}

func without(rows []entity.OutboxRow, id entity.OutboxID) []entity.OutboxRow {
	for i := range rows {
		if rows[i].ID == id {
			return append(rows[:i:i], rows[i+1:]...)
		}
	}
	return rows
}

// flush gives the next batch to its lane, unless the one before is under way.
func (a *acks) flush(l *lane.Lane, b *batch) {
	a.mu.Lock()
	if b.underway > 0 || len(b.writes) == 0 {
		a.mu.Unlock()
		return
	}
	writes := b.writes
	b.writes, b.underway = map[entity.Key]*entity.Write{}, len(writes)
	a.mu.Unlock()
	for _, w := range writes {
		// A chain of its own: whether it is stored says nothing about others.
		l.Join(&lane.Chain{Verdict: func(err error) { a.verdict(l, b, err) }}, *w)
	}
}

// verdict is told of each write. One that was not stored is no harm: its rows are
// carried out again by the next process, and their targets notice.
func (a *acks) verdict(l *lane.Lane, b *batch, err error) {
	if err != nil {
		a.pump.log.Debug("what became of rows of the outbox was not stored", "err", err)
	}
	a.mu.Lock()
	b.underway--
	last := b.underway == 0
	a.mu.Unlock()
	if last {
		a.flush(l, b)
	}
}

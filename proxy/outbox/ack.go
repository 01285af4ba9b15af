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
	writes   map[entity.Key]*ack
	underway int // writes of the one before
}

// An ack is what has become of some rows of one source.
type ack struct {
	entity.Write
	box  *box
	rows int
	told []func(error) // what the store has said
}

// add stores w soon, which is about a row of of, and tells then, unless tell is
// nil. Without a membership it never is.
func (a *acks) add(of *box, w entity.Write, tell func(error)) {
	l := a.pump.Lane(w.Key)
	if l == nil {
		a.pump.acked(of, 1)
		if tell != nil {
			tell(errMoved)
		}
		return
	}
	a.mu.Lock()
	b := a.lanes[l]
	if b == nil {
		b = &batch{writes: map[entity.Key]*ack{}}
		a.lanes[l] = b
	}
	has := b.writes[w.Key]
	if has != nil {
		merge(&has.Write, &w)
	} else {
		has = &ack{Write: w, box: of}
		b.writes[w.Key] = has
	}
	has.rows++
	if tell != nil {
		has.told = append(has.told, tell)
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
	b.writes, b.underway = map[entity.Key]*ack{}, len(writes)
	a.mu.Unlock()
	for _, w := range writes {
		// A chain of its own: whether it is stored says nothing about others.
		l.Join(&lane.Chain{Verdict: func(err error) { a.verdict(l, b, w, err) }}, w.Write)
	}
}

// verdict is told of each write. One that was not stored is no harm: its rows are
// carried out again by the next process, and their targets notice.
func (a *acks) verdict(l *lane.Lane, b *batch, w *ack, err error) {
	if err != nil {
		a.pump.log.Debug("what became of rows of the outbox was not stored", "err", err)
	}
	a.mu.Lock()
	b.underway--
	last := b.underway == 0
	a.mu.Unlock()
	for _, tell := range w.told {
		tell(err)
	}
	a.pump.acked(w.box, w.rows)
	if last {
		a.flush(l, b)
	}
}

// forget forgets the lanes of a membership that is over.
func (a *acks) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lanes = map[*lane.Lane]*batch{}
}

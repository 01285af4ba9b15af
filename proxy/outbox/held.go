// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Held is a shard whose notices of events wait, as it was found.
type Held struct {
	At    shard.ID
	Marks []entity.OutboxRow // that it has

	box  *box
	turn int
}

// waiting says that there may be shards whose notices wait.
func (p *Pump) waiting() {
	if p.Waiting != nil {
		p.Waiting()
	}
}

// Hold lets the notices of all shards wait, which may be for a function that isn't
// that of before.
func (p *Pump) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	for _, b := range p.boxes {
		if b != nil {
			b.held = p.Waiting != nil
		}
	}
}

// Held returns the shards whose notices wait, and for nothing but [Pump.Release].
func (p *Pump) Held() (all []Held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, b := range p.boxes {
		if b != nil && b.held && b.read && !b.quiet {
			all = append(all, Held{shard.ID(at), slices.Clone(b.marks), b, p.turn})
		}
	}
	return all
}

// Store stores w, whose key is in the shard, unless that is to move. Its rows are
// given ids and times, and are carried out after that. done is called once.
func (p *Pump) Store(h Held, w entity.Write, done func(error)) {
	p.mu.Lock()
	l := p.Lane(w.Key)
	if p.stopped || h.box.gone || h.box.quiet || l == nil {
		p.mu.Unlock()
		done(errMoved)
		return
	}
	h.box.acks++
	for i := range w.Outbox {
		w.Outbox[i].ID, w.Outbox[i].Since = p.Next(), time.UnixMilli(time.Now().UnixMilli())
	}
	p.mu.Unlock()
	l.Join(&lane.Chain{Verdict: func(err error) {
		if err == nil {
			p.stored(h.box, &w)
		}
		p.acked(h.box, 1)
		done(err)
	}}, w)
}

// stored takes in what w has changed.
func (p *Pump) stored(b *box, w *entity.Write) {
	p.mu.Lock()
	if b.gone {
		p.mu.Unlock()
		return
	}
	for _, id := range w.Sent {
		b.marks = without(b.marks, id)
	}
	var places []place
	for i := range w.Outbox {
		places = append(places, p.enqueue(b, &item{row: w.Outbox[i]}))
	}
	p.mu.Unlock()
	for _, at := range places {
		p.run(b, at)
	}
}

// Release lets the notices of a shard go, unless they wait for something new.
func (p *Pump) Release(h Held) {
	p.mu.Lock()
	if p.turn != h.turn || h.box.gone {
		p.mu.Unlock()
		return
	}
	h.box.held = false
	places := h.box.places()
	p.mu.Unlock()
	for _, at := range places {
		p.run(h.box, at)
	}
}

// add adds it to the queue. Notices are in the order of the events that they are
// of, and each tells of what comes after the one before: those of what was there
// before a consumer may be stored when there are some of what came since.
func (q *queue) add(it *item) {
	q.items = append(q.items, it)
	if it.row.Kind != entity.EventNotice {
		return
	}
	at := len(q.items) - 1
	for first := q.first(); at > first && q.items[at-1].row.After > it.row.After; at-- {
		q.items[at] = q.items[at-1]
	}
	q.items[at] = it
	for i := max(at, 1); i < len(q.items); i++ {
		before, row := &q.items[i-1].row, &q.items[i].row
		row.After = max(row.After, min(before.Seq, row.Seq))
	}
}

// first returns which item is the first that is neither being tried nor pauses.
func (q *queue) first() int {
	if q.busy || q.timer != nil {
		return 1
	}
	return 0
}

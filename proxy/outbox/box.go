// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"fmt"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A box is the rows of one shard, from when it was opened to when it was closed.
// The lock of the pump protects all of it.
type box struct {
	at   shard.ID
	mark int64 // numbers of ids up to this were given out before it was opened

	read bool // the store has been read
	gone bool // nothing counts any more
	held bool // notices of events wait

	early  []*item // that came before the store was read
	queues map[place]*queue
	counts map[entity.Key]int             // rows that are not done, by their source
	parked map[entity.OutboxID]entity.Key // those of them that are not tried, with their source
	marks  []entity.OutboxRow             // that are stored

	underway
}

// An underway is what is going on in a box, and whoever waits for that to end.
type underway struct {
	tries   int
	acks    int  // on their way to the store
	quiet   bool // nothing is tried: the shard is to move
	severed bool // what is being tried doesn't count
	drained func(dirty bool)
}

// errMoved is for who waits for a row of a shard that is another member's.
var errMoved = fmt.Errorf("instance belongs to another member, which does it later: %w", entity.ErrUnknownOutcome)

// Begin makes the process a member, which owns nothing yet.
func (p *Pump) Begin(m entity.Member) { p.member.Store(int64(m)) }

// Open takes rows of a shard. If there may be some in the store these are read
// first.
//
// Open and those after it are called one after the other.
func (p *Pump) Open(at shard.ID, dirty bool) {
	p.mu.Lock()
	p.boxes[at] = &box{at: at, mark: p.next.Load(), read: !dirty, held: p.Waiting != nil}
	p.mu.Unlock()
	if dirty {
		select {
		case p.wake <- struct{}{}:
		default:
		}
		return
	}
	p.waiting()
}

// Drain tries no more rows of a shard whose instances are asleep. done is called
// when those that are being tried have their answer and the store knows of it,
// with whether any rows are left; not if Resume comes before.
func (p *Pump) Drain(at shard.ID, done func(dirty bool)) {
	p.change(at, func(b *box) { b.quiet, b.drained = true, done })
}

// Sever waits no more for what is being tried in a shard that drains. The next
// owner tries it again.
func (p *Pump) Sever(at shard.ID) { p.change(at, func(b *box) { b.severed = true }) }

// Resume takes a Drain back.
func (p *Pump) Resume(at shard.ID) {
	p.change(at, func(b *box) { b.quiet, b.severed, b.drained = false, false, nil })
	p.mu.Lock()
	b := p.boxes[at]
	places := b.places()
	p.mu.Unlock()
	for _, where := range places {
		p.run(b, where)
	}
	p.waiting()
}

// places returns where rows are. It is called with the lock held.
func (b *box) places() (all []place) {
	if b != nil {
		for where := range b.queues {
			all = append(all, where)
		}
	}
	return all
}

// change changes what is to be done with a shard, if it is open.
func (p *Pump) change(at shard.ID, what func(*box)) {
	p.mu.Lock()
	b := p.boxes[at]
	if b == nil {
		p.mu.Unlock()
		return
	}
	what(b)
	settled := b.settled()
	p.mu.Unlock()
	settled()
}

// settled returns what tells whoever waits for nothing to be under way, once that
// is so. It is called with the lock held, and what it returns without.
func (b *box) settled() func() {
	done := b.drained
	if done == nil || b.tries > 0 && !b.severed || b.acks > 0 {
		return func() {}
	}
	b.drained = nil
	dirty := !b.read || len(b.counts) > 0 || len(b.marks) > 0
	return func() { done(dirty) }
}

// Close forgets the rows of a shard, which is another member's.
func (p *Pump) Close(at shard.ID) { p.forget(errMoved, at, at) }

// Drop forgets all rows: the process is no member any more.
func (p *Pump) Drop() {
	p.forget(errMoved, 0, shard.Count-1)
	p.acks.forget()
}

// forget forgets the rows of some shards, and tells why whoever waits for them.
func (p *Pump) forget(why error, first, last shard.ID) {
	var tell []func(entity.Answer)
	p.mu.Lock()
	for at := first; at <= last; at++ {
		if b := p.boxes[at]; b != nil {
			p.boxes[at] = nil
			b.gone = true
			p.Stats.Rows.Add(int64(-b.rows()))
			p.Stats.Parked.Add(int64(-len(b.parked)))
			tell = append(tell, b.halt()...)
		}
	}
	p.mu.Unlock()
	for _, t := range tell {
		t(entity.Answer{Err: why})
	}
}

func (b *box) rows() (n int) {
	for _, of := range b.counts {
		n += of
	}
	return n
}

// halt ends all pauses, and returns what tells those who wait for the first try
// of a row. It is called with the lock held.
func (b *box) halt() (tell []func(entity.Answer)) {
	waiting := b.early
	b.early = nil
	for _, q := range b.queues {
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
	return tell
}

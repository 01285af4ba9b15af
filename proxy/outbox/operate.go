// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Why a row can't be retried or discarded.
var (
	// ErrNoRow reports that there is no such row here: it is done, or another
	// member has it.
	ErrNoRow = errors.New("no such row in the outbox of this proxy")

	// ErrTurn reports that a row is being tried at this moment, or waits for
	// one before it.
	ErrTurn = errors.New("row is being tried, or one before it is")

	// ErrOld reports that the target of a row may have carried it out and
	// forgotten that by now.
	ErrOld = errors.New("row is so old that its target may not remember whether it was carried out: it may be done twice")
)

// errDiscarded is for who waits for the first try of a row.
var errDiscarded = fmt.Errorf("was discarded before it was carried out: %w", entity.ErrUnavailable)

// A spot is where a row is: parked, or at i in the queue of a place.
type spot struct {
	b      *box
	parked bool
	at     place
	i      int
}

// Retry has the row id tried again now: one that is parked, after those that wait
// for the same target, or one that pauses. It returns when the store knows that the
// row is not parked any more, and before it is tried. Of a row that is older than
// [Config].Memory it can't be told whether its target has done it already:
// twice says that it may do it twice.
func (p *Pump) Retry(ctx context.Context, id entity.OutboxID, twice bool) error {
	p.mu.Lock()
	at, err := p.find(id)
	switch {
	case err != nil:
		p.mu.Unlock()
		return fmt.Errorf("row %v: %w", id, err)
	case at.parked:
		source := at.b.parked[id]
		delete(at.b.parked, id) // nobody else retries it
		p.Stats.Parked.Add(-1)
		p.mu.Unlock()
		if err := p.unpark(ctx, at.b, source, id, twice); err != nil {
			return fmt.Errorf("row %v: %w", id, err)
		}
		return nil
	}
	q := at.b.queues[at.at]
	if at.i > 0 || q.timer == nil {
		p.mu.Unlock()
		return fmt.Errorf("row %v: %w", id, ErrTurn)
	}
	q.goOn()
	p.mu.Unlock()
	p.run(at.b, at.at)
	return nil
}

// unpark has a row tried again that was taken out of those parked, or puts it back.
func (p *Pump) unpark(ctx context.Context, b *box, source entity.Key, id entity.OutboxID, twice bool) error {
	row, err := p.lookUp(ctx, b.at, id)
	if err == nil && !twice && time.Since(row.Since) >= p.Memory {
		err = ErrOld
	}
	if err == nil {
		row.Parked, row.Attempts, row.Due = false, 0, time.Time{}
		err = p.store(b, entity.Write{Key: row.Source, Outbox: []entity.OutboxRow{row}})
	}
	p.mu.Lock()
	switch {
	case b.gone:
		p.mu.Unlock()
		return errMoved
	case err != nil:
		b.parked[id] = source
		p.Stats.Parked.Add(1)
		p.mu.Unlock()
		return err
	}
	at := p.placeOf(&row)
	b.queueUp(at, &item{row: row})
	p.mu.Unlock()
	p.run(b, at)
	return nil
}

// Discard removes the row id, which is parked or waits: what it asks for is never
// done, unless it was before and nobody knows. It returns when the store has
// removed it.
func (p *Pump) Discard(id entity.OutboxID) error {
	p.mu.Lock()
	at, err := p.find(id)
	if err == nil && !at.parked && at.i == 0 && at.b.queues[at.at].busy {
		err = ErrTurn
	}
	if err != nil {
		p.mu.Unlock()
		return fmt.Errorf("row %v: %w", id, err)
	}
	source, tell := at.b.parked[id], func(entity.Answer) {}
	if at.parked {
		delete(at.b.parked, id)
		p.Stats.Parked.Add(-1)
	} else {
		q := at.b.queues[at.at]
		if at.i == 0 && q.timer != nil {
			q.goOn()
		}
		source, tell = q.items[at.i].row.Source, q.items[at.i].waits()
		at.b.remove(at.at, at.i)
	}
	p.finished(at.b, source)
	p.mu.Unlock()
	tell(entity.Answer{Err: errDiscarded})
	if !at.parked {
		p.run(at.b, at.at)
	}
	if err := p.store(at.b, entity.Write{Key: source, Sent: []entity.OutboxID{id}}); err != nil {
		return fmt.Errorf("row %v: %w", id, err)
	}
	p.log.Warn("discarded", "row", id, "source", source.String())
	return nil
}

// find returns where the row id is. p.mu is held.
func (p *Pump) find(id entity.OutboxID) (spot, error) {
	err := ErrNoRow
	for _, b := range p.boxes {
		switch {
		case b == nil:
			continue
		case !b.read:
			err = fmt.Errorf("not all rows have been read yet: %w", entity.ErrUnavailable)
			continue
		}
		if _, parked := b.parked[id]; parked {
			return spot{b: b, parked: true}, nil
		}
		for at, q := range b.queues {
			i := slices.IndexFunc(q.items, func(it *item) bool { return it.row.ID == id })
			if i >= 0 {
				return spot{b: b, at: at, i: i}, nil
			}
		}
	}
	return spot{}, err
}

// lookUp reads a row from the store.
func (p *Pump) lookUp(ctx context.Context, at shard.ID, id entity.OutboxID) (entity.OutboxRow, error) {
	for row, err := range p.Rows.Outbox(ctx, at, at) {
		if err != nil || row.ID == id {
			return row, err
		}
	}
	return entity.OutboxRow{}, ErrNoRow
}

// store brings w to the store, after all that was to be stored of its source
// before, and waits for that.
func (p *Pump) store(b *box, w entity.Write) error {
	p.mu.Lock()
	gone := b.gone
	if !gone {
		b.acks++
	}
	p.mu.Unlock()
	if gone {
		return errMoved
	}
	told := make(chan error, 1)
	p.acks.add(b, w, func(err error) { told <- err })
	return <-told
}

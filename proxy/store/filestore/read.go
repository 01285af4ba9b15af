// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A reader takes this much at a time out of the database and lets go of it
// then, since who reads may be slow: a database that is being read can't throw
// anything away, nor be closed.
const (
	chunkBytes  = 64 << 10
	chunkEvents = 512
)

// Snapshot returns the snapshot of key, the zero one if there is none.
func (s *Store) Snapshot(ctx context.Context, key entity.Key) (snap entity.Snapshot, err error) {
	row, err := s.row(ctx, key, kindSnapshot)
	if err == nil && row != nil {
		snap, err = readSnapshot(row)
	}
	if err != nil {
		return entity.Snapshot{}, fmt.Errorf("snapshot of %v: %w", key, err)
	}
	return snap, nil
}

// Value returns the value of key, the zero one if none was ever written.
func (s *Store) Value(ctx context.Context, key entity.Key) (v entity.Value, err error) {
	row, err := s.row(ctx, key, kindValue)
	if err == nil && row != nil {
		v, err = readValue(row)
	}
	if over(v.Expires, time.Now()) {
		v = entity.Value{Version: v.Version}
	}
	if err != nil {
		return entity.Value{}, fmt.Errorf("value of %v: %w", key, err)
	}
	return v, nil
}

// row returns what is in the only row of a kind that an instance has, nil if
// there is none.
func (s *Store) row(ctx context.Context, key entity.Key, kind byte) (row []byte, err error) {
	it, _, err := s.read(ctx, key, kind)
	if err != nil || it == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close(it)) }()
	if !it.First() {
		return nil, it.Error()
	}
	value, err := it.ValueAndErr()
	return bytes.Clone(value), err
}

// Events returns the events of key after the one at after. It ends where the
// journal ended when it got there.
func (s *Store) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return func(yield func(entity.Event, error) bool) {
		c := chunk{after: max(after, 0), names: newTypeURLs()}
		for more := true; more; {
			var err error
			if more, err = c.fill(ctx, s, key); err != nil {
				yield(entity.Event{}, fmt.Errorf("events of %v after %d: %w", key, c.after, err))
				return
			}
			for i := range c.events {
				if err := ctx.Err(); err != nil {
					yield(entity.Event{}, fmt.Errorf("events of %v: %w", key, err))
					return
				}
				if !yield(c.events[i], nil) {
					return
				}
			}
		}
	}
}

// A chunk is some events of a journal.
type chunk struct {
	after  entity.Seq // the last event that was read
	first  entity.Seq // the first one of events
	begun  bool       // whether any was read
	events []entity.Event
	rows   []byte // what the events are made of
	ends   []int  // where each row ends in rows
	names  typeURLs
}

// fill reads the next events and says whether there may be more.
func (c *chunk) fill(ctx context.Context, s *Store, key entity.Key) (more bool, err error) {
	c.events, c.rows, c.ends = c.events[:0], c.rows[:0], c.ends[:0]
	it, prefix, err := s.read(ctx, key, kindEvent)
	if err != nil || it == nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.close(it)) }()
	c.first = c.after + 1
	ok := it.SeekGE(appendSeq(bytes.Clone(prefix), c.first))
	for ; ok && len(c.rows) < chunkBytes && len(c.ends) < chunkEvents; ok = it.Next() {
		if err := c.take(it, len(prefix)); err != nil {
			return false, err
		}
	}
	if err := it.Error(); err != nil {
		return false, err
	}
	return ok, c.cut()
}

// take adds the row that it stands at.
func (c *chunk) take(it *pebble.Iterator, prefix int) error {
	seq, err := readSeq(it.Key()[prefix:])
	if err != nil {
		return err
	}
	if seq != c.after+1 && c.begun { // else those before were removed
		return fmt.Errorf("event %d is missing, the next one is %d", c.after+1, seq)
	}
	if !c.begun {
		c.begun, c.first = true, seq
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	c.after = seq
	c.rows = append(c.rows, value...)
	c.ends = append(c.ends, len(c.rows))
	return nil
}

// cut makes events of the rows.
func (c *chunk) cut() error {
	from := 0
	for i, end := range c.ends {
		p, err := readPayload(c.rows[from:end:end], c.names)
		if err != nil {
			return err
		}
		c.events = append(c.events, entity.Event{Seq: c.first + entity.Seq(i), Payload: p})
		from = end
	}
	return nil
}

// read returns an iterator over the rows of one kind of an instance, and what
// their keys begin with. It sees nothing that isn't durable: it is made while
// no commit can begin, after the last one of this instance was synced. It is
// nil if the store knows nothing of the entity.
func (s *Store) read(ctx context.Context, key entity.Key, kind byte) (*pebble.Iterator, []byte, error) {
	if err := s.begin(); err != nil {
		return nil, nil, err
	}
	it, prefix, err := s.iterate(ctx, key, kind)
	if it == nil {
		s.use.RUnlock()
	}
	return it, prefix, err
}

// iterate is read without the care about Close.
func (s *Store) iterate(ctx context.Context, key entity.Key, kind byte) (*pebble.Iterator, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.await(ctx, func() uint64 { return s.lastCommit(key) }); err != nil {
		return nil, nil, err
	}
	number, ok := s.entities[key.Entity]
	if !ok {
		return nil, nil, nil
	}
	prefix := append(appendInstance(make([]byte, 0, instanceSize(key.ID)), number, key.ID), kind)
	upper := append(bytes.Clone(prefix), math.MaxUint8) // above any seq
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upper})
	if err != nil {
		return nil, nil, err
	}
	return it, prefix, nil
}

// lastCommit returns the last commit that wrote to key, 0 if that was long ago.
func (s *Store) lastCommit(key entity.Key) uint64 {
	if j := s.journals.get(key); j != nil {
		return j.commit
	}
	return 0
}

// close ends what read has begun.
func (s *Store) close(it *pebble.Iterator) error {
	defer s.use.RUnlock()
	return it.Close()
}

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Commit moves the lane at to at.N+1 and adds writes, all or nothing, and
// returns when that is synced. Once begun it doesn't give up, so its context
// makes no difference.
//
// It has two halves. The first one holds s.mu: it decides and puts the rows
// into the log and the memtable. The second one waits for the sync, which is
// shared by all lanes that wait.
func (s *Store) Commit(_ context.Context, at entity.Position, writes []entity.Write) error {
	if err := s.begin(); err != nil {
		return fmt.Errorf("commit %d of lane %d: %w", at.N, at.Lane, err)
	}
	defer s.use.RUnlock()
	batch, commit, err := s.append(at, writes)
	if err != nil {
		return fmt.Errorf("commit %d of lane %d of member %d: %w", at.N, at.Lane, at.Member, err)
	}
	if err := s.guard(batch.SyncWait); err != nil {
		s.settle(commit, err)
		return fmt.Errorf("syncing commit %d of lane %d: %w", at.N, at.Lane, err)
	}
	s.settle(commit, nil)
	_ = batch.Close() // gives its memory back; it never fails after SyncWait
	return nil
}

// append decides on a commit and puts it into the log. It returns the batch to
// wait for, and which commit it is in the order of the log.
func (s *Store) append(at entity.Position, writes []entity.Write) (*pebble.Batch, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lane := s.lane(at.Member, at.Lane)
	if lane == nil || lane.n != at.N {
		return nil, 0, entity.ErrLaneMoved
	}
	s.journals.trim(s.applied, s.durable)
	st := s.stage(writes)
	if st.err == nil {
		st.err = s.space.take(st.batch.Len())
	}
	if st.err != nil {
		st.undo()
		return nil, 0, st.err
	}
	lane.n++
	if st.batch.Empty() { // nothing to wait for, least of all for what others have in flight
		return st.batch, 0, nil
	}
	if err := s.guard(func() error { return s.db.ApplyNoSyncWait(st.batch, pebble.Sync) }); err != nil {
		return nil, 0, err
	}
	s.applied++
	s.swept = st.swept
	lane.commit = s.applied
	for _, j := range st.touched {
		j.keep(s.applied)
	}
	return st.batch, s.applied, nil
}

// guard calls a function that writes. If that fails, or panics as Pebble does
// when it can't begin a new log file, then nothing is certain any more.
func (s *Store) guard(write func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("writing the log: %v", r)
		}
		if err != nil {
			s.broken.trip(fmt.Errorf("store in %s: %w", s.dir, err))
		}
	}()
	if err := write(); err != nil {
		return err
	}
	return s.broken.check() // some failures are only told to the logger
}

// A stage is a commit that is being put together. s.mu is held all the time.
type stage struct {
	s       *Store
	batch   *pebble.Batch
	touched []*journal
	named   []string         // entities that had no number
	seeker  *pebble.Iterator // over all events; nil if there was no need
	key     []byte           // memory for keys to look for
	row     []byte           // and for what is put into rows
	replied map[string]bool  // keys of the rows of replies that were added
	swept   int64            // what s.swept becomes if this is committed
	err     error            // the first one; nothing is done after it
}

// stage puts the rows of writes into a batch, if they follow what is stored.
func (s *Store) stage(writes []entity.Write) *stage {
	size := 64
	for i := range writes {
		size += writes[i].Size() + (len(writes[i].Key.ID)+32)*(len(writes[i].Events)+1)
	}
	s.attempts++
	st := &stage{s: s, batch: s.db.NewBatchWithSize(size), touched: make([]*journal, 0, len(writes))}
	st.sweep(time.Now())
	for i := range writes {
		st.add(&writes[i])
	}
	if st.seeker != nil {
		st.fail(st.seeker.Close())
	}
	return st
}

// fail notes err if it is the first one.
func (st *stage) fail(err error) {
	if st.err == nil {
		st.err = err
	}
}

// undo forgets a stage that isn't committed.
func (st *stage) undo() {
	for _, name := range st.named {
		delete(st.s.entities, name)
	}
	_ = st.batch.Close()
}

// add adds one write.
func (st *stage) add(w *entity.Write) {
	number := st.number(w.Key.Entity)
	if st.err != nil {
		return
	}
	j := st.journal(w.Key)
	st.touched = append(st.touched, j)
	if len(w.Events) > 0 {
		st.addEvents(number, w, &j.events)
	}
	if w.Snapshot != nil {
		st.addSnapshot(number, w, &j.events)
	}
	if w.Value != nil {
		st.addValue(number, w, &j.value)
	}
	if w.Reply != nil {
		st.addReply(number, w)
	}
	if len(w.Sent) > 0 || len(w.Outbox) > 0 {
		st.addOutbox(number, w)
	}
	if w.Trim > 0 {
		st.trim(number, w)
	}
}

// addEvents adds the events of w, if they follow those of the journal.
func (st *stage) addEvents(number uint16, w *entity.Write, c *chain) {
	st.look(number, w.Key.ID, c)
	for i := range w.Events {
		e := &w.Events[i]
		if st.err == nil && e.Seq != c.staged+1 {
			st.err = fmt.Errorf("event %d of %v doesn't follow event %d: %w", e.Seq, w.Key, c.staged, entity.ErrRefused)
		}
		if st.err != nil {
			return
		}
		c.staged++
		st.addEvent(number, w.Key.ID, e)
	}
}

// addValue adds the value of w, if it is the next version.
func (st *stage) addValue(number uint16, w *entity.Write, c *chain) {
	v := w.Value
	st.key = append(appendInstance(st.key[:0], number, w.Key.ID), kindValue)
	if c.staged == unknown {
		version, err := st.position(st.key)
		st.fail(err)
		c.found(version, err)
	}
	if st.err == nil && v.Version != c.staged+1 {
		st.err = fmt.Errorf("version %d of %v doesn't follow version %d: %w", v.Version, w.Key, c.staged, entity.ErrRefused)
	}
	if st.err != nil {
		return
	}
	c.staged++
	op := st.batch.SetDeferred(len(st.key), valueLen(v))
	copy(op.Key, st.key)
	appendValue(op.Value[:0], v)
	st.fail(op.Finish())
	if v.Exists && !v.Expires.IsZero() {
		st.addExpiry(v.Expires)
	}
}

// addEvent writes the row into the memory of the batch, without a detour. A
// batch wants to know the sizes before, so they are brought down afterwards.
func (st *stage) addEvent(number uint16, id string, e *entity.Event) {
	st.key = appendSeq(append(appendInstance(st.key[:0], number, id), kindEvent), e.Seq)
	op := st.batch.SetDeferred(len(st.key), payloadLen(e.Payload))
	copy(op.Key, st.key)
	appendPayload(op.Value[:0], e.Payload)
	st.fail(op.Finish())
}

func (st *stage) addSnapshot(number uint16, w *entity.Write, c *chain) {
	snap := w.Snapshot
	st.look(number, w.Key.ID, c)
	if st.err != nil {
		return
	}
	c.staged = max(c.staged, snap.Seq)
	st.key = append(appendInstance(st.key[:0], number, w.Key.ID), kindSnapshot)
	op := st.batch.SetDeferred(len(st.key), snapshotLen(snap))
	copy(op.Key, st.key)
	appendSnapshot(op.Value[:0], snap)
	st.fail(op.Finish())
}

// number returns the number of an entity. One that has none gets one, by a row
// in the same commit.
func (st *stage) number(name string) uint16 {
	entities := st.s.entities
	n, ok := entities[name]
	if ok || st.err != nil {
		return n
	}
	if len(entities) > math.MaxUint16 {
		st.err = fmt.Errorf("more than %d entities: %w", len(entities), entity.ErrRefused)
		return 0
	}
	n = uint16(len(entities))
	name = strings.Clone(name)
	entities[name] = n
	st.named = append(st.named, name)
	st.fail(st.batch.Set(append(slices.Clip(entityRows), name...), binary.AppendUvarint(nil, uint64(n)), nil))
	return n
}

// journal returns what is known of key after the writes that were added.
func (st *stage) journal(key entity.Key) *journal {
	s := st.s
	j := s.journals.get(key)
	if j == nil {
		j = &journal{events: chain{last: unknown}, value: chain{last: unknown}}
		s.journals.put(key, j)
	}
	j.begin(s.attempts)
	return j
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Snapshot returns the snapshot of key, the zero one if there is none.
func (s *Store) Snapshot(_ context.Context, key entity.Key) (entity.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if in := s.instances[key]; in != nil {
		return in.snapshot, nil
	}
	return entity.Snapshot{}, nil
}

// Value returns the value of key, the zero one if none was ever written.
func (s *Store) Value(_ context.Context, key entity.Key) (entity.Value, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	in := s.instances[key]
	if in == nil {
		return entity.Value{}, nil
	}
	if !in.value.Expires.IsZero() && !time.Now().Before(in.value.Expires) {
		return entity.Value{Version: in.value.Version}, nil
	}
	return in.value, nil
}

// Events returns the events of key after the one at after, as they are when
// the loop begins.
func (s *Store) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return func(yield func(entity.Event, error) bool) {
		for _, e := range s.journal(key, after) {
			if err := ctx.Err(); err != nil {
				yield(entity.Event{}, fmt.Errorf("events of %v: %w", key, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// journal returns the events of key after the one at after.
func (s *Store) journal(key entity.Key, after entity.Seq) []entity.Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	in := s.instances[key]
	if in == nil || len(in.events) == 0 || after >= in.events[len(in.events)-1].Seq {
		return nil
	}
	return in.events[max(after-in.events[0].Seq+1, 0):]
}

// Reply returns what is remembered of the command idem of key, and false if that
// is nothing.
func (s *Store) Reply(_ context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if in := s.instances[key]; in != nil {
		r, ok := in.replies[idem]
		return r, ok, nil
	}
	return entity.Reply{}, false, nil
}

// Outbox returns the rows of the shards from first to last, as they are when the
// loop begins, those of one instance together and in order.
func (s *Store) Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error] {
	return func(yield func(entity.OutboxRow, error) bool) {
		for _, row := range s.rows(first, last) {
			if err := ctx.Err(); err != nil {
				yield(entity.OutboxRow{}, fmt.Errorf("outbox of shards %d to %d: %w", first, last, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (s *Store) rows(first, last shard.ID) []entity.OutboxRow {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var rows []entity.OutboxRow
	for key, in := range s.instances {
		if of := shard.Of(key); len(in.outbox) > 0 && first <= of && of <= last {
			rows = append(rows, in.outbox...)
		}
	}
	return rows
}

// Instances returns the ids of the instances of the entity name of which events,
// a snapshot or a value are stored, as they are when the loop begins.
func (s *Store) Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range s.ids(name, after) {
			if err := ctx.Err(); err != nil {
				yield("", fmt.Errorf("instances of %s: %w", name, err))
				return
			}
			if !yield(id, nil) {
				return
			}
		}
	}
}

func (s *Store) ids(name string, after *string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []string
	for key, in := range s.instances {
		known := len(in.events) > 0 || in.snapshot.Seq > 0 || in.value.Version > 0
		if key.Entity == name && known && (after == nil || key.ID > *after) {
			ids = append(ids, key.ID)
		}
	}
	sort.Strings(ids)
	return ids
}

// find returns where the row id is, or would be, in the outbox of in.
func (in *instance) find(id entity.OutboxID) (int, bool) {
	return slices.BinarySearchFunc(in.outbox, id, func(r entity.OutboxRow, id entity.OutboxID) int { return r.ID.Compare(id) })
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/api/iterator"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// errStalled is why a read is given up.
var errStalled = fmt.Errorf("no row came for %v", readLimit)

// find reads one row, strongly; nil if it isn't there.
func (s *Store) find(ctx context.Context, table string, key spanner.Key, columns ...string) (*spanner.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	s.stats.Reads.Add(1)
	client := s.client()
	row, err := client.Single().ReadRow(ctx, table, key, columns)
	if errors.Is(err, spanner.ErrRowNotFound) {
		return nil, nil
	}
	s.conn.heard(ctx, client, err)
	return row, err
}

// Snapshot returns the snapshot of key, or a zero one if there is none.
func (s *Store) Snapshot(ctx context.Context, key entity.Key) (snap entity.Snapshot, err error) {
	row, err := s.find(ctx, "Snapshots", s.row(key), "Seq", "Deleted", "Type", "Payload")
	if err == nil && row != nil {
		err = row.Columns((*int64)(&snap.Seq), &snap.Deleted, &snap.TypeURL, &snap.Value)
	}
	if err != nil {
		return entity.Snapshot{}, unread("snapshot", key, err)
	}
	s.ends.snapshot(key, snap.Seq)
	return snap, nil
}

// Value returns the value of key, or a zero one if none was ever written.
func (s *Store) Value(ctx context.Context, key entity.Key) (v entity.Value, err error) {
	row, err := s.find(ctx, "Values", s.row(key), "Version", "Exist", "Type", "Payload", "Expires")
	if err == nil && row != nil {
		var expires spanner.NullTime
		err = row.Columns((*int64)(&v.Version), &v.Exists, &v.TypeURL, &v.Value, &expires)
		v.Expires = expires.Time
	}
	if err != nil {
		return entity.Value{}, unread("value", key, err)
	}
	s.ends.version(key, v.Version)
	if !v.Exists || !v.Expires.IsZero() && !time.Now().Before(v.Expires) {
		return entity.Value{Version: v.Version}, nil
	}
	return v, nil
}

// Events yields the events of key after seq, as one streamed read. The client
// library holds no more of it than the network has brought.
func (s *Store) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return func(yield func(entity.Event, error) bool) {
		last, stopped := entity.Seq(0), false // the first may be any: those before were removed
		rows := spanner.KeyRange{Start: s.row(key, int64(after)), End: s.row(key), Kind: spanner.OpenClosed}
		err := s.scan(ctx, "Events", rows, []string{"Seq", "Type", "Payload"}, func(row *spanner.Row) (bool, error) {
			var e entity.Event
			if err := row.Columns((*int64)(&e.Seq), &e.TypeURL, &e.Value); err != nil {
				return false, err
			}
			if last != 0 && e.Seq != last+1 {
				return false, fmt.Errorf("event %d comes after event %d: the journal has a gap", e.Seq, last)
			}
			last = e.Seq
			stopped = !yield(e, nil)
			return !stopped, nil
		})
		switch {
		case err != nil:
			yield(entity.Event{}, unread("events", key, err))
		case !stopped:
			s.ends.events(key, after, last)
		}
	}
}

// scan reads a range of rows, strongly, and gives them to each until that
// returns false. It gives up when no row comes for a while; that each takes its
// time doesn't count.
func (s *Store) scan(ctx context.Context, table string, keys spanner.KeySet, columns []string, each func(*spanner.Row) (bool, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.stats.Reads.Add(1)
	client := s.client()
	rows := client.Single().Read(ctx, table, keys, columns)
	defer rows.Stop()
	stalled := time.AfterFunc(readLimit, func() { cancel(errStalled) })
	defer stalled.Stop()
	for {
		row, err := rows.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			s.conn.heard(ctx, client, err)
			return errors.Join(context.Cause(ctx), err)
		}
		stalled.Stop()
		more, err := each(row)
		if err != nil || !more {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		stalled.Reset(readLimit)
	}
}

// Position returns how many commits the lane of member has made, and false if
// there is no such lane.
func (s *Store) Position(ctx context.Context, member entity.Member, lane int) (n int64, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	keys := spanner.Key{s.home, s.cfg.Service, int64(member), int64(lane)}.AsPrefix()
	err = s.scan(ctx, "Lanes", keys, []string{"N"}, func(row *spanner.Row) (bool, error) {
		ok = true
		return true, row.Columns(&n)
	})
	if err != nil {
		return 0, false, fmt.Errorf("position of lane %d of member %d: %w", lane, member, err)
	}
	return n, ok, nil
}

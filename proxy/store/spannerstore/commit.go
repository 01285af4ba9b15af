// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/spanner"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/record"
)

// The columns of the tables, the key first.
var (
	laneColumns     = []string{"Bucket", "Service", "Member", "Lane", "N"}
	instanceKey     = []string{"Bucket", "Service", "Shard", "Entity", "Key"}
	instanceColumns = append(slices.Clip(instanceKey), "Stored")
	eventColumns    = append(slices.Clip(instanceKey), "Seq", "Type", "Payload")
	snapshotColumns = append(slices.Clip(instanceKey), "Seq", "Deleted", "Type", "Payload")
	valueColumns    = append(slices.Clip(instanceKey), "Version", "Exist", "Type", "Payload", "Expires")
	replyColumns    = append(slices.Clip(instanceKey), "IdemKey", "Reply", "Expires")
	outboxColumns   = append(slices.Clip(instanceKey), "Member", "N", "Entry")
)

// Commit moves the lane at to at.N+1 and adds writes: one call of Commit, for
// one transaction that reads nothing.
func (s *Store) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	ends, err := s.admit(ctx, at, writes)
	if err == nil {
		err = s.commit(ctx, at, writes)
	}
	switch {
	case err == nil:
		s.ends.note(ends)
		return nil
	case !errors.Is(err, entity.ErrRefused):
		s.ends.forget(ends) // it may be that it was applied
	}
	return fmt.Errorf("commit %d of lane %d of member %d: %w", at.N, at.Lane, at.Member, err)
}

func (s *Store) commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	changes := s.move(at)
	for i := range writes {
		changes = s.add(changes, &writes[i])
	}
	limited, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	// At least once is what it is: the library and the lane send the same
	// commit again, and the lane makes that harmless.
	client := s.client()
	_, err := client.Apply(limited, changes, spanner.ApplyAtLeastOnce())
	s.conn.heard(ctx, client, err)
	return s.explain(ctx, at, writes, err)
}

// move returns the changes that fail unless the lane stands at at, and move it
// on.
func (s *Store) move(at entity.Position) []*spanner.Mutation {
	from := spanner.Key{s.home, s.cfg.Service, int64(at.Member), int64(at.Lane), at.N}
	next := values(from[:4], at.N+1)
	return []*spanner.Mutation{
		spanner.Update("Lanes", append(slices.Clip(laneColumns), "Ok"), values(from, true)),
		spanner.Delete("Lanes", from),
		spanner.Insert("Lanes", laneColumns, next),
	}
}

// add appends what one write changes.
func (s *Store) add(changes []*spanner.Mutation, w *entity.Write) []*spanner.Mutation {
	key := s.row(w.Key)
	changes = addParent(changes, key, w)
	for i := range w.Events {
		e := &w.Events[i]
		changes = append(changes, spanner.Insert("Events", eventColumns, values(key, int64(e.Seq), e.TypeURL, filled(e.Value))))
	}
	if snap := w.Snapshot; snap != nil {
		changes = append(changes, spanner.InsertOrUpdate("Snapshots", snapshotColumns,
			values(key, int64(snap.Seq), snap.Deleted, snap.TypeURL, filled(snap.Value))))
	}
	if v := w.Value; v != nil {
		changes = append(changes, spanner.InsertOrUpdate("Values", valueColumns,
			values(key, int64(v.Version), v.Exists, v.TypeURL, filled(v.Value), moment(v.Expires))))
	}
	if w.Trim > 0 {
		changes = append(changes, spanner.Delete("Events",
			spanner.KeyRange{Start: key, End: s.row(w.Key, int64(w.Trim)), Kind: spanner.ClosedClosed}))
	}
	if r := w.Reply; r != nil {
		changes = append(changes, spanner.Insert("Replies", replyColumns,
			values(key, []byte(r.Key), record.AppendReply(nil, r), moment(r.Expires))))
	}
	for _, id := range w.Sent {
		changes = append(changes, spanner.Delete("Outbox", s.row(w.Key, int64(id.Member), id.N)))
	}
	for i := range w.Outbox {
		r := &w.Outbox[i]
		changes = append(changes, spanner.InsertOrUpdate("Outbox", outboxColumns,
			values(key, int64(r.ID.Member), r.ID.N, record.AppendRow(nil, r))))
	}
	return changes
}

// addParent appends the row that is the parent of those of w, if w may be the
// first one that needs it. Events and values tell by their numbers. A reply
// alone doesn't say that the instance is stored.
func addParent(changes []*spanner.Mutation, key spanner.Key, w *entity.Write) []*spanner.Mutation {
	switch {
	case len(w.Events) > 0 && w.Events[0].Seq == 1, w.Value != nil && w.Value.Version == 1,
		len(w.Events) == 0 && w.Value == nil && w.Snapshot != nil:
		return append(changes, spanner.InsertOrUpdate("Instances", instanceColumns, values(key, true)))
	case len(w.Events) == 0 && w.Value == nil && w.Reply != nil:
		return append(changes, spanner.InsertOrUpdate("Instances", instanceKey, key))
	}
	return changes
}

// values returns the values of a row.
func values(key spanner.Key, more ...any) []any {
	return append(append(make([]any, 0, len(key)+len(more)), key...), more...)
}

// filled returns b, or an empty slice if it is nil, which would be NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// moment returns t as a column has it: NULL if it is zero.
func moment(t time.Time) spanner.NullTime { return spanner.NullTime{Time: t, Valid: !t.IsZero()} }

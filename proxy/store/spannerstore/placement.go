// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/grpc/codes"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// placementColumns are those of Placement, the key first.
var placementColumns = []string{"Bucket", "Service", "Version", "Incarnation", "NextMember", "Table"}

// sight reads what a member looks at in one query, so that a look is one call
// and of one moment. A table that is known stays where it is.
const sight = "SELECT p.Version, p.Incarnation, p.NextMember," +
	" IF(p.Incarnation = @incarnation AND p.Version = @version, NULL, p.`Table`)," +
	" TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), m.RenewedAt, MICROSECOND)" +
	" FROM (SELECT 1) LEFT JOIN Placement p ON p.Bucket = @bucket AND p.Service = @service" +
	" LEFT JOIN Members m ON m.Bucket = @bucket AND m.Service = @service AND m.Member = @member"

// Renew makes the lease of a member as new: one call, which reads nothing and
// waits for no transaction but the one that evicts it.
func (s *Store) Renew(ctx context.Context, m entity.Member) error {
	client := s.client()
	_, err := client.Apply(ctx, []*spanner.Mutation{s.renew(m)}, spanner.ApplyAtLeastOnce())
	s.conn.heard(ctx, client, err)
	if spanner.ErrCode(err) == codes.NotFound && gone(err) == nil {
		err = entity.ErrNoMember
	} else if err != nil {
		s.stats.BeatsLost.Add(1)
	}
	if err != nil {
		return fmt.Errorf("renew the lease of member %d: %w", m, err)
	}
	return nil
}

// Look returns the placement, and the lease of a neighbour. How old that is, is
// by Spanner's clock.
func (s *Store) Look(ctx context.Context, known entity.Placement, neighbour entity.Member) (seen entity.Sight, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	s.stats.Reads.Add(1)
	client := s.client()
	err = client.Single().Query(ctx, spanner.Statement{SQL: sight, Params: map[string]any{
		"bucket": s.home, "service": s.cfg.Service, "member": int64(neighbour),
		"incarnation": known.Incarnation, "version": known.Version,
	}}).Do(func(row *spanner.Row) error {
		var version, next, age spanner.NullInt64
		var incarnation spanner.NullString
		p := &seen.Placement
		if err := row.Columns(&version, &incarnation, &next, &p.Table, &age); err != nil {
			return err
		}
		p.Version, p.Incarnation, p.NextMember = version.Int64, incarnation.StringVal, entity.Member(next.Int64)
		if age.Valid {
			seen.Neighbour = entity.Lease{Member: neighbour, Silent: silence(age.Int64)}
		}
		return nil
	})
	s.conn.heard(ctx, client, err)
	if err != nil {
		return entity.Sight{}, fmt.Errorf("look at the placement: %w", err)
	}
	return seen, nil
}

// Transact makes the transition that decide returns, in one transaction. The
// library begins it anew when it meets one of another process. Those of this one
// wait for each other: they would meet at the same row in any case, and the
// emulator loses one of two transactions that a client has at a time.
func (s *Store) Transact(ctx context.Context, decide func(entity.Placement, []entity.Lease) (entity.Transition, bool)) (after entity.Placement, err error) {
	select {
	case s.transitions <- struct{}{}:
		defer func() { <-s.transitions }()
	case <-ctx.Done():
		return after, fmt.Errorf("transition of the placement: %w", context.Cause(ctx))
	}
	var tr entity.Transition
	client := s.client()
	_, err = client.ReadWriteTransaction(ctx, func(ctx context.Context, txn *spanner.ReadWriteTransaction) error {
		before, err := s.placement(ctx, txn)
		if err != nil {
			return err
		}
		leases, err := s.leases(ctx, txn)
		if err != nil {
			return err
		}
		changed := false
		if tr, changed = decide(before, leases); !changed {
			after, tr = before, entity.Transition{}
			return nil
		}
		after = tr.Placement
		return txn.BufferWrite(s.transition(&tr))
	})
	s.conn.heard(ctx, client, err)
	if err != nil {
		return entity.Placement{}, fmt.Errorf("transition of the placement: %w", err)
	}
	if tr.Joined != 0 {
		s.ends.clear() // the store may be one that has lost what was there before
	}
	return after, nil
}

// transition returns the changes that make tr.
func (s *Store) transition(tr *entity.Transition) []*spanner.Mutation {
	p := &tr.Placement
	changes := []*spanner.Mutation{spanner.InsertOrUpdate("Placement", placementColumns,
		[]any{s.home, s.cfg.Service, p.Version, p.Incarnation, int64(p.NextMember), filled(p.Table)})}
	for _, m := range tr.Gone {
		changes = append(changes, s.remove(m))
	}
	if tr.Joined != 0 {
		changes = append(changes, s.enter(tr.Joined, tr.Lanes)...)
	}
	if tr.Renewed != 0 {
		changes = append(changes, s.renew(tr.Renewed))
	}
	return changes
}

// renew returns the change that makes a lease as new, which fails if there is
// none.
func (s *Store) renew(m entity.Member) *spanner.Mutation {
	return spanner.Update("Members", []string{"Bucket", "Service", "Member", "RenewedAt"},
		[]any{s.home, s.cfg.Service, int64(m), spanner.CommitTimestamp})
}

// placement reads the row of the service; it is zero if there is none.
func (s *Store) placement(ctx context.Context, txn *spanner.ReadWriteTransaction) (p entity.Placement, err error) {
	row, err := txn.ReadRow(ctx, "Placement", spanner.Key{s.home, s.cfg.Service}, placementColumns[2:])
	if errors.Is(err, spanner.ErrRowNotFound) {
		return p, nil
	}
	if err == nil {
		err = row.Columns(&p.Version, &p.Incarnation, (*int64)(&p.NextMember), &p.Table)
	}
	return p, err
}

// silence is how long ago a lease was renewed, of which Spanner says how many
// microseconds that is. A renewal that has a later timestamp than the question
// was made just now.
func silence(micros int64) time.Duration { return max(0, time.Duration(micros)*time.Microsecond) }

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"

	"cloud.google.com/go/spanner"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// leases returns those of all members of the service, by their ids. How old they
// are is by Spanner's clock.
func (s *Store) leases(ctx context.Context, txn *spanner.ReadWriteTransaction) (all []entity.Lease, err error) {
	stmt := spanner.NewStatement(`SELECT Member, TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), RenewedAt, MICROSECOND)
		FROM Members WHERE Bucket = @bucket AND Service = @service ORDER BY Member`)
	stmt.Params["bucket"], stmt.Params["service"] = s.home, s.cfg.Service
	err = txn.Query(ctx, stmt).Do(func(row *spanner.Row) error {
		var id, age int64
		if err := row.Columns(&id, &age); err != nil {
			return err
		}
		all = append(all, entity.Lease{Member: entity.Member(id), Silent: silence(age)})
		return nil
	})
	return all, err
}

// enter returns the changes that make a member. Its nonce is in the table.
func (s *Store) enter(m entity.Member, lanes int) []*spanner.Mutation {
	changes := []*spanner.Mutation{spanner.Insert("Members",
		[]string{"Bucket", "Service", "Member", "Uid", "Nonce", "RenewedAt"},
		[]any{s.home, s.cfg.Service, int64(m), s.cfg.UID, "", spanner.CommitTimestamp})}
	for lane := range lanes {
		changes = append(changes, spanner.Insert("Lanes", laneColumns, []any{s.home, s.cfg.Service, int64(m), int64(lane), int64(0)}))
	}
	return changes
}

// remove returns the change that takes the right to write from m: its lanes go
// with it.
func (s *Store) remove(m entity.Member) *spanner.Mutation {
	return spanner.Delete("Members", spanner.Key{s.home, s.cfg.Service, int64(m)})
}

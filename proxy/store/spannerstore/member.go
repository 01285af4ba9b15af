// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/grpc/codes"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// errHeld reports that another member lives.
var errHeld = errors.New("another member of the service lives")

// Join returns a new member with that many lanes. While another member of the
// service lives it waits: until that one leaves, or its lease has lapsed, which
// evicts it. After cfg.Wait it gives up and says who lives.
//
// A join whose outcome is unknown is tried again. It finds itself by its nonce,
// or takes a new id.
func (s *Store) Join(ctx context.Context, lanes int) (entity.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait+readLimit)
	defer cancel()
	nonce, deadline := rand.Text(), time.Now().Add(s.cfg.Wait)
	for {
		sent := time.Now()
		m, err := s.join(ctx, lanes, nonce, s.lapsed)
		switch {
		case err == nil:
			s.ends.clear()
			s.lease.begin(m, sent)
			return m, nil
		case errors.Is(err, errHeld) && time.Now().After(deadline), !retriable(err), ctx.Err() != nil:
			return 0, fmt.Errorf("join service %s in %s: %w", s.cfg.Service, s.cfg.Database, err)
		}
		s.log.Info("can't join yet", "service", s.cfg.Service, "err", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// retriable reports whether a join that failed with err is worth another try.
func retriable(err error) bool {
	switch spanner.ErrCode(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Internal:
		return true
	}
	return errors.Is(err, errHeld)
}

// A living is what Members says of one.
type living struct {
	id         entity.Member
	uid, nonce string
	age        time.Duration // since it was renewed
}

// lapsed returns those that have lapsed, or an error if another one hasn't. One
// of the same uid is what this process was before it was started again.
func (s *Store) lapsed(all []living) (gone []entity.Member, err error) {
	for _, l := range all {
		if l.age <= leaseTime+leaseMargin && l.uid != s.cfg.UID {
			return nil, fmt.Errorf("%w: member %d (%s), renewed %v ago", errHeld, l.id, l.uid, l.age)
		}
		gone = append(gone, l.id)
	}
	return gone, nil
}

// join is one transaction: it makes a member after it has evicted those that
// evict returns.
func (s *Store) join(ctx context.Context, lanes int, nonce string, evict func([]living) ([]entity.Member, error)) (m entity.Member, err error) {
	_, err = s.client().ReadWriteTransaction(ctx, func(ctx context.Context, txn *spanner.ReadWriteTransaction) error {
		all, err := s.members(ctx, txn)
		if err != nil {
			return err
		}
		for _, l := range all {
			if l.nonce == nonce { // the answer was lost
				m = l.id
				return nil
			}
		}
		gone, err := evict(all)
		if err != nil {
			return err
		}
		p, err := s.placement(ctx, txn)
		if err != nil {
			return err
		}
		m = max(p.NextMember, 1)
		p.Version, p.Incarnation, p.NextMember = p.Version+1, cmp.Or(p.Incarnation, rand.Text()), m+1
		changes := s.transition(&entity.Transition{Placement: p, Gone: gone})
		return txn.BufferWrite(append(changes, s.enter(m, lanes, nonce)...))
	})
	return m, err
}

// members returns all members of the service, by their ids. How old their leases are is by
// Spanner's clock.
func (s *Store) members(ctx context.Context, txn *spanner.ReadWriteTransaction) (all []living, err error) {
	stmt := spanner.NewStatement(`SELECT Member, Uid, Nonce, TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), RenewedAt, MICROSECOND)
		FROM Members WHERE Bucket = @bucket AND Service = @service ORDER BY Member`)
	stmt.Params["bucket"], stmt.Params["service"] = s.home, s.cfg.Service
	err = txn.Query(ctx, stmt).Do(func(row *spanner.Row) error {
		var l living
		var id, age int64
		if err := row.Columns(&id, &l.uid, &l.nonce, &age); err != nil {
			return err
		}
		l.id, l.age = entity.Member(id), silence(age)
		all = append(all, l)
		return nil
	})
	return all, err
}

// enter returns the changes that make a member.
func (s *Store) enter(m entity.Member, lanes int, nonce string) []*spanner.Mutation {
	changes := []*spanner.Mutation{spanner.Insert("Members",
		[]string{"Bucket", "Service", "Member", "Uid", "Nonce", "RenewedAt"},
		[]any{s.home, s.cfg.Service, int64(m), s.cfg.UID, nonce, spanner.CommitTimestamp})}
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

// Leave gives up what Join has given, so that others need not wait for it to
// lapse. Nothing must be committed after it.
func (s *Store) Leave(ctx context.Context) error {
	m := s.lease.end()
	if m == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	if _, err := s.client().Apply(ctx, []*spanner.Mutation{s.remove(m)}, spanner.ApplyAtLeastOnce()); err != nil {
		return fmt.Errorf("leave service %s: %w", s.cfg.Service, err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A service is what is kept of the members beside their lanes.
type service struct {
	placement entity.Placement
	renewed   map[entity.Member]time.Time // the lease of each member that has one
}

// Renew makes the lease of a member as new.
func (s *Store) Renew(_ context.Context, m entity.Member) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.service.renewed[m]; !ok {
		return fmt.Errorf("renew the lease of member %d: %w", m, entity.ErrNoMember)
	}
	s.service.renewed[m] = time.Now()
	return nil
}

// Look returns the placement and the lease of a neighbour.
func (s *Store) Look(_ context.Context, known entity.Placement, neighbour entity.Member) (entity.Sight, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sight := entity.Sight{Placement: s.service.placement}
	if known.Incarnation == sight.Placement.Incarnation && known.Version == sight.Placement.Version {
		sight.Placement.Table = nil
	}
	if at, ok := s.service.renewed[neighbour]; ok {
		sight.Neighbour = entity.Lease{Member: neighbour, Silent: time.Since(at)}
	}
	return sight, nil
}

// Transact makes the transition that decide returns. Nothing changes meanwhile, so
// that it is called once.
func (s *Store) Transact(_ context.Context, decide func(entity.Placement, []entity.Lease) (entity.Transition, bool)) (entity.Placement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	tr, ok := decide(s.service.placement, s.leases(now))
	if !ok {
		return s.service.placement, nil
	}
	s.service.placement = tr.Placement
	s.service.placement.Table = slices.Clone(tr.Placement.Table)
	for _, m := range tr.Gone {
		delete(s.lanes, m)
		delete(s.service.renewed, m)
	}
	if tr.Joined != 0 {
		s.members = max(s.members, tr.Joined)
		s.lanes[tr.Joined] = make([]int64, tr.Lanes)
		s.service.renewed[tr.Joined] = now
	}
	if tr.Renewed != 0 {
		s.service.renewed[tr.Renewed] = now
	}
	return s.service.placement, nil
}

// leases returns all leases, by member.
func (s *Store) leases(now time.Time) []entity.Lease {
	all := make([]entity.Lease, 0, len(s.service.renewed))
	for m, at := range s.service.renewed {
		all = append(all, entity.Lease{Member: m, Silent: now.Sub(at)})
	}
	slices.SortFunc(all, func(a, b entity.Lease) int { return int(a.Member - b.Member) })
	return all
}

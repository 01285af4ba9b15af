// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Join evicts the member that was there and returns a new one with that many
// lanes. What the one before has in flight is decided by then.
func (s *Store) Join(ctx context.Context, lanes int) (entity.Member, error) {
	if err := s.begin(); err != nil {
		return 0, fmt.Errorf("joining: %w", err)
	}
	defer s.use.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes = nil
	if err := s.await(ctx, func() uint64 { return s.applied }); err != nil {
		return 0, fmt.Errorf("joining: %w", err)
	}
	s.member++
	id := binary.AppendUvarint(nil, uint64(s.member))
	if err := s.guard(func() error { return s.db.Set(memberRow, id, pebble.Sync) }); err != nil {
		return 0, fmt.Errorf("joining: %w", err)
	}
	s.lanes = make([]laneState, lanes)
	return s.member, nil
}

// Position returns how many commits a lane has made, all of which are durable,
// and false if there is no such lane.
func (s *Store) Position(ctx context.Context, member entity.Member, lane int) (n int64, ok bool, err error) {
	if err := s.begin(); err != nil {
		return 0, false, fmt.Errorf("position of lane %d: %w", lane, err)
	}
	defer s.use.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := s.lane(member, lane); l != nil; l = s.lane(member, lane) {
		if l.commit <= s.durable {
			return l.n, true, nil
		}
		if err := s.await(ctx, func() uint64 { return l.commit }); err != nil {
			return 0, false, fmt.Errorf("position of lane %d: %w", lane, err)
		}
	}
	return 0, false, nil
}

// lane returns a lane of member, nil if that isn't there. s.mu is held.
func (s *Store) lane(member entity.Member, lane int) *laneState {
	if member != s.member || lane < 0 || lane >= len(s.lanes) {
		return nil
	}
	return &s.lanes[lane]
}

// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// errTrouble is what calls fail with that didn't reach the store, or whose answer
// didn't come back.
var errTrouble = errors.New("lost on the way")

// withFaults are the tests that show what could be lost, doubled or torn.
var withFaults = []string{
	"GivesBackWhatWasCommitted", "ReadsAfter", "RefusesEventsThatDoNotFollow", "TakesManyWritesOfOneKeyInOrder",
	"MovesTheLaneOnce", "EvictedMembersCommitNothing", "KeepsNothingOfWrites", "TakesManyLanesAtOnce", "GivesBackTheLastValue",
	"CommitsValuesAllOrNothing", "GivesBackReplies", "RefusesRepeatedCommands", "TrimsEvents", "GivesBackTheOutbox",
	"ReplacesRowsOfTheOutbox", "DoesAsTheModelDoes",
}

// RunWithFaults tests the store that open returns, which must be empty, behind
// trouble: calls and answers are lost, commits arrive late, when they have long
// been sent again, and reads break off. The caller does as the protocol has it
// then: what is not known is sent again.
func RunWithFaults(t *testing.T, open func(*testing.T) Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	run(t, withFaults, func(t *testing.T) Store {
		bad := &troubled{Store: open(t), t: t, rnd: rand.New(rand.NewPCG(seed, 0)), late: map[laneID]commit{}}
		return &persistent{Store: bad, stands: map[laneID]int64{}}
	})
}

// A laneID names a lane of a member.
type laneID struct {
	member entity.Member
	lane   int
}

func laneOf(at entity.Position) laneID { return laneID{at.Member, at.Lane} }

type commit struct {
	at     entity.Position
	writes []entity.Write
}

// A troubled store loses half of what it is asked, before or after it was done.
type troubled struct {
	Store
	t *testing.T

	mu   sync.Mutex // protects what follows
	rnd  *rand.Rand
	late map[laneID]commit // still on their way
}

// Unwrap returns the store without the trouble.
func (s *troubled) Unwrap() Store { return s.Store }

func (s *troubled) chance(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n)
}

func (s *troubled) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	switch s.chance(8) {
	case 0:
		return errTrouble
	case 1:
		return errors.Join(errTrouble, s.arrive(ctx, at, writes))
	case 2:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.late[laneOf(at)] = commit{at, slices.Clone(writes)}
		return errTrouble
	case 3: // twice, of which the second answer is heard
		if err := s.arrive(ctx, at, writes); err != nil {
			return err
		}
	}
	return s.arrive(ctx, at, writes)
}

// arrive commits, and after that what was sent before and is late.
func (s *troubled) arrive(ctx context.Context, at entity.Position, writes []entity.Write) error {
	err := s.Store.Commit(ctx, at, writes)
	s.mu.Lock()
	old, ok := s.late[laneOf(at)]
	delete(s.late, laneOf(at))
	s.mu.Unlock()
	if ok && s.Store.Commit(ctx, old.at, old.writes) == nil && definite(err) {
		s.t.Errorf("commit %d came late and was applied, after %v", old.at.N, err)
	}
	return err
}

func (s *troubled) Position(ctx context.Context, m entity.Member, lane int) (int64, bool, error) {
	if s.chance(4) == 0 {
		return 0, false, errTrouble
	}
	return s.Store.Position(ctx, m, lane)
}

func (s *troubled) Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error) {
	if s.chance(4) == 0 {
		return entity.Snapshot{}, errTrouble
	}
	return s.Store.Snapshot(ctx, key)
}

func (s *troubled) Value(ctx context.Context, key entity.Key) (entity.Value, error) {
	if s.chance(4) == 0 {
		return entity.Value{}, errTrouble
	}
	return s.Store.Value(ctx, key)
}

func (s *troubled) Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error) {
	if s.chance(4) == 0 {
		return entity.Reply{}, false, errTrouble
	}
	return s.Store.Reply(ctx, key, idem)
}

func (s *troubled) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return broken(s.Store.Events(ctx, key, after), s.chance(20))
}

func (s *troubled) Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error] {
	return broken(s.Store.Outbox(ctx, first, last), s.chance(20))
}

// broken breaks off after so many rows.
func broken[T any](rows iter.Seq2[T, error], after int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for row, err := range rows {
			if n++; n > after {
				var none T
				yield(none, errTrouble)
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

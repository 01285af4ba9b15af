// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// How long a lease lasts after it was renewed, how often it is, and by how much
// clocks may differ in what they take for that long.
const (
	leaseTime   = 6 * time.Second
	leaseBeat   = 2 * time.Second
	leaseMargin = 500 * time.Millisecond
	maxBeats    = 3 // in flight
)

// ErrEvicted reports that the member has lost its right to write.
var ErrEvicted = fmt.Errorf("member was evicted: %w", entity.ErrUnavailable)

// A lease says until when a member may answer without writing, by the clock of
// this process.
type lease struct {
	mu     sync.Mutex // protects what follows
	member entity.Member
	until  time.Time
}

// begin notes a member whose join was sent at that time.
func (l *lease) begin(m entity.Member, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.member, l.until = m, sent.Add(leaseTime)
}

// renewed notes that a beat of m was answered that was sent at that time. What
// counts is when it was sent: Spanner's clock read something later.
func (l *lease) renewed(m entity.Member, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := sent.Add(leaseTime); l.member == m && until.After(l.until) {
		l.until = until
	}
}

// end gives the lease up, and returns whose it was.
func (l *lease) end() entity.Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.member
	l.member, l.until = 0, time.Time{}
	return m
}

func (l *lease) holder() entity.Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.member
}

// Alive reports whether the member may answer without writing. A lapse ends with
// the next beat that is answered, and costs nothing but refusals.
func (s *Store) Alive() bool {
	s.lease.mu.Lock()
	defer s.lease.mu.Unlock()
	return time.Now().Before(s.lease.until)
}

// Keep renews the lease of the member that has joined, until ctx is done. It
// returns an error that wraps [ErrEvicted] if it can't be renewed any more.
//
// A beat waits for nobody: not for the one before, nor for commits. It reads
// nothing, so it is one call.
func (s *Store) Keep(ctx context.Context) error {
	m := s.lease.holder()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait()
	flying := make(chan struct{}, maxBeats)
	timer := time.NewTimer(jittered(leaseBeat))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); errors.Is(err, ErrEvicted) {
				return err
			}
			return nil
		case <-timer.C:
		}
		timer.Reset(jittered(leaseBeat))
		select {
		case flying <- struct{}{}:
			work.Go(func() {
				defer func() { <-flying }()
				if err := s.beat(ctx, m); err != nil {
					cancel(err)
				}
			})
		default:
		}
	}
}

// jittered returns about d, so that members don't beat as one.
func jittered(d time.Duration) time.Duration { return d*4/5 + rand.N(d*2/5) }

// beat renews the lease once. It fails only if there is nothing to renew.
func (s *Store) beat(ctx context.Context, m entity.Member) error {
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	sent := time.Now()
	err := s.Renew(ctx, m)
	switch {
	case err == nil:
		s.lease.renewed(m, sent)
	case errors.Is(err, entity.ErrNoMember):
		return fmt.Errorf("%w: %w", err, ErrEvicted)
	default:
		s.log.Warn("lease was not renewed", "member", m, "err", err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/api/option"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// another opens the service of s as another process would.
func another(t *testing.T, s *Store, wait time.Duration, options ...option.ClientOption) *Store {
	t.Helper()
	o, err := Open(t.Context(), logTo(t), Config{Database: s.cfg.Database, Service: s.cfg.Service, Wait: wait, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// lapse makes the lease of m one that was last renewed a while ago.
func lapse(t *testing.T, s *Store, m entity.Member) {
	t.Helper()
	_, err := s.client().Apply(t.Context(), []*spanner.Mutation{spanner.Update("Members", []string{"Bucket", "Service", "Member", "RenewedAt"},
		[]any{s.home, s.cfg.Service, int64(m), time.Now().Add(-leaseTime - 2*leaseMargin)})})
	if err != nil {
		t.Fatal(err)
	}
}

func mustJoin(t *testing.T, s *Store) entity.Position {
	t.Helper()
	m, err := s.Join(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	return entity.Position{Member: m}
}

func TestOneMemberLivesAtATime(t *testing.T) {
	a := open(t)
	first := mustJoin(t, a)
	if !a.Alive() {
		t.Error("a member that has joined is not alive")
	}
	b := another(t, a, 0)
	if _, err := b.Join(t.Context(), 2); !errors.Is(err, errHeld) || !strings.Contains(err.Error(), a.cfg.UID) {
		t.Fatalf("joined beside a member that lives: %v", err)
	}
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.Alive() {
		t.Error("a member that has left is alive")
	}
	if second := mustJoin(t, b); second.Member <= first.Member {
		t.Errorf("member %d came after member %d", second.Member, first.Member)
	}
}

func TestWhoHasLapsedIsEvicted(t *testing.T) {
	a := open(t)
	old := mustJoin(t, a)
	if err := a.Commit(t.Context(), old, []entity.Write{event(1, 1)}); err != nil {
		t.Fatal(err)
	}
	old.N++
	lapse(t, a, old.Member)
	b := another(t, a, 0)
	now := mustJoin(t, b)
	if err := a.Commit(t.Context(), old, []entity.Write{event(1, 2)}); !errors.Is(err, entity.ErrLaneMoved) {
		t.Errorf("commit of an evicted member: %v, want %v", err, entity.ErrLaneMoved)
	}
	if err := a.beat(t.Context(), old.Member); !errors.Is(err, ErrEvicted) {
		t.Errorf("beat of an evicted member: %v, want %v", err, ErrEvicted)
	}
	if err := b.Commit(t.Context(), now, []entity.Write{event(1, 2)}); err != nil {
		t.Errorf("commit of the member that came after it: %v", err)
	}
}

// TestStartedAgain joins with the uid of a member that lives: it is the same
// pod, whose process has ended.
func TestStartedAgain(t *testing.T) {
	a := open(t)
	old := mustJoin(t, a)
	b := another(t, a, 0)
	b.cfg.UID = a.cfg.UID
	mustJoin(t, b)
	if _, ok, err := b.Position(t.Context(), old.Member, 0); ok || err != nil {
		t.Errorf("the member before still has its lanes: %v, %v", ok, err)
	}
}

// TestAJoinFindsItself tries a join again whose answer was lost.
func TestAJoinFindsItself(t *testing.T) {
	s := open(t)
	m, err := s.join(t.Context(), 2, "nonce", s.lapsed)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.join(t.Context(), 2, "nonce", s.lapsed)
	if err != nil || again != m {
		t.Errorf("joined as %d, then as %d, %v", m, again, err)
	}
}

func TestKeepRenewsUntilItIsOver(t *testing.T) {
	s := open(t)
	at := mustJoin(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	kept := make(chan error, 1)
	go func() { kept <- s.Keep(ctx) }()
	if err := s.beat(t.Context(), at.Member); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-kept; err != nil {
		t.Errorf("Keep = %v, want nil", err)
	}
	go func() { kept <- s.Keep(t.Context()) }()
	evict(t, s, at.Member)
	if err := <-kept; !errors.Is(err, ErrEvicted) {
		t.Errorf("Keep = %v, want %v", err, ErrEvicted)
	}
}

// TestTheLeaseCountsFromBeforeTheBeatWasSent has an answer that comes late.
func TestTheLeaseCountsFromBeforeTheBeatWasSent(t *testing.T) {
	var l lease
	start := time.Now()
	l.begin(1, start)
	l.renewed(1, start.Add(time.Second))
	l.renewed(1, start.Add(-time.Second)) // an earlier beat, answered later
	l.renewed(2, start.Add(time.Hour))    // of another member
	if want := start.Add(time.Second + leaseTime); !l.until.Equal(want) {
		t.Errorf("lease lasts until %v, want %v", l.until, want)
	}
	if m := l.end(); m != 1 || !l.until.IsZero() {
		t.Errorf("ended the lease of %d, which lasts until %v", m, l.until)
	}
}

// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
)

// A Shared is a store that several members may use at once.
type Shared interface {
	cluster.Store
	lane.Store
}

// Placement tests what a cluster asks of the store that open returns, which must
// be empty.
func Placement(t *testing.T, open func(*testing.T) Shared) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s Shared)
	}{
		{"BeginsWithNothing", testNoPlacement},
		{"KeepsTheLastPlacement", testLastPlacement},
		{"LeavesOutAKnownTable", testKnownTable},
		{"DecidesNothing", testNoTransition},
		{"GivesNewcomersLeaseAndLanes", testNewcomer},
		{"TakesEverythingFromWhoIsGone", testGone},
		{"RenewsLeases", testRenew},
		{"RenewsNobodyWhoIsNotThere", testRenewNobody},
		{"MakesOneTransitionAtATime", testTransitionsAtOnce},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// transact makes the transition to that version, with what change adds to it.
func transact(t *testing.T, s Shared, version int64, change func(*entity.Transition)) {
	t.Helper()
	tr := entity.Transition{Placement: entity.Placement{
		Incarnation: "i", Version: version, NextMember: entity.Member(version) + 1, Table: table(version),
	}}
	change(&tr)
	got, err := s.Transact(t.Context(), func(entity.Placement, []entity.Lease) (entity.Transition, bool) { return tr, true })
	if err != nil {
		t.Fatalf("transition to version %d: %v", version, err)
	}
	wantPlacement(t, got, tr.Placement)
}

func table(version int64) []byte { return []byte{1, byte(version)} }

// joins is a change for transact.
func joins(m entity.Member, lanes int) func(*entity.Transition) {
	return func(tr *entity.Transition) { tr.Joined, tr.Lanes = m, lanes }
}

func look(t *testing.T, s Shared, known entity.Placement, neighbour entity.Member) entity.Sight {
	t.Helper()
	sight, err := s.Look(t.Context(), known, neighbour)
	if err != nil {
		t.Fatalf("look: %v", err)
	}
	return sight
}

func wantPlacement(t *testing.T, got, want entity.Placement) {
	t.Helper()
	if got.Incarnation != want.Incarnation || got.Version != want.Version || got.NextMember != want.NextMember || !slices.Equal(got.Table, want.Table) {
		t.Fatalf("placement %v, want %v", got, want)
	}
}

// leases returns the leases that a transaction sees, and changes nothing.
func leases(t *testing.T, s Shared) (all []entity.Lease) {
	t.Helper()
	_, err := s.Transact(t.Context(), func(_ entity.Placement, seen []entity.Lease) (entity.Transition, bool) {
		all = seen
		return entity.Transition{}, false
	})
	if err != nil {
		t.Fatalf("transaction that changes nothing: %v", err)
	}
	return all
}

func testNoPlacement(t *testing.T, s Shared) {
	wantPlacement(t, look(t, s, entity.Placement{}, 1).Placement, entity.Placement{})
	if all := leases(t, s); len(all) != 0 {
		t.Errorf("leases of nobody: %v", all)
	}
}

func testLastPlacement(t *testing.T, s Shared) {
	for version := int64(1); version < 4; version++ {
		transact(t, s, version, func(tr *entity.Transition) {
			tr.Placement.Table = slices.Repeat(table(version), 10_000*int(version%3))
		})
		want := entity.Placement{Incarnation: "i", Version: version, NextMember: entity.Member(version) + 1, Table: slices.Repeat(table(version), 10_000*int(version%3))}
		wantPlacement(t, look(t, s, entity.Placement{}, 0).Placement, want)
	}
}

func testKnownTable(t *testing.T, s Shared) {
	transact(t, s, 1, func(*entity.Transition) {})
	now := look(t, s, entity.Placement{}, 0).Placement
	if again := look(t, s, now, 0).Placement; again.Table != nil || again.Version != 1 || again.Incarnation != "i" {
		t.Errorf("a known placement comes as %v", again)
	}
	for _, other := range []entity.Placement{{Incarnation: "j", Version: 1}, {Incarnation: "i", Version: 2}, {}} {
		wantPlacement(t, look(t, s, other, 0).Placement, now)
	}
}

func testNoTransition(t *testing.T, s Shared) {
	transact(t, s, 1, joins(1, 1))
	before := look(t, s, entity.Placement{}, 0).Placement
	got, err := s.Transact(t.Context(), func(p entity.Placement, _ []entity.Lease) (entity.Transition, bool) {
		wantPlacement(t, p, before)
		return entity.Transition{Placement: entity.Placement{Version: 7}, Joined: 7, Lanes: 7, Gone: []entity.Member{1}}, false
	})
	if err != nil {
		t.Fatal(err)
	}
	wantPlacement(t, got, before)
	wantPlacement(t, look(t, s, entity.Placement{}, 0).Placement, before)
	wantPosition(t, s, entity.Position{Member: 1})
	wantNoLane(t, s, 7, 0)
}

func testNewcomer(t *testing.T, s Shared) {
	transact(t, s, 1, joins(1, 3))
	transact(t, s, 2, joins(2, 1))
	for lane := range 3 {
		wantPosition(t, s, entity.Position{Member: 1, Lane: lane})
	}
	wantNoLane(t, s, 1, 3)
	wantNoLane(t, s, 2, 1)
	all := leases(t, s)
	if len(all) != 2 || all[0].Member != 1 || all[1].Member != 2 {
		t.Fatalf("leases %v, want those of members 1 and 2", all)
	}
	if sight := look(t, s, entity.Placement{}, 2); sight.Neighbour.Member != 2 || sight.Neighbour.Silent < 0 {
		t.Errorf("lease of member 2 is seen as %v", sight.Neighbour)
	}
	if sight := look(t, s, entity.Placement{}, 3); sight.Neighbour != (entity.Lease{}) {
		t.Errorf("lease of nobody is seen as %v", sight.Neighbour)
	}
	for _, m := range []entity.Member{1, 2} {
		if err := s.Commit(t.Context(), entity.Position{Member: m}, nil); err != nil {
			t.Errorf("first commit of member %d: %v", m, err)
		}
	}
}

func testGone(t *testing.T, s Shared) {
	transact(t, s, 1, joins(1, 2))
	transact(t, s, 2, joins(2, 2))
	if err := s.Commit(t.Context(), entity.Position{Member: 1, Lane: 1}, nil); err != nil {
		t.Fatal(err)
	}
	transact(t, s, 3, func(tr *entity.Transition) {
		tr.Gone, tr.Joined, tr.Lanes = []entity.Member{1}, 3, 2
	})
	for lane := range 2 {
		wantNoLane(t, s, 1, lane)
		wantIs(t, s.Commit(t.Context(), entity.Position{Member: 1, Lane: lane, N: int64(lane)}, nil), entity.ErrLaneMoved)
		wantPosition(t, s, entity.Position{Member: 2, Lane: lane})
	}
	wantIs(t, s.Renew(t.Context(), 1), entity.ErrNoMember)
	if all := leases(t, s); len(all) != 2 || all[0].Member != 2 || all[1].Member != 3 {
		t.Errorf("leases %v, want those of members 2 and 3", all)
	}
}

// testRenew waits for a while that any clock can tell from none.
func testRenew(t *testing.T, s Shared) {
	transact(t, s, 1, joins(1, 1))
	transact(t, s, 2, joins(2, 1))
	silent := func(m entity.Member) time.Duration { return look(t, s, entity.Placement{}, m).Neighbour.Silent }
	for silent(1) < 20*time.Millisecond {
		<-time.After(5 * time.Millisecond)
	}
	if err := s.Renew(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if one, two := silent(1), silent(2); one >= two {
		t.Errorf("member 1 has renewed and is silent for %v, member 2 for %v", one, two)
	}
	transact(t, s, 3, func(tr *entity.Transition) { tr.Renewed = 2 })
	if all := leases(t, s); all[1].Silent > all[0].Silent {
		t.Errorf("a transition has renewed member 2: %v", all)
	}
}

func testRenewNobody(t *testing.T, s Shared) {
	wantIs(t, s.Renew(t.Context(), 1), entity.ErrNoMember)
	if all := leases(t, s); len(all) != 0 {
		t.Errorf("leases of nobody: %v", all)
	}
}

// testTransitionsAtOnce has many add one to what is there.
func testTransitionsAtOnce(t *testing.T, s Shared) {
	const many, each = 8, 5
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			for range each {
				if err := addOne(t.Context(), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p := look(t, s, entity.Placement{}, 0).Placement
	if p.Version != many*each || p.NextMember != many*each+1 {
		t.Errorf("%d transitions made version %d, next member %d", many*each, p.Version, p.NextMember)
	}
	if all := leases(t, s); len(all) != many*each {
		t.Errorf("%d members joined, %d have a lease", many*each, len(all))
	}
}

func addOne(ctx context.Context, s Shared) error {
	wrong := errors.New("decide was called for a placement that is none")
	_, err := s.Transact(ctx, func(p entity.Placement, all []entity.Lease) (entity.Transition, bool) {
		if len(all) == int(p.Version) {
			wrong = nil
		}
		p.Version++
		p.NextMember, p.Table = entity.Member(p.Version)+1, table(p.Version)
		return entity.Transition{Placement: p, Joined: entity.Member(p.Version), Lanes: 1}, true
	})
	return errors.Join(err, wrong)
}

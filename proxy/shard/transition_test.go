// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// with returns t after a process of that name has joined it, and its id.
func with(t *testing.T, table *Table, name string) (*Table, entity.Member) {
	t.Helper()
	next, id, err := table.Join(Process{UID: "pod-" + name, Nonce: name, Revision: "r1"}, NewLayout(nil), nil)
	if err != nil {
		t.Fatalf("join of %s: %v", name, err)
	}
	return next, id
}

// claims returns what a member owns.
func claims(table *Table, id entity.Member) []Claim {
	var all []Claim
	for s, o := range table.Shards {
		if o.Owner == id {
			all = append(all, Claim{Shard: ID(s), Epoch: o.Epoch})
		}
	}
	return all
}

// settle hands over what its owner should not have, and returns how much that
// was.
func settle(table *Table) (next *Table, moved int) {
	want := table.Want()
	for _, m := range table.Members {
		to := map[entity.Member][]Claim{}
		for _, c := range claims(table, m.ID) {
			if w := want[c.Shard]; w != 0 && w != m.ID {
				to[w] = append(to[w], c)
			}
		}
		for id, all := range to {
			table = table.HandOver(m.ID, id, all)
			moved += len(all)
		}
	}
	return table, moved
}

func TestTheFirstMemberOwnsEverything(t *testing.T) {
	table, id := with(t, New("i"), "a")
	if id != 1 || table.Version != 1 || len(claims(table, id)) != Count {
		t.Errorf("member %d owns %d shards at version %d", id, len(claims(table, id)), table.Version)
	}
}

func TestRetriedJoinIsTheSameMember(t *testing.T) {
	table, id := with(t, New("i"), "a")
	again, same := with(t, table, "a")
	if same != id || again != table {
		t.Errorf("the second join made member %d, want %d; table changed: %v", same, id, again != table)
	}
}

func TestProcessInAPodReplacesTheOneBefore(t *testing.T) {
	table, first := with(t, New("i"), "a")
	next, second, err := table.Join(Process{UID: "pod-a", Nonce: "b", Born: 2}, NewLayout(nil), nil)
	if err != nil || second == first || len(next.Members) != 1 || next.Members[0].Slot != 0 {
		t.Fatalf("joined as %d, %v: %v", second, err, next.Members)
	}
	if len(claims(next, second)) != Count || !next.Shards[0].Dirty {
		t.Errorf("it owns %d shards, dirty %v", len(claims(next, second)), next.Shards[0].Dirty)
	}
	late, ghost, err := next.Join(Process{UID: "pod-a", Nonce: "c", Born: 1}, NewLayout(nil), nil)
	if _, ok := late.Member(second); !ok || ghost == 0 || err != nil {
		t.Errorf("a join of an earlier process that lands late replaces the one that runs: %v, %v", late.Members, err)
	}
	nameless, _, err := table.Join(Process{Nonce: "c"}, NewLayout(nil), nil)
	if err != nil || len(nameless.Members) != 2 {
		t.Errorf("a process without a pod replaces another: %v, %v", nameless.Members, err)
	}
}

func TestEvictionGivesEverythingAwayAtOnce(t *testing.T) {
	table, a := with(t, New("i"), "a")
	table, b := with(t, table, "b")
	table, _ = settle(table)
	own := claims(table, a)
	next := table.Evict([]entity.Member{a})
	if gone := next.Gone(table); !slices.Equal(gone, []entity.Member{a}) {
		t.Fatalf("gone are %v, want %v", gone, a)
	}
	if len(claims(next, b)) != Count {
		t.Errorf("%d shards are left", len(claims(next, b)))
	}
	for _, c := range own {
		if o := next.Shards[c.Shard]; o.Epoch != c.Epoch+1 || !o.Dirty {
			t.Fatalf("shard %d went on from epoch %d as %+v", c.Shard, c.Epoch, o)
		}
	}
	if next.Evict([]entity.Member{a}) != next {
		t.Error("evicting nobody makes a version")
	}
}

func TestHandOverAsksForTheRightEpoch(t *testing.T) {
	table, a := with(t, New("i"), "a")
	table, b := with(t, table, "b")
	right, wrong := Claim{Shard: 1, Epoch: 1, Dirty: true}, Claim{Shard: 2, Epoch: 2}
	next := table.HandOver(a, b, []Claim{right, wrong})
	if o := next.Shards[1]; o != (Owned{Owner: b, Epoch: 2, Dirty: true}) {
		t.Errorf("shard 1 is %+v", o)
	}
	if next.Shards[2] != table.Shards[2] {
		t.Errorf("shard 2 is %+v", next.Shards[2])
	}
	for name, refused := range map[string]*Table{
		"again":            next.HandOver(a, b, []Claim{right}),
		"by another":       table.HandOver(b, a, []Claim{right}),
		"to nobody":        table.HandOver(a, 7, []Claim{right}),
		"to oneself":       table.HandOver(a, a, []Claim{right}),
		"to a leaving one": table.Leave(b, true).HandOver(a, b, []Claim{right}),
	} {
		if refused.Shards != next.Shards && refused.Shards != table.Shards {
			t.Errorf("%s: it changed something", name)
		}
	}
}

func TestReclaimMakesHandOversThatAreUnderWayFail(t *testing.T) {
	table, a := with(t, New("i"), "a")
	table, b := with(t, table, "b")
	c := []Claim{{Shard: 1, Epoch: 1}}
	next := table.Reclaim(a, c)
	if o := next.Shards[1]; o.Owner != a || o.Epoch != 2 {
		t.Errorf("shard 1 is %+v", o)
	}
	if next.HandOver(a, b, c) != next {
		t.Error("a hand-over of before is applied")
	}
}

func TestQuitLeavesNothingBehind(t *testing.T) {
	table, a := with(t, New("i"), "a")
	table, b := with(t, table, "b")
	table, _ = settle(table)
	if next := table.Quit(a, claims(table, a)[1:]); next != table {
		t.Error("a member quits that has not claimed all it owns")
	}
	next := table.Quit(a, claims(table, a))
	if len(next.Members) != 1 || len(claims(next, b)) != Count || next.Shards[0].Dirty {
		t.Errorf("left are %v; %d shards of them", next.Members, len(claims(next, b)))
	}
	last := next.Quit(b, claims(next, b))
	if len(last.Members) != 0 || len(claims(last, 0)) != Count {
		t.Errorf("left are %v; nobody owns %d shards", last.Members, len(claims(last, 0)))
	}
}

// TestBackFromZero checks that as many members as before own the same as before,
// whatever their names, in whichever order they come.
func TestBackFromZero(t *testing.T) {
	for n := 1; n <= 12; n++ {
		table := New("i")
		slotOf := func(s int) Slot {
			m, _ := table.Member(table.Shards[s].Owner)
			return m.Slot
		}
		for i := range n {
			table, _ = with(t, table, fmt.Sprint("first", i))
		}
		table, _ = settle(table)
		var before [Count]Slot
		for s := range before {
			before[s] = slotOf(s)
		}
		for len(table.Members) > 0 {
			table = table.Quit(table.Members[n%len(table.Members)].ID, claims(table, table.Members[n%len(table.Members)].ID))
		}
		for i := range n {
			table, _ = with(t, table, fmt.Sprint("second", i))
		}
		table, _ = settle(table)
		for s := range before {
			if slotOf(s) != before[s] {
				t.Fatalf("of %d: shard %d was on slot %d and is on %d", n, s, before[s], slotOf(s))
			}
		}
	}
}

func TestLayoutsMustAgree(t *testing.T) {
	join := func(table *Table, name string, l Layout) (*Table, error) {
		next, _, err := table.Join(Process{Nonce: name}, l, nil)
		return next, err
	}
	table, err := join(New("i"), "a", NewLayout(map[string]string{"cart": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join(table, "b", NewLayout(map[string]string{"cart": "2"})); !errors.Is(err, ErrLayout) {
		t.Errorf("another key beside a member: %v", err)
	}
	next, err := join(table, "b", NewLayout(map[string]string{"account": "2"}))
	if err != nil || next.Layout.Keys["cart"] != "1" || next.Layout.Keys["account"] != "2" || len(table.Layout.Keys) != 1 {
		t.Errorf("another entity: %v, %v", next.Layout, err)
	}
	empty := table.Quit(1, claims(table, 1))
	if _, err := join(empty, "b", NewLayout(map[string]string{"cart": "2"})); err != nil {
		t.Errorf("another key while nobody is there: %v", err)
	}
	if _, err := join(empty, "b", Layout{Hash: HashVersion + 1, Shards: Count}); !errors.Is(err, ErrLayout) {
		t.Errorf("another hash: %v", err)
	}
}

func TestWeightsDivideTheShards(t *testing.T) {
	table, _ := with(t, New("i"), "a")
	table, _, _ = table.Join(Process{Nonce: "b", Revision: "r2"}, NewLayout(nil), nil)
	table, _, _ = table.Join(Process{Nonce: "c", Revision: "r2"}, NewLayout(nil), nil)
	table = table.Weigh(Weights{Generation: 2, Percent: []Weight{{"r2", 70}, {"r1", 30}}})
	if table.Weigh(Weights{Generation: 2}) != table {
		t.Error("old weights are taken")
	}
	table, _ = settle(table)
	if n := len(claims(table, 1)); n < 270 || n > 345 { // 30 % is 307
		t.Errorf("revision r1 has %d shards", n)
	}
	for _, id := range []entity.Member{2, 3} {
		if n := len(claims(table, id)); n < 300 || n > 420 { // 35 % is 358
			t.Errorf("member %d of r2 has %d shards", id, n)
		}
	}
	if table, _ = settle(table.Leave(1, true)); len(claims(table, 1)) != 0 {
		t.Errorf("a revision without members that stay keeps %d shards", len(claims(table, 1)))
	}
}

// TestTransitionsKeepTheirPromises runs random transitions, with claims that are
// right and wrong.
func TestTransitionsKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := New("i")
		id := func(rt *rapid.T, what string) entity.Member {
			return entity.Member(rapid.Int64Range(0, int64(table.NextMember)).Draw(rt, what))
		}
		var cause entity.Member // who acted for itself
		draw := func(rt *rapid.T, of entity.Member) []Claim {
			all := claims(table, of)
			if len(all) > 0 && rapid.Bool().Draw(rt, "some") {
				all = all[:rapid.IntRange(0, len(all)).Draw(rt, "claims")]
			}
			if len(all) > 0 && rapid.Bool().Draw(rt, "wrong") {
				all[0].Epoch--
			}
			return all
		}
		var evicted []entity.Member
		step := func(next *Table) {
			check(rt, table, next, cause, evicted)
			table, cause, evicted = next, 0, nil
		}
		rt.Repeat(map[string]func(*rapid.T){
			"join": func(rt *rapid.T) {
				p := Process{Nonce: fmt.Sprint(rapid.IntRange(0, 8).Draw(rt, "nonce")), UID: fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "uid")), Born: rapid.Int64Range(0, 3).Draw(rt, "born"), Revision: fmt.Sprint(rapid.IntRange(0, 2).Draw(rt, "revision"))}
				evicted = []entity.Member{id(rt, "lapsed")}
				for _, m := range table.Members {
					if m.UID == p.UID && m.Born < p.Born {
						evicted = append(evicted, m.ID)
					}
				}
				next, joined, err := table.Join(p, NewLayout(nil), evicted[:1])
				if _, ok := next.Member(joined); !ok || err != nil {
					rt.Fatalf("joined as %d, %v", joined, err)
				}
				step(next)
			},
			"evict": func(rt *rapid.T) {
				evicted = []entity.Member{id(rt, "lapsed"), id(rt, "lapsed too")}
				step(table.Evict(evicted))
			},
			"hand over": func(rt *rapid.T) {
				cause = id(rt, "from")
				step(table.HandOver(cause, id(rt, "to"), draw(rt, cause)))
			},
			"reclaim": func(rt *rapid.T) { cause = id(rt, "owner"); step(table.Reclaim(cause, draw(rt, cause))) },
			"leave":   func(rt *rapid.T) { step(table.Leave(id(rt, "who"), rapid.Bool().Draw(rt, "leaving"))) },
			"quit":    func(rt *rapid.T) { cause = id(rt, "who"); step(table.Quit(cause, draw(rt, cause))) },
			"weigh": func(rt *rapid.T) {
				percent := rapid.IntRange(0, 100).Draw(rt, "percent")
				step(table.Weigh(Weights{Generation: table.Weights.Generation + 1, Percent: []Weight{{"0", percent}, {"1", 100 - percent}}}))
			},
		})
	})
}

// check compares a table with the one before.
func check(t *rapid.T, old, table *Table, cause entity.Member, evicted []entity.Member) {
	if table == old {
		return
	}
	if table.Version != old.Version+1 || table.NextMember < old.NextMember {
		t.Fatalf("version %d, next member %d follow %d, %d", table.Version, table.NextMember, old.Version, old.NextMember)
	}
	stays := false
	for _, m := range table.Members {
		stays = stays || !m.Leaving
	}
	for s := range table.Shards {
		was, is := old.Shards[s], table.Shards[s]
		switch {
		case is.Epoch < was.Epoch || is.Owner != 0 && is.Owner != was.Owner && is.Epoch == was.Epoch:
			t.Fatalf("shard %d went from %+v to %+v", s, was, is)
		case was.Owner != is.Owner && was.Owner != 0 && was.Owner != cause && !slices.Contains(evicted, was.Owner):
			t.Fatalf("shard %d was taken from %d by %d", s, was.Owner, cause)
		case is.Owner == 0 && stays:
			t.Fatalf("nobody owns shard %d", s)
		}
		if _, ok := table.Member(is.Owner); is.Owner != 0 && !ok {
			t.Fatalf("member %d, which is gone, owns shard %d", is.Owner, s)
		}
	}
	if table.Version%10 != 0 {
		return
	}
	if p, err := table.Encode(); err != nil {
		t.Fatal(err)
	} else if _, err := Decode(p); err != nil {
		t.Fatalf("a table that a transition has made is refused: %v", err)
	}
}

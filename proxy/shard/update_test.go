// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	placementpb "github.com/kairn-dev/kairn/proto/kairn/placement/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// anyTransition returns a table after some transition.
func anyTransition(t *rapid.T, table *Table, n int) *Table {
	var ids []entity.Member
	for _, m := range table.Members {
		ids = append(ids, m.ID)
	}
	if len(ids) == 0 || len(ids) < 6 && rapid.Bool().Draw(t, "join") {
		next, _, err := table.Join(Process{Nonce: fmt.Sprint(n), Revision: fmt.Sprint("r", n%2)}, NewLayout(map[string]string{fmt.Sprint("e", n%3): "A=1"}), nil)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	id := rapid.SampledFrom(ids).Draw(t, "member")
	switch rapid.IntRange(0, 5).Draw(t, "transition") {
	case 0:
		return table.Evict([]entity.Member{id})
	case 1:
		return table.Leave(id, rapid.Bool().Draw(t, "leaving"))
	case 2:
		return table.Quit(id, claims(table, id))
	case 3:
		return table.Weigh(Weights{Generation: int64(n), Percent: []Weight{{"r0", n % 100}}})
	case 4:
		return table.Reclaim(id, claims(table, id))
	default:
		next, _ := settle(table)
		return next
	}
}

// sent returns u as it comes out of the network.
func sent(t *rapid.T, u *placementpb.Update) *placementpb.Update {
	b, err := proto.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	got := &placementpb.Update{}
	if err := proto.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	return got
}

// same reports whether two tables are stored alike.
func same(a, b *Table) bool {
	one, err := a.Encode()
	if err != nil {
		return false
	}
	two, err := b.Encode()
	return err == nil && reflect.DeepEqual(one, two)
}

// TestUpdatesLeadToTheSameTable has somebody watch who misses some versions.
func TestUpdatesLeadToTheSameTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, seen := New("i"), (*Table)(nil)
		for n := range rapid.IntRange(1, 30).Draw(t, "transitions") {
			table = anyTransition(t, table, n+1)
			if rapid.IntRange(0, 2).Draw(t, "misses") == 0 {
				continue
			}
			u := table.Since(seen)
			if (seen == nil) != (u.GetSince() == 0) {
				t.Fatalf("an update since version %d", u.GetSince())
			}
			next, err := Apply(seen, sent(t, u))
			if err != nil {
				t.Fatal(err)
			}
			if !same(next, table) {
				t.Fatalf("version %d comes out as another table", table.Version)
			}
			seen = next
		}
	})
}

func TestUpdateForAnotherTable(t *testing.T) {
	one, _ := with(t, New("i"), "a")
	two, id := with(t, one, "b")
	three := two.Leave(id, true)
	for name, old := range map[string]*Table{"none": nil, "an older one": one, "another life": {Incarnation: "j", Version: two.Version}} {
		if _, err := Apply(old, three.Since(two)); !errors.Is(err, ErrGap) {
			t.Errorf("%s: %v, want %v", name, err, ErrGap)
		}
		if got, err := Apply(old, three.Since(nil)); err != nil || !same(got, three) {
			t.Errorf("%s: everything leads to another table: %v", name, err)
		}
	}
	if u := three.Since(New("i")); u.GetSince() != 0 {
		t.Error("who has read no row is told what has changed")
	}
}

func TestUpdateIsSmall(t *testing.T) {
	table := large(t, 20)
	next := table.HandOver(1, 2, claims(table, 1)[:1])
	if n, whole := proto.Size(next.Since(table)), proto.Size(next.Since(nil)); n > whole-2000 {
		t.Errorf("an update for one shard has %d bytes, everything has %d", n, whole)
	}
}

func FuzzApply(f *testing.F) {
	old := large(f, 3)
	next := old.Leave(2, true)
	for _, u := range []*placementpb.Update{next.Since(old), next.Since(nil)} {
		b, err := proto.Marshal(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u := &placementpb.Update{}
		if proto.Unmarshal(b, u) != nil {
			return
		}
		table, err := Apply(old, u)
		if err != nil {
			return
		}
		table.Want()
		for s, o := range table.Shards {
			if _, ok := table.Member(o.Owner); o.Owner != 0 && !ok {
				t.Fatalf("shard %d is owned by %d, who is no member", s, o.Owner)
			}
		}
	})
}

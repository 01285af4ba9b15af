// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// row returns a row of the outbox of key, different for each id.
func row(key entity.Key, id entity.OutboxID) entity.OutboxRow {
	r := entity.OutboxRow{ID: id, Source: key, Kind: entity.OutboxKind(id.N%5 + 1), Seq: entity.Seq(id.N)}
	if r.Kind != entity.Purge {
		r.Target = entity.Target{Service: "shop.Mail", Command: fmt.Sprint("Send", id.N), Payload: payload(key, entity.Seq(id.N))}
		r.Target.Meta = entity.Metadata{{Name: "a", Value: "1"}, {Name: "b-bin", Value: "\xff"}}
	}
	switch id.N % 3 {
	case 0:
		r.Synchronous, r.Depth = true, 5
	case 1:
		r.Attempts, r.Due, r.Trouble = 7, time.UnixMilli(1_800_000_000_123+id.N), "away"
	case 2:
		r.Parked, r.Since = true, time.UnixMilli(1_700_000_000_123+id.N)
	}
	return r
}

func rowID(m, n int64) entity.OutboxID { return entity.OutboxID{Member: entity.Member(m), N: n} }

// sending returns w with rows for the outbox.
func sending(w entity.Write, ids ...entity.OutboxID) entity.Write {
	for _, id := range ids {
		w.Outbox = append(w.Outbox, row(w.Key, id))
	}
	return w
}

// outbox reads the rows of some shards.
func outbox(t *testing.T, s Ledger, first, last shard.ID) []entity.OutboxRow {
	t.Helper()
	var rows []entity.OutboxRow
	for r, err := range s.Outbox(t.Context(), first, last) {
		if err != nil {
			t.Fatalf("outbox of shards %d to %d: %v", first, last, err)
		}
		rows = append(rows, r)
	}
	return rows
}

// wantOutbox wants the rows ids of key, in that order.
func wantOutbox(t *testing.T, s Ledger, key entity.Key, ids ...entity.OutboxID) {
	t.Helper()
	of := shard.Of(key)
	got := slices.DeleteFunc(outbox(t, s, of, of), func(r entity.OutboxRow) bool { return r.Source != key })
	want := sending(entity.Write{Key: key}, ids...).Outbox
	for i := range got {
		if i < len(want) && got[i].Due.Equal(want[i].Due) {
			got[i].Due = want[i].Due
		}
	}
	if len(got) != len(want) {
		t.Fatalf("outbox of %v has %d rows, want %d", key, len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("row %d of the outbox of %v:\ngot  %+v\nwant %+v", i, key, got[i], want[i])
		}
	}
}

func testOutbox(t *testing.T, s Store) {
	w := newWriter(t, s)
	wantOutbox(t, s, cart)
	w.must(t, sending(added(cart, 1, 1), rowID(1, 255), rowID(1, 256)))
	w.must(t, sending(entity.Write{Key: cart}, rowID(2, 1), rowID(300, 1)))
	w.must(t, sending(entity.Write{Key: cart}, rowID(1, 1), rowID(1, 1<<40)))
	wantOutbox(t, s, cart, rowID(1, 1), rowID(1, 255), rowID(1, 256), rowID(1, 1<<40), rowID(2, 1), rowID(300, 1))
	w.must(t, entity.Write{Key: cart, Sent: []entity.OutboxID{rowID(1, 256), rowID(2, 1), rowID(7, 7)}})
	wantOutbox(t, s, cart, rowID(1, 1), rowID(1, 255), rowID(1, 1<<40), rowID(300, 1))
	w.must(t, entity.Write{Key: cart, Sent: []entity.OutboxID{rowID(1, 256), rowID(1, 1), rowID(300, 1)}}) // some again
	both := sending(entity.Write{Key: cart, Sent: []entity.OutboxID{rowID(1, 255)}}, rowID(4, 4))
	w.must(t, both)
	wantOutbox(t, s, cart, rowID(1, 1<<40), rowID(4, 4))
	wantEvents(t, s, cart, 1, 1)
}

// testOutboxStates replaces a row by what it has become, then has it among a
// commit that is refused.
func testOutboxStates(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, sending(entity.Write{Key: cart}, rowID(1, 1), rowID(1, 2)))
	was := entity.Write{Key: cart, Outbox: []entity.OutboxRow{{ID: rowID(1, 1), Source: cart, Kind: entity.SideEffect, Trouble: "was away", Attempts: 3}}}
	w.must(t, was)
	if got := outbox(t, s, 0, shard.Count-1); len(got) != 2 || got[0].Trouble != "was away" || got[0].Attempts != 3 || got[0].Target.Service != "" {
		t.Fatalf("outbox is %+v", got)
	}
	w.must(t, sending(entity.Write{Key: cart}, rowID(1, 1)))
	wantOutbox(t, s, cart, rowID(1, 1), rowID(1, 2))
	w.refused(t, entity.ErrRefused, was, sending(entity.Write{Key: cart}, rowID(1, 3)),
		entity.Write{Key: cart, Sent: []entity.OutboxID{rowID(1, 2)}}, added(cart, 2, 2))
	wantOutbox(t, s, cart, rowID(1, 1), rowID(1, 2))
}

// testOutboxScan has rows of many instances and wants those of each together, in
// order, whatever shards are asked for.
func testOutboxScan(t *testing.T, s Store) {
	w := newWriter(t, s)
	keys := slices.DeleteFunc(awkward(s), func(k entity.Key) bool { return len(k.ID) > 1000 })
	for n := int64(1); n <= 3; n++ {
		var writes []entity.Write
		for _, key := range keys {
			writes = append(writes, sending(entity.Write{Key: key}, rowID(1, n*2), rowID(1, n*2+1)))
		}
		w.must(t, writes...)
	}
	for _, part := range [][2]shard.ID{{0, shard.Count - 1}, {0, 0}, {0, 511}, {512, shard.Count - 1}, {700, 700}, {255, 256}} {
		got := outbox(t, s, part[0], part[1])
		want := slices.DeleteFunc(slices.Clone(keys), func(k entity.Key) bool { return shard.Of(k) < part[0] || shard.Of(k) > part[1] })
		if len(got) != 6*len(want) {
			t.Fatalf("shards %d to %d have %d rows, want %d", part[0], part[1], len(got), 6*len(want))
		}
		seen := map[entity.Key]bool{}
		for i := 0; i < len(got); i += 6 {
			key := got[i].Source
			if seen[key] || !slices.Contains(want, key) {
				t.Fatalf("shards %d to %d: rows of %v are no neighbours, or of another shard", part[0], part[1], key)
			}
			seen[key] = true
			for j := range 6 {
				if r := got[i+j]; r.Source != key || r.ID != rowID(1, int64(j)+2) {
					t.Fatalf("row %d of %v is %v of %v", j, key, r.ID, r.Source)
				}
			}
		}
	}
	for _, key := range keys {
		wantOutbox(t, s, key, rowID(1, 2), rowID(1, 3), rowID(1, 4), rowID(1, 5), rowID(1, 6), rowID(1, 7))
	}
}

// testManyRows has more rows than a store may read at once.
func testManyRows(t *testing.T, s Store) {
	const n = 2000
	w := newWriter(t, s)
	var ids []entity.OutboxID
	for i := range int64(n) {
		ids = append(ids, rowID(1, i))
	}
	for some := range slices.Chunk(ids, 100) {
		w.must(t, sending(entity.Write{Key: cart}, some...))
	}
	wantOutbox(t, s, cart, ids...)
	for _, err := range s.Outbox(t.Context(), 0, shard.Count-1) { // a reader may stop
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	for some := range slices.Chunk(ids, 100) {
		w.must(t, entity.Write{Key: cart, Sent: some})
	}
	wantOutbox(t, s, cart)
}

func testKeepsNothingOfRows(t *testing.T, s Store) {
	w := newWriter(t, s)
	write := sending(entity.Write{Key: cart}, rowID(1, 6), rowID(1, 9))
	w.must(t, write)
	for i := range write.Outbox {
		clear(write.Outbox[i].Target.Payload.Value)
		clear(write.Outbox[i].Target.Meta)
	}
	clear(write.Outbox)
	wantOutbox(t, s, cart, rowID(1, 6), rowID(1, 9))
}

func testInstances(t *testing.T, s Store) {
	w := newWriter(t, s)
	wantInstances(t, s, "e", nil)
	want := map[string][]string{}
	var writes []entity.Write
	for i, key := range awkward(s) {
		if len(key.ID) > 1000 {
			continue
		}
		switch i % 5 {
		case 0:
			writes = append(writes, added(key, 1, 3), replied(entity.Write{Key: key}, reply("a")))
		case 1:
			writes = append(writes, valued(key, 1))
		case 2:
			writes = append(writes, deleted(key, 1))
		case 3:
			writes = append(writes, snapshotted(added(key, 1, 2), 2), entity.Write{Key: key, Trim: 2})
		case 4: // nothing that counts
			writes = append(writes, replied(sending(entity.Write{Key: key}, rowID(1, 1)), reply("a")))
			continue
		}
		want[key.Entity] = append(want[key.Entity], key.ID)
	}
	w.mustAll(t, 7, writes)
	for name, ids := range want {
		wantInstances(t, s, name, ids)
	}
	writes = nil
	var many []string
	for i := range 1500 {
		many = append(many, fmt.Sprint(i))
	}
	for _, id := range many {
		writes = append(writes, added(entity.Key{Entity: "many", ID: id}, 1, 1))
	}
	w.mustAll(t, 100, writes)
	wantInstances(t, s, "many", many)
}

// wantInstances wants the instances ids of name in some order, and that one may
// begin after each.
func wantInstances(t *testing.T, s Ledger, name string, ids []string) {
	t.Helper()
	read := func(after *string) (got []string) {
		for id, err := range s.Instances(t.Context(), name, after) {
			if err != nil {
				t.Fatalf("instances of %q: %v", name, err)
			}
			got = append(got, id)
		}
		return got
	}
	all := read(nil)
	if got, want := slices.Sorted(slices.Values(all)), slices.Sorted(slices.Values(ids)); !slices.Equal(got, want) {
		t.Fatalf("instances of %q are %q, want %q", name, got, want)
	}
	for i := range all {
		if i > 1 && i != len(all)-1 && i%700 != 0 {
			continue
		}
		if got := read(&all[i]); !slices.Equal(got, all[i+1:]) {
			t.Fatalf("instances of %q after %q are %q, want %q", name, all[i], got, all[i+1:])
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// cart is the key of most tests.
var cart = entity.Key{Entity: "shop.Cart/cart", ID: "a"}

// Run tests the store that open returns, which must be empty.
func Run(t *testing.T, open func(*testing.T) Store) { run(t, nil, open) }

// run runs the tests that are named, all of them if only is nil.
func run(t *testing.T, only []string, open func(*testing.T) Store) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, s Store)
	}{
		{"ReadsNothingFromNothing", testNothing},
		{"GivesBackWhatWasCommitted", testCommit},
		{"ReadsAfter", testAfter},
		{"CommitsAllOrNothing", testAllOrNothing},
		{"RefusesEventsThatDoNotFollow", testGaps},
		{"TakesManyWritesOfOneKeyInOrder", testSameKey},
		{"KeepsTheLastSnapshot", testSnapshots},
		{"KeepsKeysApart", testKeys},
		{"KeepsLanesApart", testLanes},
		{"MovesTheLaneOnce", testMoved},
		{"EvictedMembersCommitNothing", testEvicted},
		{"NeverGivesOutAMemberTwice", testMembers},
		{"MovesTheLaneForNothing", testEmptyCommit},
		{"AnswersCanceledCommits", testCanceled},
		{"StopsReadingWhenCanceled", testCanceledRead},
		{"KeepsNothingOfWrites", testKeepsNothing},
		{"KeepsManyEvents", testMany},
		{"KeepsLargeValues", testLarge},
		{"TakesManyLanesAtOnce", testConcurrentLanes},
		{"ShowsWholeCommitsOnly", testWholeCommits},
		{"GivesBackTheLastValue", testValue},
		{"RefusesVersionsThatDoNotFollow", testVersions},
		{"CommitsValuesAllOrNothing", testValueAllOrNothing},
		{"KeepsValuesOfKeysApart", testValueKeys},
		{"KeepsNothingOfValues", testValueKeepsNothing},
		{"KeepsLargeValuesOfEntities", testLargeValues},
		{"ShowsValuesInOrder", testWholeValues},
		{"GivesBackReplies", testReplies},
		{"RefusesRepeatedCommands", testRepeated},
		{"KeepsNothingOfReplies", testKeepsNothingOfReplies},
		{"ForgetsNoReplyBeforeItsTime", testExpiredReplies},
		{"LetsValuesExpire", testExpiredValues},
		{"BeginsAnewAfterTombstones", testTombstones},
		{"TrimsEvents", testTrim},
		{"GivesBackTheOutbox", testOutbox},
		{"ReplacesRowsOfTheOutbox", testOutboxStates},
		{"ScansTheOutboxByShard", testOutboxScan},
		{"KeepsManyRows", testManyRows},
		{"KeepsNothingOfRows", testKeepsNothingOfRows},
		{"ListsInstances", testInstances},
		{"DoesAsTheModelDoes", testModel},
	} {
		if only == nil || slices.Contains(only, tt.name) {
			t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
		}
	}
}

func testNothing(t *testing.T, s Store) {
	wantSnapshot(t, s, cart, 0)
	wantEvents(t, s, cart, 1, 0)
	wantEvents(t, s, cart, 10, 0)
	wantNoLane(t, s, 0, 0)
	wantNoLane(t, s, 1, 0)
}

func testCommit(t *testing.T, s Store) {
	w := newWriter(t, s)
	wantPosition(t, s, w.at)
	w.must(t, added(cart, 1, 1))
	wantPosition(t, s, w.at)
	w.must(t, snapshotted(added(cart, 2, 4), 3))
	wantPosition(t, s, w.at)
	wantEvents(t, s, cart, 1, 4)
	wantSnapshot(t, s, cart, 3)
}

func testAfter(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, added(cart, 1, 7))
	for from := entity.Seq(1); from <= 8; from++ {
		wantEvents(t, s, cart, from, 7)
	}
	wantEvents(t, s, cart, 9, 7)
	wantEvents(t, s, cart, 1<<40, 7)
	for e, err := range s.Events(t.Context(), cart, 0) { // a reader may stop
		if err != nil || e.Seq != 1 {
			t.Fatalf("first event is %d, %v", e.Seq, err)
		}
		break
	}
}

func testAllOrNothing(t *testing.T, s Store) {
	w := newWriter(t, s)
	var all []entity.Write
	for i := range 100 {
		key := entity.Key{Entity: fmt.Sprint("e", i%3), ID: fmt.Sprint(i)}
		all = append(all, snapshotted(added(key, 1, entity.Seq(i%4)), entity.Seq(i%4)))
	}
	bad := append(slices.Clip(all), added(cart, 2, 2))
	w.refused(t, entity.ErrRefused, bad...)
	for _, write := range all {
		wantEvents(t, s, write.Key, 1, 0)
		wantSnapshot(t, s, write.Key, 0)
	}
	w.must(t, all...)
	for i, write := range all {
		wantEvents(t, s, write.Key, 1, entity.Seq(i%4))
		wantStored(t, s, write)
	}
}

// wantStored wants the snapshot of w, also if that is at 0.
func wantStored(t *testing.T, s Store, w entity.Write) {
	t.Helper()
	got, err := s.Snapshot(t.Context(), w.Key)
	if err != nil || got.Seq != w.Snapshot.Seq || !same(got.Payload, w.Snapshot.Payload) {
		t.Fatalf("snapshot of %v = %v, %v; want %v", w.Key, got, err, *w.Snapshot)
	}
}

func testGaps(t *testing.T, s Store) {
	w := newWriter(t, s)
	for _, seq := range []entity.Seq{-1, 0, 2, 3, 1 << 40} {
		w.refused(t, entity.ErrRefused, added(cart, seq, seq))
	}
	w.must(t, added(cart, 1, 3))
	for _, seq := range []entity.Seq{-1, 0, 1, 3, 5} {
		w.refused(t, entity.ErrRefused, added(cart, seq, seq))
	}
	gap := added(cart, 4, 6)
	gap.Events[2].Seq = 7
	w.refused(t, entity.ErrRefused, gap)
	twice := added(cart, 4, 5)
	twice.Events[1].Seq = 4
	w.refused(t, entity.ErrRefused, twice)
	wantEvents(t, s, cart, 1, 3)
	w.must(t, added(cart, 4, 4))
	wantEvents(t, s, cart, 1, 4)
}

func testSameKey(t *testing.T, s Store) {
	w := newWriter(t, s)
	other := entity.Key{Entity: cart.Entity, ID: "b"}
	w.must(t, added(cart, 1, 2), added(other, 1, 1), snapshotted(added(cart, 3, 3), 3),
		entity.Write{Key: cart}, snapshotted(added(cart, 4, 6), 5))
	wantEvents(t, s, cart, 1, 6)
	wantEvents(t, s, other, 1, 1)
	wantSnapshot(t, s, cart, 5)
	w.refused(t, entity.ErrRefused, added(cart, 7, 7), added(cart, 7, 7))
	w.refused(t, entity.ErrRefused, added(cart, 8, 8), added(cart, 7, 7))
	wantEvents(t, s, cart, 1, 6)
}

func testSnapshots(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, added(cart, 1, 9))
	for _, seq := range []entity.Seq{3, 9, 5} { // none of them comes with events
		w.must(t, snapshotted(entity.Write{Key: cart}, seq))
		wantSnapshot(t, s, cart, seq)
	}
	w.must(t, added(cart, 10, 10)) // leaves it alone
	wantSnapshot(t, s, cart, 5)
	wantEvents(t, s, cart, 6, 10)

	empty := entity.Write{Key: entity.Key{Entity: "e", ID: "only a snapshot"}, Snapshot: &entity.Snapshot{Seq: 0}}
	w.must(t, empty)
	wantStored(t, s, empty)
	wantEvents(t, s, empty.Key, 1, 0)
	w.must(t, added(empty.Key, 1, 1))
	wantEvents(t, s, empty.Key, 1, 1)
}

// A limited store refuses keys whose parts are longer than that, together.
type limited interface{ MaxKey() int }

// awkward are keys that a store might take for one another. Those that s is
// allowed to refuse are not among them.
func awkward(s Store) []entity.Key {
	keys := allAwkward()
	if l, ok := as[limited](s); ok {
		keys = slices.DeleteFunc(keys, func(k entity.Key) bool { return len(k.Entity)+len(k.ID) > l.MaxKey() })
	}
	return keys
}

func allAwkward() []entity.Key {
	ids := []string{
		"", "a", "aa", "a\x00", "a\x00\x00", "a\x00a", "a\x00\x01", "a\x00\x01\x02", "a\x00\xff", "a\x01", "a\x02",
		"\x00", "\x00\x00", "\x00\x01", "\x00\x02", "\x00\xff", "\xff", "\xff\xff", "\xff\x00", "\xfe\xff", "\xc3\x28", "\xf0\x90",
		"a\xff", "b", "ä", "日本", strings.Repeat("x", 127), strings.Repeat("x", 128), strings.Repeat("x", 70_000),
	}
	var keys []entity.Key
	for _, entityName := range []string{"", "e", "e\x00", "ea", "e/a", "\xff"} {
		for _, id := range ids {
			keys = append(keys, entity.Key{Entity: entityName, ID: id})
		}
	}
	return keys
}

func testKeys(t *testing.T, s Store) {
	w := newWriter(t, s)
	keys := awkward(s)
	var writes []entity.Write
	for i, key := range keys {
		if i%2 == 0 {
			writes = append(writes, snapshotted(added(key, 1, entity.Seq(i%5+1)), 1))
		}
	}
	w.mustAll(t, 7, writes)
	for i, key := range keys {
		if i%2 == 0 {
			wantEvents(t, s, key, 1, entity.Seq(i%5+1))
			wantSnapshot(t, s, key, 1)
			wantEvents(t, s, key, 7, 0)
			continue
		}
		wantEvents(t, s, key, 1, 0)
		wantSnapshot(t, s, key, 0)
		w.refused(t, entity.ErrRefused, added(key, 2, 2))
	}
}

func testLanes(t *testing.T, s Store) {
	m := join(t, s, 3)
	lanes := make([]*writer, 3)
	for i := range lanes {
		lanes[i] = &writer{s: s, at: entity.Position{Member: m, Lane: i}}
	}
	for i, w := range lanes {
		for n := range entity.Seq(i + 1) {
			w.must(t, added(entity.Key{Entity: "e", ID: fmt.Sprint(i)}, n+1, n+1))
		}
	}
	for i, w := range lanes {
		wantPosition(t, s, w.at)
		wantEvents(t, s, entity.Key{Entity: "e", ID: fmt.Sprint(i)}, 1, entity.Seq(i+1))
	}
	for _, lane := range []int{-1, 3, 1 << 20} {
		wantNoLane(t, s, m, lane)
		wantMoved(t, s, entity.Position{Member: m, Lane: lane})
	}
	wantNoLane(t, s, m+1, 0)
	wantMoved(t, s, entity.Position{Member: m + 1})
}

// wantMoved wants that a commit at at is answered with ErrLaneMoved, and that
// it does nothing.
func wantMoved(t *testing.T, s Store, at entity.Position) {
	t.Helper()
	w := writer{s: s, at: at}
	key := entity.Key{Entity: "never", ID: "there"}
	err := w.commit(t.Context(), snapshotted(added(key, 1, 1), 1))
	wantIs(t, err, entity.ErrLaneMoved)
	wantEvents(t, s, key, 1, 0)
	wantSnapshot(t, s, key, 0)
}

func testMoved(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, added(cart, 1, 1))
	w.must(t, added(cart, 2, 2))
	for _, n := range []int64{-1, 0, 1, 3, 100} {
		wantMoved(t, s, entity.Position{Member: w.at.Member, N: n})
	}
	wantPosition(t, s, w.at)

	again := w.at // the identical commit, as after an answer that was lost
	w.must(t, added(cart, 3, 3))
	wantIs(t, s.Commit(t.Context(), again, []entity.Write{added(cart, 3, 3)}), entity.ErrLaneMoved)
	wantPosition(t, s, w.at)
	wantEvents(t, s, cart, 1, 3)
}

func testEvicted(t *testing.T, s Store) {
	old := newWriter(t, s)
	old.must(t, added(cart, 1, 1))
	evict(t, s, old.at.Member)
	wantNoLane(t, s, old.at.Member, 0)
	wantMoved(t, s, old.at)
	now := newWriter(t, s)
	wantMoved(t, s, old.at)
	wantPosition(t, s, now.at)
	now.must(t, added(cart, 2, 2))
	wantMoved(t, s, old.at)
	wantEvents(t, s, cart, 1, 2)
}

func testMembers(t *testing.T, s Store) {
	seen := map[entity.Member]bool{}
	for range 20 {
		m := join(t, s, 2)
		if m == 0 || seen[m] {
			t.Fatalf("joined as member %d, after %v", m, seen)
		}
		seen[m] = true
		wantPosition(t, s, entity.Position{Member: m, Lane: 1})
		evict(t, s, m)
	}
}

func testEmptyCommit(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t)
	wantPosition(t, s, w.at)
	w.must(t, entity.Write{Key: cart})
	wantPosition(t, s, w.at)
	wantEvents(t, s, cart, 1, 0)
	wantSnapshot(t, s, cart, 0)
}

func testCanceled(t *testing.T, s Store) {
	w := newWriter(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.commit(ctx, added(cart, 1, 1)); err != nil {
		wantPosition(t, s, w.at) // so it has not been and won't be
		w.must(t, added(cart, 1, 1))
	}
	wantPosition(t, s, w.at)
	wantEvents(t, s, cart, 1, 1)
}

func testCanceledRead(t *testing.T, s Store) {
	newWriter(t, s).must(t, added(cart, 1, 5000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for e, err := range s.Events(ctx, cart, 0) {
		if n++; n == 10 {
			cancel()
		}
		if last = err; err != nil && (e.Seq != 0 || e.Value != nil) {
			t.Errorf("an event %d came with the error", e.Seq)
		}
	}
	wantIs(t, last, context.Canceled)
	if n >= 5000 {
		t.Errorf("read %d events although canceled after 10", n)
	}
}

func testKeepsNothing(t *testing.T, s Store) {
	w := newWriter(t, s)
	for from := entity.Seq(1); from < 100; from += 3 {
		write := snapshotted(added(cart, from, from+2), from)
		w.must(t, write)
		for i := range write.Events {
			clear(write.Events[i].Value)
		}
		clear(write.Events)
		clear(write.Snapshot.Value)
		write.Snapshot.Seq = 1000
	}
	wantEvents(t, s, cart, 1, 99)
	wantSnapshot(t, s, cart, 97)
}

func testMany(t *testing.T, s Store) {
	const n = 10_000
	w := newWriter(t, s)
	short := entity.Key{Entity: cart.Entity, ID: "short"}
	w.must(t, added(short, 1, 300))
	for _, from := range []entity.Seq{1, 255, 256, 257, 300, 301} {
		wantEvents(t, s, short, from, 300)
	}
	before, behind := entity.Key{Entity: cart.Entity, ID: "Z"}, entity.Key{Entity: cart.Entity, ID: "aa"}
	w.must(t, added(before, 1, 10), added(behind, 1, 10))
	for seq := entity.Seq(1); seq <= n; seq += 100 {
		w.must(t, added(cart, seq, seq+99))
	}
	for _, from := range []entity.Seq{1, 5001, n + 1} {
		wantEvents(t, s, cart, from, n)
	}
	w.must(t, snapshotted(added(cart, n+1, n+1), n+1))
	wantEvents(t, s, cart, n, n+1)
	wantEvents(t, s, behind, 1, 10)
}

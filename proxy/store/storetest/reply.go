// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// laterOn is when nothing of these tests is there any more.
var laterOn = time.UnixMilli(time.Now().UnixMilli()).Add(time.Hour)

// reply returns what is remembered in these tests of the command that its client
// calls name: replies, refusals and forwards in turn.
func reply(name string) *entity.Reply {
	r := &entity.Reply{Key: entity.ClientKey(name), Method: "shop.Cart/Add", Expires: laterOn}
	copy(r.Hash[:], name)
	target := entity.Target{
		Service: "shop.Mail", Command: "Send", Payload: payload(cart, 1),
		Meta: entity.Metadata{{Name: "a", Value: name}, {Name: "b-bin", Value: "\xff\x00"}},
	}
	switch len(name) % 4 {
	case 0:
		r.Refusal = &entity.Refusal{Description: "no " + name, Code: 9}
	case 1:
		r.Payload, r.Meta = payload(cart, 2), target.Meta
	case 2:
		r.Forward = &entity.Forwarded{Target: target, Key: entity.OutboxID{Member: 1, N: 2}.Key()}
	case 3:
		r.None = true
	}
	return r
}

// replied returns w with a reply.
func replied(w entity.Write, r *entity.Reply) entity.Write {
	w.Reply = r
	return w
}

func wantReply(t *testing.T, s Ledger, key entity.Key, want *entity.Reply) {
	t.Helper()
	got, ok, err := s.Reply(t.Context(), key, want.Key)
	if err != nil || !ok {
		t.Fatalf("reply %q of %v: %v, %v", want.Key, key, ok, err)
	}
	if !got.Expires.Equal(want.Expires) {
		t.Fatalf("reply %q of %v expires at %v, want %v", want.Key, key, got.Expires, want.Expires)
	}
	got.Expires = want.Expires
	if !reflect.DeepEqual(got, *want) {
		t.Fatalf("reply %q of %v = %+v, want %+v", want.Key, key, got, *want)
	}
}

func wantNoReply(t *testing.T, s Ledger, key entity.Key, name string) {
	t.Helper()
	if got, ok, err := s.Reply(t.Context(), key, entity.ClientKey(name)); ok || err != nil {
		t.Fatalf("reply %q of %v = %+v, %v, %v; want none", name, key, got, ok, err)
	}
}

func testReplies(t *testing.T, s Store) {
	w := newWriter(t, s)
	wantNoReply(t, s, cart, "a")
	names := []string{"", "a", "aa", "aaa", "aaaa", "b", "a\x00", "ä"}
	for i, name := range names { // some come with nothing else
		w.must(t, replied(added(cart, entity.Seq(i/2+1), entity.Seq((i+1)/2)), reply(name)))
	}
	other := entity.Key{Entity: cart.Entity, ID: "other"}
	for _, name := range names {
		wantReply(t, s, cart, reply(name))
		wantNoReply(t, s, other, name)
	}
	wantNoReply(t, s, cart, "aaaaa")
	w.must(t, replied(entity.Write{Key: other}, reply("a")))
	wantReply(t, s, other, reply("a"))
	wantEvents(t, s, cart, 1, 4)
}

// testRepeated has commands that were carried out before among others, all of
// which must be refused with them, and none of which is when it comes alone.
func testRepeated(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, replied(added(cart, 1, 1), reply("a")))
	other := entity.Key{Entity: cart.Entity, ID: "other"}
	again := replied(added(cart, 2, 2), reply("a"))
	again.Reply.Method = "shop.Cart/Remove"
	w.refused(t, entity.ErrRepeated, again)
	w.refused(t, entity.ErrRefused, again) // of which it is a kind
	w.refused(t, entity.ErrRepeated, added(other, 1, 1), again, replied(added(other, 2, 2), reply("b")))
	wantEvents(t, s, cart, 1, 1)
	wantEvents(t, s, other, 1, 0)
	wantNoReply(t, s, other, "b")
	wantReply(t, s, cart, reply("a"))
	w.refused(t, entity.ErrRepeated, replied(added(cart, 2, 2), reply("b")), replied(added(cart, 3, 3), reply("b")))
	w.must(t, added(other, 1, 1))
	w.must(t, replied(added(other, 2, 2), reply("b")), replied(added(cart, 2, 2), reply("b"))) // of two instances
	w.refused(t, entity.ErrRepeated, replied(entity.Write{Key: cart}, reply("b")))
}

func testKeepsNothingOfReplies(t *testing.T, s Store) {
	w := newWriter(t, s)
	for _, name := range []string{"a", "aa", "aaa", "aaaa"} {
		r := reply(name)
		w.must(t, replied(entity.Write{Key: cart}, r))
		clear(r.Payload.Value)
		clear(r.Meta)
		if r.Forward != nil {
			clear(r.Forward.Payload.Value)
			clear(r.Forward.Meta)
		}
		wantReply(t, s, cart, reply(name))
	}
}

// testExpiredReplies checks that one that has expired counts as long as it is
// there, and that one that hasn't is not forgotten however much is written.
func testExpiredReplies(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, replied(entity.Write{Key: cart}, reply("lasts")))
	for i := range 300 {
		old := reply(fmt.Sprint("old", i))
		old.Expires = laterOn.Add(-2 * time.Hour)
		w.must(t, replied(added(cart, entity.Seq(i+1), entity.Seq(i+1)), old))
		got, stored, err := s.Reply(t.Context(), cart, old.Key)
		if err != nil || stored && got.Hash != old.Hash {
			t.Fatalf("reply that has expired: %+v, %v, %v", got, stored, err)
		}
	}
	wantReply(t, s, cart, reply("lasts"))
	w.refused(t, entity.ErrRepeated, replied(entity.Write{Key: cart}, reply("lasts")))
	wantEvents(t, s, cart, 1, 300)
}

func testExpiredValues(t *testing.T, s Store) {
	w := newWriter(t, s)
	until := func(write entity.Write, at time.Time) entity.Write {
		write.Value.Expires = at
		return write
	}
	lasts := until(valued(account, 1), laterOn)
	w.must(t, lasts)
	wantValue(t, s, lasts)
	if got, err := s.Value(t.Context(), account); err != nil || !got.Expires.Equal(lasts.Value.Expires) {
		t.Fatalf("value expires at %v, want %v; %v", got.Expires, lasts.Value.Expires, err)
	}
	w.must(t, until(valued(account, 2), laterOn.Add(-2*time.Hour)))
	wantValue(t, s, deleted(account, 2))
	w.refused(t, entity.ErrRefused, valued(account, 1))
	w.must(t, valued(account, 3)) // which doesn't expire
	for i := range 10 {
		w.must(t, added(cart, entity.Seq(i+1), entity.Seq(i+1)))
	}
	wantValue(t, s, valued(account, 3))
}

// testTombstones deletes an event sourced instance and lets it begin anew.
func testTombstones(t *testing.T, s Store) {
	w := newWriter(t, s)
	w.must(t, snapshotted(added(cart, 1, 5), 4))
	w.must(t, entity.Write{Key: cart, Snapshot: &entity.Snapshot{Seq: 5, Deleted: true}})
	wantTombstone(t, s, cart, 5)
	w.refused(t, entity.ErrRefused, added(cart, 1, 1))
	w.must(t, added(cart, 6, 7))
	wantEvents(t, s, cart, 6, 7)
	w.must(t, entity.Write{Key: cart, Trim: 5})
	wantEvents(t, s, cart, 6, 7)
	wantTombstone(t, s, cart, 5)
	w.must(t, snapshotted(added(cart, 8, 8), 8))
	wantSnapshot(t, s, cart, 8)
}

func wantTombstone(t *testing.T, s Journal, key entity.Key, seq entity.Seq) {
	t.Helper()
	got, err := s.Snapshot(t.Context(), key)
	if err != nil || got.Seq != seq || !got.Deleted || got.TypeURL != "" || len(got.Value) > 0 {
		t.Fatalf("snapshot of %v = %+v, %v; want that it was deleted at %d", key, got, err, seq)
	}
}

// testTrim removes events behind snapshots. The numbers go on all the same, also
// when no event is left.
func testTrim(t *testing.T, s Store) {
	w := newWriter(t, s)
	others := []entity.Key{{Entity: cart.Entity, ID: "Z"}, {Entity: cart.Entity, ID: "aa"}, {Entity: cart.Entity, ID: "a\x00"}}
	for _, key := range others {
		w.must(t, snapshotted(added(key, 1, 300), 300))
	}
	trimmed := snapshotted(added(cart, 1, 300), 300)
	trimmed.Trim = 256
	w.must(t, trimmed)
	wantTrimmed(t, s, cart, 257, 300)
	w.must(t, entity.Write{Key: cart, Trim: 256}) // again
	w.must(t, entity.Write{Key: cart, Trim: 10})
	wantTrimmed(t, s, cart, 257, 300)
	w.must(t, entity.Write{Key: cart, Trim: 300})
	wantTrimmed(t, s, cart, 301, 300)
	for _, seq := range []entity.Seq{1, 300, 302} {
		w.refused(t, entity.ErrRefused, added(cart, seq, seq))
	}
	w.must(t, added(cart, 301, 302))
	wantTrimmed(t, s, cart, 301, 302)
	for _, key := range others {
		wantEvents(t, s, key, 1, 300)
	}
}

// wantTrimmed wants the events from first to last of key, whoever asks for older
// ones.
func wantTrimmed(t *testing.T, s Journal, key entity.Key, first, last entity.Seq) {
	t.Helper()
	want := added(key, first, last).Events
	for _, after := range []entity.Seq{0, 1, first - 1} {
		got, err := events(t.Context(), s, key, after)
		if err != nil || !slices.EqualFunc(got, want, func(a, b entity.Event) bool { return a.Seq == b.Seq && bytes.Equal(a.Value, b.Value) }) {
			t.Fatalf("events of %v after %d: %d, %v; want %d to %d", key, after, len(got), err, first, last)
		}
	}
}

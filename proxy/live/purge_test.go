// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// TestDeletedInstanceIsPurged deletes an event sourced instance by field 6 of a
// reply. The function begins with nothing then, the numbers of events go on, and
// what was before is to be removed later.
func TestDeletedInstanceIsPurged(t *testing.T) {
	for name, tt := range map[string]struct {
		duration []byte
		keep     time.Duration
	}{
		"a day later":               {nil, 24 * time.Hour},
		"when the function says so": {[]byte{0x08, 0x07}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { purged(t, tt.duration, tt.keep) })
	}
}

func purged(t *testing.T, duration []byte, keep time.Duration) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"), event(2, "2"))
		c := r.submit("a", "3")
		s := r.accept()
		s.events(1, "1", "2")
		s.command(1, "3")
		out := livetest.Reply(1, "gone", "3")
		out.GetReply().ProtoReflect().SetUnknown(append([]byte{6<<3 | 2, byte(len(duration))}, duration...))
		due := time.Now().Add(keep)
		s.send(out)
		c.replied("gone")
		again := r.accept()
		again.quiet()
		c = r.submit("a", "4")
		again.command(1, "4")
		again.reply(1, "anew", "4")
		c.replied("anew")
		snapshot, err := r.store.Store.Snapshot(t.Context(), entity.Key{Entity: lists.Name, ID: "a"})
		if err != nil || !snapshot.Deleted || snapshot.Seq != 3 || len(r.stored("a")) != 4 {
			t.Errorf("snapshot %+v, %v; %d events", snapshot, err, len(r.stored("a")))
		}
		for row, err := range r.store.Outbox(t.Context(), 0, shard.Count-1) {
			if err != nil || row.Kind != entity.Purge || row.Seq != 3 || !row.Due.Equal(due) {
				t.Errorf("row %+v, %v; want it due at %v", row, err, due)
			}
		}
		r.ending(s, again)
	}, boxed(&outbox{}))
}

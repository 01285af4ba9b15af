// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

// deletion is an answer of a later generation, which the generated code doesn't
// know: it deletes the instance.
func deletion(id int64, text string) *livetest.Out {
	out := livetest.Reply(id, text)
	out.GetReply().ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), nil))
	return out
}

// TestDeletedInstance checks that the function is brought up afresh with nothing
// at once, and that what is stored later follows what was.
func TestDeletedInstance(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"), event(2, "2"))
		gone := r.submit("a", "delete")
		s := r.acceptSilently()
		s.next()
		s.events(1, "1", "2")
		s.command(1, "delete")
		s.send(deletion(1, "gone"))
		gone.replied("gone")
		s.halfClosed()
		r.ending(s)

		s = r.acceptSilently()
		if init := s.next().GetInit(); init.GetEntityId() != "a" || init.Snapshot != nil {
			t.Errorf("init %v", init)
		}
		again := r.submit("a", "3")
		s.command(1, "3")
		s.reply(1, "ok", "3")
		again.replied("ok")
		<-time.After(idle)
		s.halfClosed()
		r.ending(s)

		look := r.submit("a", "look")
		s = r.acceptSilently()
		if init := s.next().GetInit(); init.Snapshot != nil {
			t.Errorf("init %v", init)
		}
		s.events(3, "3")
		s.command(1, "look")
		s.reply(1, "ok")
		look.replied("ok")
		snapshot, err := r.store.Store.Snapshot(t.Context(), entity.Key{Entity: lists.Name, ID: "a"})
		if err != nil || snapshot.Seq != 2 || !snapshot.Deleted {
			t.Errorf("snapshot %+v, error %v", snapshot, err)
		}
		if got := r.stored("a"); !slices.Contains(got, "3") {
			t.Errorf("stored %q", got)
		}
		r.ending(s)
	})
}

// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// notice returns a notice for mail of the events of cart after one and up to
// another. What the targets get is what it says then.
func notice(after, seq entity.Seq) entity.OutboxRow {
	return entity.OutboxRow{Source: cart, Kind: entity.EventNotice, After: after, Seq: seq, Target: entity.Target{Service: "mail"}}
}

// holding returns a change of a pump so that its notices wait.
func holding(cfg *outbox.Config) { cfg.Waiting = func() {} }

// held returns the shard of cart, which must be held.
func (r *rig) heldShard() outbox.Held {
	r.t.Helper()
	synctest.Wait()
	all := r.pump.Held()
	i := slices.IndexFunc(all, func(h outbox.Held) bool { return h.At == home })
	if i < 0 {
		r.t.Fatal("the shard isn't held")
	}
	return all[i]
}

// keep has rows stored in the shard that h is.
func (r *rig) keep(h outbox.Held, rows ...entity.OutboxRow) error {
	done := make(chan error, 1)
	r.pump.Store(h, entity.Write{Key: cart, Outbox: rows}, func(err error) { done <- err })
	synctest.Wait()
	return <-done
}

// TestNoticesWait until they are released, in the order of their events and without
// those that another one tells of. Other rows go.
func TestNoticesWait(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		h := r.heldShard()
		row := notice(4, 5)
		row.ID = r.pump.Next()
		r.pump.Send(row, nil)
		r.send(cart, "stock", "1")
		r.came("1")
		if err := r.keep(h, notice(0, 4)); err != nil {
			t.Fatal(err)
		}
		row = notice(2, 7)
		row.ID = r.pump.Next()
		r.pump.Send(row, nil)
		r.came("1")
		r.pump.Release(h)
		r.came("1", "0-4", "4-7", "5-5") // the last one has nothing left to tell of
	}, holding)
}

// TestReleaseOfBefore has no effect when notices were made to wait again.
func TestReleaseOfBefore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		h := r.heldShard()
		if err := r.keep(h, notice(0, 1)); err != nil {
			t.Fatal(err)
		}
		r.pump.Hold()
		r.pump.Release(h)
		r.came()
		r.pump.Release(r.heldShard())
		r.came("0-1")
	}, holding)
}

// TestMarksAreKept through a restart and a move, and are not carried out.
func TestMarksAreKept(t *testing.T) {
	mark := entity.OutboxRow{Source: cart, Kind: entity.Mark, Target: entity.Target{Service: "mail"}}
	bubble(t, func(t *testing.T, r *rig) {
		h := r.heldShard()
		if err := r.keep(h, mark); err != nil {
			t.Fatal(err)
		}
		r.pump.Release(h)
		if n := r.stats.Rows.Load(); n != 0 {
			t.Errorf("%d rows are counted", n)
		}
		if !r.drain()(true) {
			t.Error("the next owner is not told of the mark")
		}
		r.pump.Close(home)
		r.pump.Open(home, true)
		h = r.heldShard()
		if len(h.Marks) != 1 || h.Marks[0].Target.Service != "mail" {
			t.Fatalf("marks %v", h.Marks)
		}
		done := make(chan error, 1)
		r.pump.Store(h, entity.Write{Key: cart, Sent: []entity.OutboxID{h.Marks[0].ID}}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if r.came(); len(r.heldShard().Marks) != 0 || r.drain()(true) {
			t.Error("the mark is still there")
		}
	}, holding)
}

// TestStoringHoldsUpAMove wants that what is being stored is before the move of its
// shard, and that nothing is stored after that has begun.
func TestStoringHoldsUpAMove(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		h := r.heldShard()
		verdict := make(chan error, 1)
		r.pump.Store(h, entity.Write{Key: cart, Outbox: []entity.OutboxRow{notice(0, 1)}}, func(err error) { verdict <- err })
		drained := r.drain()
		if err := r.keep(h, notice(1, 2)); !errors.Is(err, entity.ErrUnknownOutcome) {
			t.Errorf("stored in a shard that is to move: %v", err)
		}
		if !drained(true) || <-verdict != nil {
			t.Error("the next owner is not told of the row")
		}
		if len(r.pump.Held()) != shard.Count-1 {
			t.Error("a shard that is to move is held")
		}
		r.pump.Resume(home)
		r.pump.Release(r.heldShard())
		r.came("0-1")
	}, holding)
}

// TestTryThatLeavesMore has a row carried out in parts.
func TestTryThatLeavesMore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.more = 2
		r.send(cart, "mail", "1")
		r.came("1", "1", "1")
		r.stored()
		if n := r.stats.Retried.Load(); n != 0 {
			t.Errorf("%d tries are said to have failed", n)
		}
	})
}

// text is what the targets get of a row.
func text(row *entity.OutboxRow) string {
	if row.Kind == entity.EventNotice {
		return fmt.Sprintf("%d-%d", row.After, row.Seq)
	}
	return row.Target.Command
}

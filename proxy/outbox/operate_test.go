// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

// parked sends a row that is parked at once, and returns its id.
func (r *rig) parked(command string) entity.OutboxID {
	r.t.Helper()
	r.answer[command] = entity.ErrUnimplemented
	row := r.row(cart, "mail", command)
	r.pump.Send(row, nil)
	synctest.Wait()
	delete(r.answer, command)
	return row.ID
}

// left wants so many rows, and so many of them parked.
func (r *rig) left(rows, parked int64) {
	r.t.Helper()
	synctest.Wait()
	if r.stats.Rows.Load() != rows || r.stats.Parked.Load() != parked {
		r.t.Errorf("%d rows, %d parked, want %d and %d", r.stats.Rows.Load(), r.stats.Parked.Load(), rows, parked)
	}
}

func TestRetryOfParkedRows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		id := r.parked("1")
		r.hold("1", "2")
		r.send(cart, "mail", "2")
		if err := r.pump.Retry(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		r.came("1", "2") // behind those that wait
		if rows := r.stored("1", "2"); rows[0].Parked || rows[0].Attempts != 0 {
			t.Errorf("stored is %+v", rows[0])
		}
		if err := r.pump.Retry(t.Context(), id, false); !errors.Is(err, outbox.ErrTurn) {
			t.Errorf("retried while it waits: %v", err)
		}
		r.left(2, 0)
		r.held["2"] <- nil
		r.came("1", "2", "1")
		r.held["1"] <- nil
		r.stored()
		r.left(0, 0)
		if err := r.pump.Retry(t.Context(), id, false); !errors.Is(err, outbox.ErrNoRow) {
			t.Errorf("retried once it is done: %v", err)
		}
	})
}

func TestRetryOfRowsThatPause(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer["1"] = entity.ErrUnavailable
		row := r.row(cart, "mail", "1")
		r.pump.Send(row, nil)
		r.send(cart, "mail", "2")
		<-time.After(time.Hour)
		synctest.Wait()
		n := len(r.got)
		delete(r.answer, "1")
		if err := r.pump.Retry(t.Context(), row.ID, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.got[n:]; len(got) != 2 || got[0] != "1" || got[1] != "2" {
			t.Errorf("then came %q", got)
		}
		<-time.After(time.Hour)
		r.stored()
	})
}

// TestRetryOfOldRows wants a word for rows that the target may have done and
// forgotten.
func TestRetryOfOldRows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		id := r.parked("1")
		<-time.After(memory)
		if err := r.pump.Retry(t.Context(), id, false); !errors.Is(err, outbox.ErrOld) {
			t.Errorf("retried after %v: %v", memory, err)
		}
		r.left(1, 1)
		if err := r.pump.Retry(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
		r.stored()
		r.left(0, 0)
	})
}

// TestRetryByTheNextProcess retries what was parked before.
func TestRetryByTheNextProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r := newRig(t, s)
		close(r.ready)
		synctest.Wait()
		id := r.parked("1")
		other := r.parked("2")
		r.close()
		r = newRig(t, s)
		defer r.close()
		if err := r.pump.Retry(t.Context(), id, false); !errors.Is(err, entity.ErrUnavailable) {
			t.Errorf("retried before the store was read: %v", err)
		}
		close(r.ready)
		r.left(2, 2)
		if err := r.pump.Retry(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		if err := r.pump.Discard(other); err != nil {
			t.Fatal(err)
		}
		r.came("1")
		r.stored()
		r.left(0, 0)
	})
}

func TestDiscard(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.hold("1", "2", "3")
		ids := map[string]entity.OutboxID{"parked": r.parked("parked")}
		var told error
		for _, c := range []string{"1", "2", "3"} {
			row := r.row(cart, "mail", c)
			ids[c] = row.ID
			r.pump.Send(row, func(a entity.Answer) {
				if c == "2" {
					told = a.Err
				}
			})
		}
		if err := r.pump.Discard(ids["1"]); !errors.Is(err, outbox.ErrTurn) {
			t.Errorf("discarded what is being tried: %v", err)
		}
		for _, c := range []string{"parked", "2"} {
			if err := r.pump.Discard(ids[c]); err != nil {
				t.Errorf("%s: %v", c, err)
			}
		}
		if told == nil {
			t.Error("who waits for the row is not told")
		}
		r.stored("1", "3")
		r.left(2, 0)
		r.held["1"] <- entity.ErrUnavailable
		synctest.Wait()
		if err := r.pump.Discard(ids["1"]); err != nil { // which pauses
			t.Error(err)
		}
		r.came("parked", "1", "3")
		r.held["3"] <- nil
		<-time.After(time.Hour)
		r.came("parked", "1", "3")
		r.stored()
		r.left(0, 0)
		if err := r.pump.Discard(ids["1"]); !errors.Is(err, outbox.ErrNoRow) {
			t.Errorf("discarded twice: %v", err)
		}
	})
}

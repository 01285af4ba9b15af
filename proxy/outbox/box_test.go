// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

var home = shard.Of(cart)

// drain drains the shard of cart. What it returns checks whether it is drained,
// and says whether rows are left.
func (r *rig) drain() (wantDrained func(want bool) (dirty bool)) {
	done := make(chan bool, 2)
	r.pump.Drain(home, func(dirty bool) { done <- dirty })
	return func(want bool) (dirty bool) {
		r.t.Helper()
		synctest.Wait()
		select {
		case dirty = <-done:
			if !want {
				r.t.Error("shard is drained already")
			}
		default:
			if want {
				r.t.Error("shard is not drained")
			}
		}
		return dirty
	}
}

func TestDrainWaitsForWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.hold("1")
		r.send(cart, "mail", "1")
		r.send(cart, "mail", "2")
		drained := r.drain()
		drained(false)
		r.held["1"] <- nil
		if !drained(true) {
			t.Error("a row is left, and nobody is told")
		}
		r.came("1")
		r.stored("2") // that the first one is done was stored before it was said
		r.send(other, "mail", "3")
		r.came("1", "3")

		r.pump.Resume(home)
		r.came("1", "3", "2")
		if r.drain()(true) {
			t.Error("a row is said to be left that isn't")
		}
		r.pump.Close(home)
	})
}

// TestSeveredTryDoesNotCount has the answer to a try come when the shard is
// another member's: what it says must not be stored.
func TestSeveredTryDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.hold("1")
		first := make(chan entity.Answer, 1)
		r.pump.Send(r.row(cart, "mail", "1"), func(a entity.Answer) { first <- a })
		drained := r.drain()
		drained(false)
		r.pump.Sever(home)
		if !drained(true) {
			t.Error("a row is left, and nobody is told")
		}
		r.pump.Close(home)
		r.held["1"] <- nil
		r.stored("1")
		if a := <-first; a.Err != nil {
			t.Errorf("who waits for the first try gets %v", a.Err)
		}
		if n := r.stats.Rows.Load(); n != 0 {
			t.Errorf("%d rows are counted", n)
		}
	})
}

// TestShardThatComesBack has rows of the member itself from when it owned a shard
// before.
func TestShardThatComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer["1"] = entity.ErrUnavailable
		r.send(cart, "mail", "1")
		r.came("1") // and a pause
		if !r.drain()(true) {
			t.Error("a row is left, and nobody is told")
		}
		r.pump.Close(home)
		waiting := make(chan entity.Answer, 1)
		r.pump.Send(r.row(cart, "mail", "2"), func(a entity.Answer) { waiting <- a })
		if a := <-waiting; !errors.Is(a.Err, entity.ErrUnknownOutcome) {
			t.Errorf("who waits for a row of another's shard gets %v", a.Err)
		}
		<-time.After(time.Minute)
		r.came("1")
		r.mu.Lock()
		clear(r.answer)
		r.mu.Unlock()

		r.pump.Open(home, true)
		r.came("1", "1", "2")
		r.stored()
		r.pump.Drop()
		r.pump.Open(home, false)
		r.row(cart, "mail", "3")
		r.came("1", "1", "2") // what is stored is not looked at
	})
}

// TestDroppedRowsAreForgotten drops everything while rows are tried, pause and
// wait.
func TestDroppedRowsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.hold("1")
		r.answer["3"] = entity.ErrUnavailable
		waiting := make(chan entity.Answer, 1)
		r.send(cart, "mail", "1")
		r.pump.Send(r.row(cart, "mail", "2"), func(a entity.Answer) { waiting <- a })
		r.send(cart, "stock", "3")
		r.came("1", "3")
		r.pump.Drop()
		if a := <-waiting; !errors.Is(a.Err, entity.ErrUnknownOutcome) {
			t.Errorf("who waits gets %v", a.Err)
		}
		r.held["1"] <- nil
		<-time.After(time.Hour)
		r.came("1", "3")
		r.stored("1", "2", "3")
		if n := r.stats.Rows.Load(); n != 0 {
			t.Errorf("%d rows are counted", n)
		}
	})
}

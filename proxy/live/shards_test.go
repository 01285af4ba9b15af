// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kairn-dev/kairn/proxy/cluster/gate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

func shardOf(id string) shard.ID { return shard.Of(entity.Key{Entity: lists.Name, ID: id}) }

// drain drains the shard of an id.
func (r *rig) drain(id string) (done *atomic.Bool) {
	done = new(atomic.Bool)
	r.set.Drain(shardOf(id), func() {
		if done.Swap(true) {
			r.t.Error("a shard is drained twice")
		}
	})
	return done
}

// wantDrained checks whether a shard is drained, once nothing happens any more.
func wantDrained(t *testing.T, done *atomic.Bool, want bool) {
	t.Helper()
	synctest.Wait()
	if got := done.Load(); got != want {
		t.Errorf("shard is drained: %v, want %v", got, want)
	}
}

// rejoin makes the process another member, which owns the shard of an id.
func (r *rig) rejoin(id string) {
	r.t.Helper()
	m, err := r.store.Join(r.t.Context(), 1)
	if err != nil {
		r.t.Fatal(err)
	}
	l := lane.New(slog.New(slog.DiscardHandler), lane.Config{Store: r.store, Member: m, MaxWrites: 64, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
	ctx, end := context.WithCancel(context.WithoutCancel(r.t.Context()))
	before := r.endLane
	r.endLane = func() { before(); end() }
	r.lane.Go(func() {
		if err := l.Run(ctx); err != nil {
			r.t.Errorf("lane: %v", err)
		}
	})
	r.set.Begin([]*lane.Lane{l})
	r.set.Open(shardOf(id))
}

func TestDrainFinishesWhatTheFunctionHas(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		other := r.submit("b", "1")
		b := r.accept()
		b.command(1, "1")
		first, second := r.submit("a", "1"), r.submit("a", "2")
		a := r.accept()
		a.command(1, "1")
		release := r.store.hold()

		done := r.drain("a")
		second.failed(instance.ErrMoved)
		r.submit("a", "3").failed(instance.ErrMoved)
		a.reply(1, "ok", "1")
		first.pending()
		wantDrained(t, done, false)
		release()
		first.replied("ok")
		a.halfClosed()
		wantDrained(t, done, true)
		r.submit("a", "4").failed(instance.ErrMoved)

		b.reply(1, "ok", "1") // of another shard
		other.replied("ok")
		r.ending(b)
	})
}

func TestShardWithoutInstancesIsDrainedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		done := r.drain("a")
		if !done.Load() {
			t.Error("it is waited for nothing")
		}
		r.set.Close(shardOf("a"))
		r.submit("a", "1").failed(instance.ErrMoved)
		r.set.Open(shardOf("a"))
		c := r.submit("a", "2")
		a := r.accept()
		a.command(1, "2")
		a.reply(1, "ok", "2")
		c.replied("ok")
		r.ending(a)
	})
}

func TestResumedShardGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.submit("a", "1")
		a := r.accept()
		a.command(1, "1")
		done := r.drain("a")
		r.submit("a", "2").failed(instance.ErrMoved)
		r.set.Resume(shardOf("a"))
		third := r.submit("a", "3")
		a.reply(1, "ok", "1")
		first.replied("ok")
		a.command(2, "3")
		a.reply(2, "ok", "3")
		third.replied("ok")
		wantDrained(t, done, false)

		a.quiet()
		done = r.drain("a") // nothing is under way, but it is awake
		a.halfClosed()
		wantDrained(t, done, true)
		r.set.Resume(shardOf("a"))
		c := r.submit("a", "4")
		a = r.accept()
		a.events(1, "1", "3")
		a.command(1, "4")
		a.reply(1, "ok", "4")
		c.replied("ok")
		r.ending(a)
	})
}

// TestSeveredShardWaitsForTheStore ends a shard with a write that the store has
// and a command that the function has.
func TestSeveredShardWaitsForTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		release := r.store.hold()
		first, second := r.submit("a", "1"), r.submit("a", "2")
		a := r.accept()
		a.command(1, "1")
		a.reply(1, "ok", "1")
		a.command(2, "2")
		done := r.drain("a")
		wantDrained(t, done, false)
		r.set.Sever(shardOf("a"))
		a.canceled()
		first.failed(entity.ErrUnknownOutcome)
		second.failed(entity.ErrUnknownOutcome)
		wantDrained(t, done, false)
		release()
		wantDrained(t, done, true)
		if got := r.stored("a"); len(got) != 1 {
			t.Errorf("stored is %q", got)
		}
	})
}

// TestDroppedMemberForgetsEverything has the process become another member while
// the store has a write of the one before, and doesn't answer.
func TestDroppedMemberForgetsEverything(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		release := r.store.hold()
		first, second, third := r.submit("a", "1"), r.submit("a", "2"), r.submit("a", "3")
		a := r.accept()
		a.command(1, "1")
		a.reply(1, "ok", "1")
		a.command(2, "2")
		done := r.drain("a")
		third.failed(instance.ErrMoved)
		r.set.Drop()
		a.canceled()
		first.failed(entity.ErrUnknownOutcome)
		second.failed(entity.ErrUnknownOutcome)
		r.submit("a", "4").failed(instance.ErrMoved)
		if n := r.set.Active()[lists.Name]; n != 0 {
			t.Errorf("%d instances are awake", n)
		}

		r.rejoin("a")
		c := r.submit("a", "5")
		a = r.accept()
		a.command(1, "5")
		release() // the late verdict
		synctest.Wait()
		wantDrained(t, done, false)
		r.submit("b", "1").failed(instance.ErrMoved) // its shard was not opened
		a.reply(1, "ok")
		c.replied("ok")
		r.ending(a)
	})
}

// TestWritesStayWithTheirMember drops everything while a write is about to be
// given to the lane.
func TestWritesStayWithTheirMember(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "1")
		a := r.accept()
		a.command(1, "1")
		synctest.Wait()
		carryOn := r.set.Occupy(lists, "a")
		a.reply(1, "ok", "1")
		c.pending()
		r.set.Drop()
		r.rejoin("a")
		carryOn()
		c.failed(entity.ErrUnknownOutcome)
		synctest.Wait()
		if got := r.stored("a"); len(got) != 0 {
			t.Errorf("the next member has stored %q", got)
		}
		r.submit("a", "2").failedWithStream(r)
	})
}

// failedWithStream has the function end the stream that c opens.
func (c *call) failedWithStream(r *rig) {
	c.t.Helper()
	s := r.accept()
	s.command(1, "2")
	s.End(nil)
	c.failedSomehow()
}

// TestNothingOvertakesAfterAResume has two commands come over one stream, one of
// them while the shard is drained: the second must be sent back as well.
func TestNothingOvertakesAfterAResume(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var door gate.Door
		send := func(item string, round int64) *call {
			c := newCall(t, item)
			c.cmd.Admit = func(turn int64) bool { return door.Takes(shardOf("a"), round, turn) }
			r.set.Submit(lists, "a", c.cmd)
			return c
		}
		first := send("1", 1)
		a := r.accept()
		a.command(1, "1")
		bounced := send("2", 1) // waits
		r.drain("a")
		bounced.failed(instance.ErrMoved)
		send("3", 1).failed(instance.ErrMoved)
		r.set.Resume(shardOf("a"))
		send("4", 1).failed(instance.ErrMoved)
		again := send("2", 2)
		a.reply(1, "ok", "1")
		first.replied("ok")
		a.command(2, "2")
		a.reply(2, "ok", "2")
		again.replied("ok")

		r.set.Close(shardOf("a"))
		send("5", 3).failed(instance.ErrMoved) // while it is another's
		r.set.Open(shardOf("a"))
		send("6", 3).failed(instance.ErrMoved)
	})
}

// TestNextMembershipVouchesForNothing has the lease that is asked be one of the
// next membership.
func TestNextMembershipVouchesForNothing(t *testing.T) {
	var r *rig
	var again atomic.Bool
	bubble(t, func(t *testing.T, rig *rig) {
		r = rig
		c := r.submit("a", "read")
		a := r.accept()
		a.command(1, "read")
		again.Store(true)
		a.reply(1, "stale")
		c.failed(instance.ErrLapsed)
		a.canceled()
	}, func(cfg *live.Config) {
		cfg.Alive = func() bool {
			if again.Swap(false) {
				r.set.Drop()
				r.rejoin("a")
			}
			return true
		}
	})
}

// move has the shards of some instances of e drained, and taken again, until it
// is stopped. Reads of its own go on in between.
func (r *rig) move(e *route.Entity, keys int) (stop func()) {
	ctx, end := context.WithCancel(context.WithoutCancel(r.t.Context()))
	var work sync.WaitGroup
	work.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			id := fmt.Sprint("k", n%keys)
			at := shard.Of(entity.Key{Entity: e.Name, ID: id})
			drained := make(chan struct{})
			r.set.Drain(at, func() { close(drained) })
			if n%3 == 0 {
				r.set.Resume(at)
			} else {
				<-drained
				r.set.Close(at)
				r.set.Open(at)
			}
			for range 10 {
				<-r.submitTo(e, id, "", func(c *entity.Call) { c.Command = "Read" }).out
			}
		}
	})
	return func() { end(); work.Wait() }
}

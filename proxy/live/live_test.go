// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
)

// bubble runs a test on a rig in a bubble. At its end nothing may be left: the
// bubble fails on a goroutine, and on a timer that never fires.
func bubble(t *testing.T, f func(*testing.T, *rig), options ...func(*live.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, options...)
		f(t, r)
		r.close()
	})
}

// ending lets the function end every stream in order from now on, so that the
// rig can be closed.
func (r *rig) ending(parts ...part) {
	for _, p := range parts {
		go func() {
			for {
				if _, err := p.NextBytes(); err != nil {
					p.End(nil)
					return
				}
			}
		}()
	}
}

func TestCommandActivatesItsInstance(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "x")
		s := r.acceptSilently()
		if s.Method != eventsourced.Method {
			t.Errorf("method %s", s.Method)
		}
		init := s.next().GetInit()
		if init.GetServiceName() != lists.Service || init.GetEntityId() != "a" || init.Snapshot != nil {
			t.Errorf("init %v", init)
		}
		cmd := s.command(1, "x")
		if cmd.GetEntityId() != "a" || cmd.GetName() != "Append" || cmd.GetStreamed() || cmd.Metadata != nil {
			t.Errorf("command %v", cmd)
		}
		c.pending()
		s.reply(1, "x", "x")
		c.replied("x")
		if got := r.stored("a"); !slices.Equal(got, []string{"x"}) {
			t.Errorf("stored %q", got)
		}
		r.ending(s)
	})
}

func TestInstanceIsBroughtUpFromSnapshotAndEvents(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", &entity.Snapshot{Seq: 2, Payload: event(2, "1,2").Payload},
			event(1, "1"), event(2, "2"), event(3, "3"), event(4, "4"))
		c := r.submit("a", "5")
		s := r.acceptSilently()
		snapshot := s.next().GetInit().GetSnapshot()
		if snapshot.GetSnapshotSequence() != 2 || string(snapshot.GetSnapshot().GetValue()) != "1,2" {
			t.Errorf("snapshot %v", snapshot)
		}
		s.events(3, "3", "4")
		s.command(1, "5")
		s.reply(1, "ok", "5")
		c.replied("ok")
		if got := r.stored("a"); !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) {
			t.Errorf("stored %q", got)
		}
		r.ending(s)
	})
}

func TestSnapshotIsStoredWithTheEvents(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		list := &livetest.List{Snapshots: 2}
		r.fn.Opened = func(s *livetest.Stream) { go func() { _ = list.Serve(s) }() }
		for i := range 5 {
			<-r.submit("a", strconv.Itoa(i)).out
		}
		snapshot, err := r.store.Store.Snapshot(t.Context(), entity.Key{Entity: lists.Name, ID: "a"})
		if err != nil || snapshot.Seq != 4 || string(snapshot.Value) != "0,1,2,3" {
			t.Errorf("snapshot %d %s, error %v", snapshot.Seq, snapshot.Value, err)
		}
	})
}

func TestFunctionHasOneCommandAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		calls := []*call{r.submit("a", "1"), r.submit("a", "2"), r.submit("a", "3")}
		s := r.accept()
		for i, c := range calls {
			s.command(int64(i+1), strconv.Itoa(i+1))
			s.quiet()
			s.reply(int64(i+1), "ok")
			c.replied("ok")
		}
		r.ending(s)
	})
}

func TestInstancesDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, b := r.submit("a", "1"), r.submit("b", "2")
		sa, sb := r.accept(), r.accept()
		if sa.id != "a" {
			sa, sb = sb, sa
		}
		sa.command(1, "1")
		sb.command(1, "2")
		sb.reply(1, "two", "2")
		b.replied("two")
		a.pending()
		sa.reply(1, "one", "1")
		a.replied("one")
		r.ending(sa, sb)
	})
}

func TestNextCommandGoesToTheFunctionWhileTheWriteIsPending(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		release := r.store.hold()
		one, two, three := r.submit("a", "1"), r.submit("a", "2"), r.submit("a", "3")
		s := r.accept()
		s.command(1, "1")
		s.reply(1, "one", "1")
		s.command(2, "2")
		s.reply(2, "two") // writes nothing, yet has seen what is not durable
		s.command(3, "3")
		s.reply(3, "three", "3")
		for _, c := range []*call{one, two, three} {
			c.pending()
		}
		release()
		one.replied("one")
		two.replied("two")
		three.replied("three")
		r.ending(s)
	})
}

func TestUndecidedCommandsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		release := r.store.hold()
		calls := []*call{r.submit("a", "1"), r.submit("a", "2"), r.submit("a", "3")}
		s := r.accept()
		s.command(1, "1")
		s.reply(1, "ok", "1")
		s.command(2, "2")
		s.reply(2, "ok", "2")
		s.quiet()
		release()
		s.command(3, "3")
		s.reply(3, "ok", "3")
		for _, c := range calls {
			c.replied("ok")
		}
		r.ending(s)
	}, func(cfg *live.Config) { cfg.Limits.Undecided = 2 })
}

func TestOutcomesComeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var order []string
		for i := range 50 {
			c := newCall(t, strconv.Itoa(i))
			done := c.cmd.Done
			c.cmd.Done = func(o entity.Outcome) {
				order = append(order, fmt.Sprintf("%s=%s", c.cmd.Call.Payload, o.Reply.Value))
				done(o)
			}
			r.set.Submit(lists, "a", c.cmd)
		}
		s := r.accept()
		var want []string
		for i := range 50 {
			text := strconv.Itoa(i)
			want = append(want, text+"="+text)
			s.command(int64(i+1), text)
			if i%3 == 0 {
				s.reply(int64(i+1), text, "event")
			} else {
				s.reply(int64(i+1), text)
			}
		}
		synctest.Wait()
		if !slices.Equal(order, want) {
			t.Errorf("outcomes came as %v", order)
		}
		r.ending(s)
	})
}

func TestFullMailboxRefusesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		with := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		waiting := []*call{r.submit("a", "2"), r.submit("a", "3")}
		r.submit("a", "4").failed(entity.ErrOverloaded)
		s.reply(1, "ok")
		with.replied("ok")
		for i, c := range waiting {
			s.command(int64(i+2), strconv.Itoa(i+2))
			s.reply(int64(i+2), "ok")
			c.replied("ok")
		}
		r.ending(s)
	}, func(cfg *live.Config) { cfg.Limits.Mailbox = 2 })
}

func TestRefusedCommandHasNoEffect(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		s.send(livetest.Refusal(1, "not today", false))
		refusal := new(entity.Refusal)
		if o := <-c.out; !errors.As(o.Err, &refusal) || refusal.Description != "not today" {
			t.Errorf("outcome %+v", o)
		}
		next := r.submit("a", "2") // on the same stream
		s.command(2, "2")
		s.reply(2, "ok")
		next.replied("ok")
		if got := r.stored("a"); len(got) > 0 {
			t.Errorf("stored %q", got)
		}
		r.ending(s)
	})
}

func TestRestartOpensANewStreamAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"))
		c := r.submit("a", "2")
		s := r.accept()
		s.events(1, "1")
		s.command(1, "2")
		s.send(livetest.Refusal(1, "again", true))
		if o := <-c.out; o.Err == nil || o.Err.Error() != "again" {
			t.Errorf("outcome %+v", o)
		}
		s.halfClosed()
		s = r.accept() // though no command waits
		s.events(1, "1")
		s.quiet()
		c = r.submit("a", "3")
		s.command(1, "3")
		s.reply(1, "ok")
		c.replied("ok")
		r.ending(s)
	})
}

func TestRestartKeepsTheOrderOfWaitingCommands(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		waiting := []*call{r.submit("a", "2"), r.submit("a", "3"), r.submit("a", "4")}
		s.send(livetest.Refusal(1, "again", true))
		<-first.out
		s.halfClosed()
		s = r.accept()
		for i, c := range waiting {
			s.command(int64(i+1), strconv.Itoa(i+2))
			s.reply(int64(i+1), "ok")
			c.replied("ok")
		}
		r.ending(s)
	})
}

func TestExpiredCommandsNeverReachTheFunction(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		gone := make(chan struct{})
		first := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		late := r.submit("a", "2", func(c *entity.Call) { c.Deadline = time.Now().Add(time.Second) })
		left := r.submit("a", "3", func(c *entity.Call) { c.Done = gone })
		last := r.submit("a", "4")
		<-time.After(time.Second)
		close(gone)
		s.reply(1, "ok")
		first.replied("ok")
		late.failed(entity.ErrDeadline)
		left.failed(entity.ErrCanceled)
		s.command(2, "4")
		s.reply(2, "ok")
		last.replied("ok")
		r.ending(s)
	})
}

func TestActiveCountsInstances(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fn.Opened = func(s *livetest.Stream) { go func() { _ = new(livetest.List).Serve(s) }() }
		other := &route.Entity{Service: "test.Others", Type: route.EventSourced, Name: "test.Others/others"}
		for i := range 10 {
			<-r.submit(strconv.Itoa(i), "x").out
		}
		c := newCall(t, "x")
		r.set.Submit(other, "1", c.cmd)
		c.replied("x")
		if a := r.set.Active(); a[lists.Name] != 10 || a[other.Name] != 1 || len(a) != 2 {
			t.Errorf("active %v", a)
		}
		n := r.set.Stats()[lists.Name]
		if n.Activated.Load() != 10 || n.Completed.Load() != 10 || n.PersistedEvents.Count.Load() != 10 {
			t.Errorf("activated %d, completed %d, events %d", n.Activated.Load(), n.Completed.Load(), n.PersistedEvents.Count.Load())
		}
	})
}

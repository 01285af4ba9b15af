// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

func TestStateStaysAfterPassivation(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		id := s.command("Add")
		c.pending()
		s.send(reply(id, "1", update(count(1))))
		c.replied("1")
		s.halfClosed() // the clock of the bubble goes on: it is idle

		c = r.submit("a", "Add")
		s = r.accept("a", count(1))
		s.send(reply(s.command("Add"), "3", update(count(2))))
		c.replied("3")
		s.halfClosed()
		if n := r.set.Stats()[counters.Name].Passivated.Load(); n != 2 {
			t.Errorf("passivated %d times", n)
		}
	})
}

func TestFunctionThatNeverEndsItsStream(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		s.send(reply(s.command("Add"), "1", nil))
		c.replied("1")
		<-s.half
		<-s.canceled
	})
}

func TestRepliesInAnyOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		one, two, three := r.submit("a", "One"), r.submit("a", "Two"), r.submit("a", "Three")
		s := r.accept("a", nil)
		i, ii, iii := s.command("One"), s.command("Two"), s.command("Three")
		if i != 1 || ii != 2 || iii != 3 {
			t.Errorf("ids %d, %d, %d", i, ii, iii)
		}
		s.send(reply(iii, "3", update(count(1))))
		three.replied("3")
		s.send(reply(i, "1", update(count(1))))
		one.replied("1")
		two.pending()
		s.send(reply(ii, "2", nil))
		two.replied("2")
		s.halfClosed()
	})
}

func TestChangesAreHeldBackWhileCommandsAreOutstanding(t *testing.T) {
	bubble(t, func(r *rig) {
		o := newOther()
		one, two := r.submit("a", "One"), r.submit("a", "Two")
		s := r.accept("a", nil)
		s.command("One")
		s.command("Two")
		r.set.Merge(key("a"), o.apply(t, count(10)))
		r.set.Merge(key("a"), o.apply(t, count(10)))
		s.quiet()
		s.send(reply(2, "2", update(count(1))))
		two.replied("2")
		s.quiet()
		s.send(reply(1, "1", update(count(1))))
		one.replied("1")
		s.expect(delta(count(20)))
		r.set.Merge(key("a"), o.apply(t, count(5)))
		s.expect(delta(count(5))) // at once
		s.halfClosed()
		r.set.Merge(key("a"), o.apply(t, count(3))) // nobody is awake

		c := r.submit("a", "Get")
		s = r.accept("a", count(30))
		s.send(reply(s.command("Get"), "30", nil))
		c.replied("30")
		s.halfClosed()
	})
}

func TestDeletedInstancesCanBeCreatedAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.monitor("a", 10)
		s := r.accept("a", nil)
		s.send(streamedReply(s.command("Monitor"), text("0")))
		f.next("0")
		c, left := r.submit("a", "Add"), r.submit("a", "Left")
		s.send(reply(s.command("Add"), "1", update(count(1))))
		c.replied("1")
		s.command("Left")
		c = r.submit("a", "Delete")
		s.send(reply(s.command("Delete"), "gone", remove()))
		c.replied("gone")
		left.failed(entity.ErrUnavailable)
		f.ended(entity.ErrUnavailable)
		s.halfClosed()

		c = r.submit("a", "On")
		s = r.accept("a", nil)
		s.send(reply(s.command("On"), "on", update(flag(true))))
		c.replied("on")
		s.halfClosed()
	})
}

func TestDeletedElsewhere(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		s.command("Add")
		o := newOther()
		r.set.Merge(key("a"), o.apply(t, count(1)))
		s.send(reply(1, "1", nil))
		c.replied("1")
		s.expect(delta(count(1)))
		c = r.submit("a", "Add")
		s.command("Add")
		o.data.Delete()
		r.set.Merge(key("a"), &o.data)
		s.quiet()
		s.send(reply(2, "2", update(count(1))))
		c.failed(entity.ErrUnavailable) // there is nothing that it could be added to
		if m := s.next(); m.GetDelete() == nil {
			t.Errorf("got %v", m)
		}
		s.halfClosed()
	})
}

func TestFunctionIsAway(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fn.leave(entity.ErrUnavailable)
		r.submit("a", "Add").failed(entity.ErrUnavailable)
		r.monitor("a", 1).ended(entity.ErrUnavailable)
		r.fn.leave(nil)
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		s.send(reply(s.command("Add"), "1", nil))
		c.replied("1")
		s.halfClosed()
	})
}

// TestMembersChange checks that the holders of votes are told at once.
func TestMembersChange(t *testing.T) {
	vote := func(on bool, votes, voters int32) *cloudstate.CrdtDelta {
		return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Vote{
			Vote: &cloudstate.VoteDelta{SelfVote: on, VotesFor: votes, TotalVoters: voters},
		}}
	}
	bubble(t, func(r *rig) {
		c := r.submit("a", "Vote")
		s := r.accept("a", nil)
		s.send(reply(s.command("Vote"), "x", update(vote(true, 0, 0))))
		c.replied("x")
		r.set.SetMembers(crdt.NewMembers("self", "other"))
		s.expect(delta(vote(true, 1, 2)))
		s.halfClosed()
		c = r.submit("a", "Get")
		s = r.accept("a", vote(true, 1, 2))
		s.send(reply(s.command("Get"), "x", nil))
		c.replied("x")
		s.halfClosed()
	})
}

// TestKeysOfEntitiesDontMeet checks that entities may have instances of one id.
func TestKeysOfEntitiesDontMeet(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		s.send(reply(s.command("Add"), "x", update(count(1))))
		c.replied("x")
		s.halfClosed()
		second := *counters
		second.Name, second.Passivation = "test.Second/counters", time.Second
		r.set.Submit(&second, "a", &instance.Command{Arrived: time.Now(), Done: func(entity.Outcome) {}})
		s = r.accept("a", nil)
		s.send(reply(s.command(""), "x", nil))
		begin := time.Now()
		s.halfClosed()
		if d := time.Since(begin); d != time.Second {
			t.Errorf("passivated after %v", d)
		}
	})
}

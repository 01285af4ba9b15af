// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/replica"
)

// open opens a streamed call, whose first message is "0".
func (r *rig) open(id string, room int) (*following, side) {
	r.t.Helper()
	f := r.monitor(id, room)
	s := r.accept(id, nil)
	m := s.next()
	if !m.GetCommand().GetStreamed() {
		r.t.Errorf("command is not streamed: %v", m)
	}
	s.send(streamedReply(m.GetCommand().GetId(), text("0")))
	f.next("0")
	return f, s
}

func TestStreamedCallKeepsTheInstanceAwake(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		<-time.After(10 * idle)
		s.send(message(1, text("1"), false))
		f.next("1")
		s.send(message(1, text("2"), true))
		f.next("2")
		f.ended(nil)
		s.halfClosed()
	})
}

// TestMessagesBeforeAndAfterTheReply checks both orders that libraries have.
func TestMessagesBeforeAndAfterTheReply(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		c := r.submit("a", "Add")
		id := s.command("Add")
		s.send(message(1, text("1"), false))
		s.send(reply(id, "1", update(count(1))))
		f.next("1")
		c.replied("1")
		c = r.submit("a", "Add")
		s.send(reply(s.command("Add"), "2", update(count(1))))
		s.send(message(1, text("2"), false))
		f.next("2")
		c.replied("2")

		own := r.monitor("a", 10)
		id = s.command("Monitor")
		s.send(message(id, text("second"), false))
		s.send(message(id, text("third"), true))
		own.quiet()
		s.send(streamedReply(id, text("first")))
		own.next("first")
		own.next("second")
		own.next("third")
		own.ended(nil)
		f.cancel()
		f.ended(entity.ErrCanceled)
		s.expect(cancel("a", 1))
		s.send(cancelled(1, nil))
		s.halfClosed()
	})
}

func TestReplyThatIsNotStreamedEndsTheCall(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.monitor("a", 10)
		s := r.accept("a", nil)
		s.send(reply(s.command("Monitor"), "only", nil))
		f.next("only")
		f.ended(nil)
		s.halfClosed()
	})
}

func TestEmptyReplyGivesTheClientNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.monitor("a", 10)
		s := r.accept("a", nil)
		s.send(streamedReply(s.command("Monitor"), nil))
		f.quiet()
		s.send(message(1, nil, false))
		f.quiet()
		s.send(message(1, text("1"), true))
		f.next("1")
		f.ended(nil)
		s.halfClosed()
	})
}

func TestCancellationIsOutstandingUntilItIsAnswered(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		f.cancel()
		f.ended(entity.ErrCanceled)
		s.expect(cancel("a", 1))
		o := newOther()
		r.set.Merge(key("a"), o.apply(t, count(5)))
		s.quiet()
		s.send(cancelled(1, update(count(1)), effects("One", "Two")...))
		s.expect(delta(count(5)))
		f.effects("One", "Two")
		s.halfClosed()
		c := r.submit("a", "Get")
		s = r.accept("a", count(6))
		s.send(reply(s.command("Get"), "6", nil))
		c.replied("6")
		s.halfClosed()
	})
}

func TestCancellationThatIsNeverAnswered(t *testing.T) {
	bubble(t, func(r *rig) {
		var ids []int64
		first, s := r.open("a", 10)
		first.cancel()
		s.expect(cancel("a", 1))
		for range 6 { // more than may linger
			f := r.monitor("a", 1)
			id := s.command("Monitor")
			s.send(streamedReply(id, nil))
			synctest.Wait()
			f.cancel()
			f.ended(entity.ErrCanceled)
			s.expect(cancel("a", id))
			ids = append(ids, id)
		}
		o := newOther()
		r.set.Merge(key("a"), o.apply(t, count(5)))
		s.expect(delta(count(5))) // after a while
		for _, id := range ids {  // late, yet they count
			s.send(cancelled(id, update(count(1)), effects("Late")...))
		}
		s.halfClosed()
		c := r.submit("a", "Get")
		s = r.accept("a", count(11))
		s.send(reply(s.command("Get"), "11", nil))
		c.replied("11")
		if n := r.reports(); n == 0 {
			t.Error("function is not told that it was late")
		}
		s.halfClosed()
	})
}

func TestCancellationBeforeTheFirstReply(t *testing.T) {
	bubble(t, func(r *rig) {
		f := r.monitor("a", 10)
		s := r.accept("a", nil)
		id := s.command("Monitor")
		f.cancel()
		f.ended(entity.ErrCanceled)
		s.quiet()
		m := streamedReply(id, text("0"))
		m.GetReply().SideEffects = effects("First")
		s.send(m)
		f.effects("First")
		s.expect(cancel("a", id))
		s.send(cancelled(id, nil))
		s.halfClosed()
	})
}

func TestRefusalInAStreamEndsIt(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		s.send(message(1, refusal("enough"), false))
		if o := <-f.got; o.Err == nil || o.Err.Error() != "enough" {
			t.Errorf("got %+v", o)
		}
		if err := <-f.end; err.Error() != "enough" {
			t.Errorf("ended with %v", err)
		}
		s.expect(cancel("a", 1))
		s.send(message(1, text("crossed"), true))
		s.halfClosed()
	})
}

// TestSlowClients checks that one slow client holds up the function, and for
// how long.
func TestSlowClients(t *testing.T) {
	bubble(t, func(r *rig) {
		slow, s := r.open("a", 0)
		for range 20 {
			s.send(message(1, text("x"), false))
		}
		c := r.submit("a", "Add")
		s.send(reply(s.command("Add"), "1", nil))
		c.pending()
		if len(s.stream.out) == 0 {
			t.Error("everything was read")
		}
		for range 20 {
			slow.next("x")
		}
		c.replied("1")

		for range 20 {
			s.send(message(1, text("x"), false))
		}
		c = r.submit("a", "Add")
		s.send(reply(s.command("Add"), "2", nil))
		begin := time.Now()
		c.replied("2")
		if d := time.Since(begin); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("others wait for %v", d)
		}
		s.expect(cancel("a", 1))
		slow.next("x") // it had this one
		if o := <-slow.got; !errors.Is(o.Err, entity.ErrOverloaded) {
			t.Errorf("got %+v", o)
		}
		slow.ended(entity.ErrOverloaded)
		s.send(cancelled(1, nil))
		s.halfClosed()
	})
}

func TestStopEndsStreamedCalls(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		c := r.submit("a", "Add")
		s.command("Add")
		stopped := make(chan error)
		go func() { stopped <- r.set.Stop(context.WithoutCancel(t.Context())) }()
		f.ended(entity.ErrUnavailable)
		s.expect(cancel("a", 1))
		s.send(cancelled(1, update(count(1))))
		c.pending()
		s.send(reply(2, "2", update(count(1))))
		c.replied("2")
		s.halfClosed()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		r.submit("a", "Add").failed(entity.ErrUnavailable)
		r.monitor("a", 1).ended(entity.ErrUnavailable)
	})
}

func TestTooManyStreamedCalls(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 1)
		r.monitor("a", 1).ended(entity.ErrOverloaded)
		s.send(message(1, nil, true))
		f.ended(nil)
		s.halfClosed()
	}, func(cfg *replica.Config) { cfg.Limits.Streams = 1 })
}

func TestWriteConsistency(t *testing.T) {
	rep := &replicator{}
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		c := r.submit("a", "Add")
		s.command("Add")
		m := reply(2, "1", update(count(1)))
		m.GetReply().StateAction.WriteConsistency = cloudstate.CrdtWriteConsistency_CRDT_WRITE_CONSISTENCY_ALL
		s.send(m)
		c.pending()
		rep.answer(nil)
		c.replied("1")

		c = r.submit("a", "Add")
		s.command("Add")
		s.send(reply(3, "2", update(count(1))))
		c.pending()
		rep.answer(entity.ErrUnknownOutcome)
		c.failed(entity.ErrUnknownOutcome)
		s.send(message(1, nil, true))
		f.ended(nil)
		s.halfClosed()
		c = r.submit("a", "Get")
		s = r.accept("a", count(2)) // the change stays
		s.send(reply(s.command("Get"), "2", nil))
		c.replied("2")
		s.halfClosed()
	}, func(cfg *replica.Config) { cfg.Replicator = rep })
}

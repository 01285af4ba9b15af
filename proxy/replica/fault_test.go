// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/replica"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
)

// A replicator keeps changes until the test answers them.
type replicator struct {
	mu   sync.Mutex // protects done
	done []func(error)
}

func (r *replicator) Write(_ entity.Key, _ *crdt.Data, _ exchange.Consistency, done func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, done)
}

func (r *replicator) answer(err error) {
	r.mu.Lock()
	done := r.done
	r.done = nil
	r.mu.Unlock()
	for _, f := range done {
		f(err)
	}
}

// TestWhatTheFunctionMayDoWrong checks that its client is told, that a streamed
// call is, and that the next command finds everything in order.
func TestWhatTheFunctionMayDoWrong(t *testing.T) {
	malformed := func(s side) { s.stream.out <- []byte{0x0a, 0x7f} }
	for name, wrong := range map[string]func(s side, id int64){
		"id that was never given":     func(s side, id int64) { s.send(reply(id+1, "x", nil)) },
		"id zero":                     func(s side, _ int64) { s.send(reply(0, "x", nil)) },
		"a change for an old command": func(s side, id int64) { s.send(reply(id-1, "x", update(count(1)))) },
		"an empty message":            func(s side, _ int64) { s.send(&out{}) },
		"a malformed message":         func(s side, _ int64) { malformed(s); s.end(entity.ErrProtocol) },
		"an empty delta":              func(s side, id int64) { s.send(reply(id, "x", update(&cloudstate.CrdtDelta{}))) },
		"a delta of another type":     func(s side, id int64) { s.send(reply(id, "x", update(flag(true)))) },
		"an unknown consistency": func(s side, id int64) {
			m := reply(id, "x", update(count(1)))
			m.GetReply().StateAction.WriteConsistency = 9
			s.send(m)
		},
		"a streamed reply to one who wants one": func(s side, id int64) { s.send(streamedReply(id, text("x"))) },
		"a response to no cancellation":         func(s side, id int64) { s.send(cancelled(id, update(count(1)))) },
		"the end in order":                      func(s side, _ int64) { s.end(io.EOF) },
		"the end otherwise":                     func(s side, _ int64) { s.end(entity.ErrProtocol) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				f, s := r.open("a", 10)
				c := r.submit("a", "Add")
				s.send(reply(s.command("Add"), "1", update(count(1))))
				c.replied("1")
				c = r.submit("a", "Add")
				wrong(s, s.command("Add"))
				c.failed(entity.ErrProtocol)
				f.ended(entity.ErrProtocol)
				<-s.canceled
				if r.reports() != 1 {
					t.Error("function is not told, or more than once")
				}
				c = r.submit("a", "Add")
				s = r.accept("a", count(1))
				s.send(reply(s.command("Add"), "2", update(count(1))))
				c.replied("2")
				s.halfClosed()
			})
		})
	}
}

// TestWhatIsOnlyReported checks what does no harm.
func TestWhatIsOnlyReported(t *testing.T) {
	for name, wrong := range map[string]*out{
		"a message for no call":            message(77, text("x"), false),
		"a message for a call that is one": message(2, text("x"), false),
		"a second reply":                   reply(1, "x", nil),
		"failure of no call":               failure(77, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				f, s := r.open("a", 10)
				c := r.submit("a", "Add")
				id := s.command("Add")
				s.send(wrong)
				f.quiet()
				if r.reports() != 1 {
					t.Error("function is not told, or more than once")
				}
				s.send(reply(id, "1", nil))
				c.replied("1")
				s.send(message(1, text("1"), true))
				f.next("1")
				f.ended(nil)
				s.halfClosed()
			})
		})
	}
}

func TestFailures(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		c, d := r.submit("a", "Add"), r.submit("a", "Add")
		s.send(failure(s.command("Add"), "of one"))
		if err := (<-c.out).Err; err == nil || err.Error() != "of one" {
			t.Errorf("error %v", err)
		}
		d.pending()
		m := reply(s.command("Add"), "", nil)
		m.GetReply().ClientAction = refusal("of the command")
		s.send(m)
		if err := (<-d.out).Err; err == nil || err.Error() != "of the command" {
			t.Errorf("error %v", err)
		}
		c = r.submit("a", "Add")
		s.command("Add")
		s.send(failure(0, "of all"))
		if err := (<-c.out).Err; err == nil || err.Error() != "of all" {
			t.Errorf("error %v", err)
		}
		if err := <-f.end; err == nil || err.Error() != "of all" {
			t.Errorf("error %v", err)
		}
		<-s.canceled
		if r.reports() != 0 {
			t.Error("function is told what it said itself")
		}
	})
}

func TestStreamThatEndedWhileIdle(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		s.send(reply(s.command("Add"), "1", update(count(1))))
		c.replied("1")
		synctest.Wait()
		s.end(io.EOF)
		c, d := r.submit("a", "Add"), r.submit("a", "Add")
		s = r.accept("a", count(1))
		s.command("Add")
		s.command("Add")
		s.send(reply(2, "3", update(count(1))))
		s.send(reply(1, "2", update(count(1))))
		c.replied("2")
		d.replied("3")
		if r.reports() != 0 {
			t.Error("that is its good right")
		}
		s.halfClosed()
	})
}

// TestStreamThatEndsWhileACommandIsSent checks that what the function surely
// never got runs on the next stream, and that the clients of the rest are told.
func TestStreamThatEndsWhileACommandIsSent(t *testing.T) {
	bubble(t, func(r *rig) {
		var calls []*call
		for range window + 5 {
			calls = append(calls, r.submit("a", "Add"))
		}
		synctest.Wait()
		s := side{<-r.fn.streams, t}
		s.end(io.EOF)
		got := window - 1 // besides the first message
		for _, c := range calls[:got] {
			c.failed(entity.ErrProtocol)
		}
		s = r.accept("a", nil)
		for _, c := range calls[got:] {
			s.send(reply(s.command("Add"), "x", nil))
			c.replied("x")
		}
		s.halfClosed()
	})
}

func TestFunctionThatEndsItsStreamsAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.fn.ends = true
		r.submit("a", "Add").failed(entity.ErrUnavailable)
		if n := len(r.fn.streams); n != limits().Sends {
			t.Errorf("%d tries", n)
		}
	})
}

func TestFunctionThatHangs(t *testing.T) {
	bubble(t, func(r *rig) {
		f, s := r.open("a", 10)
		c, d := r.submit("a", "Add"), r.submit("a", "Add")
		s.command("Add")
		s.send(reply(s.command("Add"), "2", update(count(1))))
		d.replied("2")
		err := c.failure(entity.ErrDeadline)
		if !strings.Contains(err.Error(), "1m") {
			t.Error(err)
		}
		f.ended(entity.ErrDeadline)
		<-s.canceled
		c = r.submit("a", "Get")
		s = r.accept("a", count(1))
		s.send(reply(s.command("Get"), "1", nil))
		c.replied("1")
		s.halfClosed()
	})
}

// TestFunctionThatReadsNothing checks that callers come back, and that what
// waits is bounded.
func TestFunctionThatReadsNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		calls := []*call{r.submit("a", "Add")}
		synctest.Wait() // there is a stream
		begin := time.Now()
		for range 200 {
			calls = append(calls, r.submit("a", "Add"))
			synctest.Wait()
		}
		if d := time.Since(begin); d > 0 {
			t.Errorf("callers were kept for %v", d)
		}
		refused := 0
		for _, c := range calls {
			if o := <-c.out; errors.Is(o.Err, entity.ErrOverloaded) {
				refused++
			} else if o.Err == nil {
				t.Error("a reply")
			}
		}
		if refused < 60 || refused > 100 {
			t.Errorf("%d were refused", refused)
		}
		for len(r.fn.streams) > 0 {
			<-(<-r.fn.streams).canceled
		}
	}, func(cfg *replica.Config) { cfg.Limits.Waiting = 80 })
}

// TestChangesAreHeardInTheEnd checks that commands that never cease don't keep
// the function from hearing of others.
func TestChangesAreHeardInTheEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		c := r.submit("a", "Add")
		s := r.accept("a", nil)
		id := s.command("Add")
		o := newOther()
		r.set.Merge(key("a"), o.apply(t, count(5)))
		for range 20 {
			next := r.submit("a", "Add")
			if <-time.After(100 * time.Millisecond); len(s.in) == 0 {
				s.send(reply(id, "", nil)) // held back for a second
				c.replied("")
				s.expect(delta(count(5)))
				s.send(reply(s.command("Add"), "", nil))
				next.replied("")
				s.halfClosed()
				return
			}
			s.send(reply(id, "", nil))
			c.replied("")
			c, id = next, s.command("Add")
		}
		t.Error("it never heard")
	})
}

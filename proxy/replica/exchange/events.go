// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// Cancel says that the client of the streamed call c has gone, and why.
func (m *Machine) Cancel(c *Call, err error, now time.Time) {
	if c.canceled != nil || c.phase == finished {
		c.drop()
		m.deliver(c)
		return
	}
	switch c.phase {
	case waiting:
		m.line = slices.DeleteFunc(m.line, func(l *Call) bool { return l == c })
		m.finish(c, err, now)
	case sent:
		c.canceled = err // the function is told after its reply
	case streaming:
		c.drop()
		m.cancel(c, err, now)
	}
	m.advance(now)
}

// cancel tells the function that an open call is over.
func (m *Machine) cancel(c *Call, err error, now time.Time) {
	m.unhold(c)
	c.phase, c.since, c.canceled = canceling, now, err
	m.outstanding++
	m.wake(now.Add(m.Limits.Cancel))
	m.send(&Cancel{Instance: m.ID, ID: c.ID})
}

// cut ends an open call because the proxy stops.
func (m *Machine) cut(c *Call, now time.Time) {
	m.put(c, entity.Outcome{Err: instance.ErrStopping}, false, now)
	m.cancel(c, instance.ErrStopping, now)
}

// stall ends a call whose client holds up the others.
func (m *Machine) stall(c *Call, now time.Time) {
	c.drop()
	m.cancel(c, errStall, now)
	m.put(c, entity.Outcome{Err: errStall}, false, now)
}

// stopWaiting lets deltas flow again though the function has not answered a
// cancellation.
func (m *Machine) stopWaiting(c *Call, now time.Time) {
	m.outstanding--
	c.phase = lingering
	m.linger = append(m.linger, c)
	if len(m.linger) > m.Limits.Lingering {
		oldest := m.linger[0]
		m.linger = slices.Delete(m.linger, 0, 1)
		m.finish(oldest, oldest.canceled, now)
	}
}

// Merge brings in what another member holds, or a part of that.
func (m *Machine) Merge(part *crdt.Data, now time.Time) {
	if m.data.Merge(part) {
		m.changed(now)
	}
}

// SetMembers says whose votes count from now on.
func (m *Machine) SetMembers(members *crdt.Members, now time.Time) {
	m.Members = members
	m.changed(now)
}

func (m *Machine) changed(now time.Time) {
	if m.state == open && m.outstanding > 0 && m.moved.IsZero() {
		m.moved = now
	}
	m.advance(now)
}

// Stop makes the instance take no more commands. It is passivated when it has
// finished those it has; streamed calls are ended.
func (m *Machine) Stop(now time.Time) {
	m.stopped = true
	for _, c := range m.sorted() {
		if c.phase == streaming {
			m.cut(c, now)
		}
	}
	for _, c := range slices.Clone(m.line) {
		if c.Streamed {
			m.Cancel(c, instance.ErrStopping, now)
		}
	}
	m.advance(now)
}

// sorted returns the calls that the function knows, in order.
func (m *Machine) sorted() []*Call {
	list := make([]*Call, 0, len(m.calls))
	for _, id := range slices.Sorted(maps.Keys(m.calls)) {
		list = append(list, m.calls[id])
	}
	return list
}

// Passivate gives the stream up if nothing is under way, and returns whether
// that was so.
func (m *Machine) Passivate(now time.Time) bool {
	if !m.unused() {
		return false
	}
	m.close(errClosed, now)
	return true
}

// unused reports whether there is a stream and nothing else. Calls whose
// cancellation was never answered count for nothing.
func (m *Machine) unused() bool {
	return m.state == open && len(m.line) == 0 && m.outstanding == 0 && m.streams == len(m.linger) && m.writing == 0
}

// Tick says that time has passed. It returns whether the instance has been
// passivated.
func (m *Machine) Tick(now time.Time) bool {
	m.due = time.Time{}
	if m.state == opening {
		if now.Sub(m.began) >= m.Limits.Answer {
			m.OpenFailed(fmt.Errorf("user function has not taken a stream for %v: %w", m.Limits.Answer, entity.ErrDeadline), now)
			return false
		}
		m.wake(m.began.Add(m.Limits.Answer))
	}
	if m.state != open {
		return false
	}
	for _, c := range m.sorted() {
		m.tickCall(c, now)
		if m.state != open {
			return false
		}
	}
	m.advance(now)
	return m.unused() && now.Sub(m.used) >= m.Idle && m.Passivate(now)
}

// tickCall ends waits that have lasted too long, and says when to look again.
func (m *Machine) tickCall(c *Call, now time.Time) {
	switch {
	case c.phase == sent && now.Sub(c.Sent) >= m.Limits.Answer:
		m.brokenBy(c, fmt.Errorf("user function has not answered for %v: %w", m.Limits.Answer, entity.ErrDeadline), now)
	case c.phase == sent:
		m.wake(c.Sent.Add(m.Limits.Answer))
	case c.phase == canceling && now.Sub(c.since) >= m.Limits.Cancel:
		m.stopWaiting(c, now)
	case c.phase == canceling:
		m.wake(c.since.Add(m.Limits.Cancel))
	case c.holding && now.Sub(c.held) >= m.Limits.Stall:
		m.stall(c, now)
	case c.holding:
		m.wake(c.held.Add(m.Limits.Stall))
	}
}

// wake asks for a Tick at t, or earlier.
func (m *Machine) wake(t time.Time) { m.due = earlier(m.due, t) }

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Due returns when to call Tick, at the latest; zero if that is of no use.
func (m *Machine) Due() time.Time {
	if m.state == cold {
		return time.Time{}
	}
	return m.due
}

// Gone reports whether the instance is cold and has nothing to do.
func (m *Machine) Gone() bool { return m.state == cold && len(m.line) == 0 && m.writing == 0 }

// Listening reports whether the function is to be listened to.
func (m *Machine) Listening() bool {
	return m.state == open && m.holding == 0 && (m.outstanding > 0 || m.streams > 0)
}

// Owing reports whether the function owes an answer to anybody.
func (m *Machine) Owing() bool {
	for _, c := range m.calls {
		if c.phase == streaming || c.phase == sent && c.ID <= m.begun {
			return true
		}
	}
	return false
}

// Outstanding returns how many calls the function has to answer.
func (m *Machine) Outstanding() int { return m.outstanding }

// Held reports whether the function is not to be listened to because a client
// takes nothing.
func (m *Machine) Held() bool { return m.holding > 0 }

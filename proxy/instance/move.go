// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// ErrLapsed is for a client whose command has written nothing: nobody can say any
// more whether what the function saw is the newest state.
var ErrLapsed = fmt.Errorf("member has not renewed its lease: %w", entity.ErrUnavailable)

// ErrStopping reports that the instance takes no more commands.
var ErrStopping = fmt.Errorf("proxy is stopping: %w", entity.ErrUnavailable)

// ErrMoved is for a command that has had no effect here, since the instance is
// another member's, or about to be.
var ErrMoved = fmt.Errorf("instance belongs to another member: %w", entity.ErrUnavailable)

// Standing returns the outcome of a command that was released, as its client may
// see it. What was written is proof that the instance was ours; an answer that
// wrote nothing, a refusal too, is true only while the lease is alive, which has
// to be asked now and not before.
func (c *Command) Standing(alive bool) entity.Outcome {
	if alive || !c.Write.Empty() {
		return c.Outcome
	}
	if _, refused := errors.AsType[*entity.Refusal](c.Outcome.Err); c.Outcome.Err != nil && !refused {
		return c.Outcome
	}
	return entity.Outcome{Err: ErrLapsed}
}

// Bounce makes the instance take no more commands, since it is to move, and gives
// back with err those that wait. It is passivated when the others are decided.
func (m *Machine) Bounce(err error, now time.Time) {
	m.stopped = true
	for m.mailbox.len() > 0 {
		m.refuse(m.mailbox.pop(), err)
	}
	m.advance(now)
}

// Stay takes back a Bounce that was not for ever.
func (m *Machine) Stay(now time.Time) {
	m.stopped = false
	m.eager = m.eager && !m.gone
	m.advance(now)
}

// Drop ends everything at once: the instance is another's. Commands that wait get
// waiting, so do those that were answered without a write; what was begun and may
// have been stored gets begun.
func (m *Machine) Drop(waiting, begun error, now time.Time) {
	m.stopped, m.eager, m.known = true, false, nil
	for m.undecided.len() > 0 {
		c := m.undecided.pop()
		err := waiting
		if c.pending {
			c.pending = false
			m.stale++
			m.bytes -= c.size
			err = begun
		}
		c.recalling = false
		m.refuse(c, err)
	}
	if c := m.current; c != nil {
		m.current = nil
		m.refuse(c, begun)
	}
	for m.mailbox.len() > 0 {
		m.refuse(m.mailbox.pop(), waiting)
	}
	if m.state == open || m.state == opening {
		m.add(Abort, nil)
	}
	m.state = settling
	m.advance(now)
}

// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// Received says what the function has sent.
func (m *Machine) Received(msg *Message, now time.Time) {
	if m.state != open {
		return
	}
	m.used = now
	c := m.calls[msg.CommandID]
	switch msg.What {
	case Reply:
		m.reply(c, msg, now)
	case StreamedMessage:
		m.streamed(c, msg, now)
	case CancelledResponse:
		m.cancelledResponse(c, msg, now)
	case Failed:
		m.failed(c, msg, now)
	default:
		m.brokenBy(nil, fmt.Errorf("empty message: %w", entity.ErrProtocol), now)
	}
}

func (m *Machine) reply(c *Call, msg *Message, now time.Time) {
	switch {
	case c == nil || c.phase != sent || c.ID > m.begun:
		m.stray("reply to", c, msg, now)
		return
	case msg.Streamed && !c.Streamed:
		m.brokenBy(c, fmt.Errorf("streamed reply to command %d, whose client wants one: %w", c.ID, entity.ErrProtocol), now)
		return
	case !m.carryOut(c, msg, now):
		return
	}
	m.outstanding--
	if msg.Streamed {
		m.stream(c, msg, now)
	} else {
		if len(c.early) > 0 {
			m.tell(fmt.Errorf("streamed messages for command %d, but its reply is not streamed", c.ID))
		}
		m.finish(c, c.canceled, now)
	}
	m.after(msg, now)
}

// stream begins what comes after the first reply of c.
func (m *Machine) stream(c *Call, msg *Message, now time.Time) {
	c.phase = streaming
	early := c.early
	c.early = nil
	for _, msg := range early {
		if c.phase != finished {
			m.message(c, msg, now)
		}
	}
	switch {
	case c.phase != streaming:
	case c.canceled != nil:
		m.cancel(c, c.canceled, now)
	case msg.Refused != nil:
		m.cancel(c, msg.Refused.Refusal(), now)
	case m.stopped:
		m.cut(c, now)
	}
}

// after goes on after a message that may have deleted the instance.
func (m *Machine) after(msg *Message, now time.Time) {
	if msg.Action.Delete {
		m.close(ErrDeleted, now)
		return
	}
	m.advance(now)
}

// stray handles what nothing asked for. It is harmless if it was asked for
// before and changes nothing.
func (m *Machine) stray(what string, c *Call, msg *Message, now time.Time) {
	err := fmt.Errorf("%s command %d, which was not to be expected", what, msg.CommandID)
	issued := msg.CommandID > 0 && msg.CommandID <= m.begun
	if issued && msg.Action.empty() && (c == nil || c.phase != sent) {
		m.tell(err)
		return
	}
	m.brokenBy(c, fmt.Errorf("%w: %w", err, entity.ErrProtocol), now)
}

// carryOut does what a message asks for, and returns whether the stream is still
// of use.
func (m *Machine) carryOut(c *Call, msg *Message, now time.Time) bool {
	part, err := m.apply(&msg.Action, now)
	o := outcome(msg)
	switch {
	case errors.Is(err, crdt.ErrDeleted):
		o = entity.Outcome{Err: ErrDeleted}
	case err != nil:
		m.brokenBy(c, fmt.Errorf("command %d: %w", msg.CommandID, err), now)
		return false
	}
	m.give(c, o, part, msg.Action.Consistency, now)
	return true
}

// outcome returns what msg means for the client.
func outcome(msg *Message) entity.Outcome {
	if msg.Refused == nil {
		return msg.Outcome
	}
	return entity.Outcome{Effects: msg.Outcome.Effects, Err: msg.Refused.Refusal()}
}

// give gives the client of c an outcome, once part is where it has to be; part
// is nil if there is nothing to be waited for.
func (m *Machine) give(c *Call, o entity.Outcome, part *crdt.Data, at Consistency, now time.Time) {
	if c.canceled != nil {
		o = entity.Outcome{None: true, Effects: o.Effects}
	}
	if part == nil && c.Streamed && o.None && o.Err == nil && len(o.Effects) == 0 {
		return
	}
	e := m.put(c, o, part != nil, now)
	if part != nil {
		m.write(&Writing{Part: part, Consistency: at, call: c, entry: e})
	}
}

func (m *Machine) write(w *Writing) {
	m.writing++
	m.add(Output{Do: Write, Write: w})
}

// apply changes the data, and returns what the other members lack, if there are
// any.
func (m *Machine) apply(a *Action, now time.Time) (*crdt.Data, error) {
	if a.Consistency < Local || a.Consistency > All {
		return nil, fmt.Errorf("write consistency %d: %w", a.Consistency, entity.ErrProtocol)
	}
	if a.empty() {
		return nil, nil //nolint:nilnil // nothing was changed, so nothing has to be brought anywhere
	}
	var before crdt.Context
	if m.Shared {
		before = m.data.Seen()
	}
	if a.Delete {
		m.data.Delete()
	} else if err := m.data.Apply(m.view, a.Update, m.Self, now); err != nil {
		return nil, err
	}
	if !m.Shared {
		return nil, nil //nolint:nilnil // there is nobody to bring it to
	}
	return m.data.Since(before), nil
}

// Written says whether the other members have a change.
func (m *Machine) Written(w *Writing, err error, now time.Time) {
	m.writing--
	if c := w.call; c != nil {
		w.entry.pending = false
		if err != nil {
			c.bytes -= w.entry.size()
			w.entry.Outcome = entity.Outcome{Err: err}
		}
		m.deliver(c)
		if err != nil && c.phase == streaming {
			m.cancel(c, err, now)
		}
	}
	m.advance(now)
}

// streamed takes a StreamedMessage.
func (m *Machine) streamed(c *Call, msg *Message, now time.Time) {
	switch {
	case c == nil || !c.Streamed || c.ID > m.begun:
		m.tell(fmt.Errorf("streamed message for command %d, which is not open", msg.CommandID))
	case c.phase != sent:
		m.message(c, msg, now)
	case len(c.early) >= m.Limits.Buffer:
		m.brokenBy(c, fmt.Errorf("%d streamed messages for command %d before its reply: %w", len(c.early), c.ID, entity.ErrProtocol), now)
		return
	default:
		kept := *msg
		c.early = append(c.early, &kept)
	}
	m.advance(now)
}

// message does what a message for an open call, or one that is being canceled,
// asks for.
func (m *Machine) message(c *Call, msg *Message, now time.Time) {
	o := outcome(msg)
	m.give(c, o, nil, Local, now)
	switch {
	case msg.End:
		m.release(c)
		err := c.canceled
		if err == nil {
			err = o.Err
		}
		m.finish(c, err, now)
	case o.Err != nil && c.phase == streaming && c.canceled == nil:
		m.cancel(c, o.Err, now)
	}
}

// release takes c out of what is waited for.
func (m *Machine) release(c *Call) {
	switch c.phase {
	case sent, canceling:
		m.outstanding--
	case lingering:
		m.linger = slices.DeleteFunc(m.linger, func(l *Call) bool { return l == c })
	}
}

func (m *Machine) cancelledResponse(c *Call, msg *Message, now time.Time) {
	switch {
	case c != nil && (c.phase == canceling || c.phase == lingering):
		if !m.carryOut(c, msg, now) {
			return
		}
		m.release(c)
		m.finish(c, c.canceled, now)
	case c == nil && msg.CommandID > 0 && msg.CommandID <= m.begun:
		if !m.late(msg, now) {
			return
		}
	default:
		m.stray("response to the cancellation of", c, msg, now)
		return
	}
	m.after(msg, now)
}

// late takes the response to a cancellation that nobody waits for any more: the
// function has changed its value, so its change counts.
func (m *Machine) late(msg *Message, now time.Time) bool {
	part, err := m.apply(&msg.Action, now)
	if err != nil && !errors.Is(err, crdt.ErrDeleted) {
		m.brokenBy(nil, fmt.Errorf("cancellation of command %d: %w", msg.CommandID, err), now)
		return false
	}
	m.tell(fmt.Errorf("response to the cancellation of command %d, which is over", msg.CommandID))
	if part != nil {
		m.write(&Writing{Part: part, Consistency: msg.Action.Consistency})
	}
	return true
}

func (m *Machine) failed(c *Call, msg *Message, now time.Time) {
	crash := msg.Refused.Crash()
	switch {
	case msg.CommandID == 0:
		m.brokenBy(nil, crash, now)
		return
	case c == nil || c.ID > m.begun:
		m.tell(fmt.Errorf("failure of command %d, which is not open: %s", msg.CommandID, crash.Description))
	default:
		m.release(c)
		m.finish(c, crash, now)
		if msg.Last && m.outstanding == 0 && m.writing == 0 { // what is sent on that stream now would be lost
			m.close(errClosed, now)
			return
		}
	}
	m.advance(now)
}

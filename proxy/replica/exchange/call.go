// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Call is a command on its way through an instance. One that is streamed gets
// any number of outcomes by Put, each after [Machine.Taken] for the one before,
// and then End; any other gets one by Done.
//
// After the client has gone away, or was given an outcome with an error, what
// comes by Put has nothing for it, but may have effects.
type Call struct {
	entity.Call
	TypeURL  string          // of Payload
	Headers  entity.Metadata // what of the metadata goes to the function
	Streamed bool
	Arrived  time.Time
	Done     func(entity.Outcome)
	Put      func(entity.Outcome)
	End      func(error)

	Progress
	delivery
}

// Progress says how far the function is with a call.
type Progress struct {
	ID       int64     // what the function knows it by
	Sent     time.Time // when it went to the function
	phase    phase
	since    time.Time // when it was canceled
	sends    int       // how often it was to be handed to the function
	canceled error     // why it is to be canceled after its first reply
	early    []*Message
}

type phase uint8

const (
	waiting   phase = iota
	sent            // the function is to reply
	streaming       // the function may send messages
	canceling       // the function is to say what the cancellation changes
	lingering       // it has not, in time
	finished        // nothing comes any more
)

// An entry is an outcome that is to be given to a client.
type entry struct {
	entity.Outcome
	pending bool // its change is not with the other members yet
}

func (e *entry) size() int {
	n := len(e.Reply.Value)
	for i := range e.Effects {
		n += len(e.Effects[i].Payload.Value)
	}
	return n
}

// A delivery is the client's side of a call.
type delivery struct {
	queue   []*entry
	bytes   int
	busy    bool  // the client has an outcome that it has not taken
	over    bool  // nothing more comes into queue
	err     error // how the call ended
	told    bool  // the client was told the end
	holding bool  // too much is in queue
	held    time.Time
}

// expired returns why c need not be run any more, or nil.
func (c *Call) expired(now time.Time) error {
	if !c.Deadline.IsZero() && !now.Before(c.Deadline) {
		return fmt.Errorf("%s/%s waited for its turn: %w", c.Service, c.Command, entity.ErrDeadline)
	}
	select {
	case <-c.Call.Done:
		return fmt.Errorf("%s/%s waited for its turn: %w", c.Service, c.Command, entity.ErrCanceled)
	default:
		return nil
	}
}

// put queues an outcome for the client of c.
func (m *Machine) put(c *Call, o entity.Outcome, pending bool, now time.Time) *entry {
	e := &entry{o, pending}
	c.queue = append(c.queue, e)
	c.bytes += e.size()
	m.deliver(c)
	if c.phase == streaming && !c.holding && (len(c.queue) > m.Limits.Buffer || c.bytes > m.Limits.BufferBytes) {
		c.holding, c.held = true, now
		m.holding++
		m.wake(now.Add(m.Limits.Stall))
	}
	return e
}

// deliver gives the client what it may have.
func (m *Machine) deliver(c *Call) {
	if c.busy || c.told {
		return
	}
	if len(c.queue) > 0 {
		e := c.queue[0]
		if e.pending {
			return
		}
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.bytes -= e.size()
		m.hand(c, e.Outcome)
		return
	}
	if c.over && c.Streamed {
		m.add(Output{Do: End, Call: c, Err: c.err})
		c.told = true
	}
}

func (m *Machine) hand(c *Call, o entity.Outcome) {
	if !c.Streamed {
		m.add(Output{Do: Release, Call: c, Outcome: o})
		return
	}
	c.busy = true
	m.add(Output{Do: Put, Call: c, Outcome: o})
}

// Taken says that the client has taken the last outcome that it was given.
func (m *Machine) Taken(c *Call, now time.Time) {
	c.busy = false
	m.deliver(c)
	if c.holding && len(c.queue) <= m.Limits.Buffer/2 && c.bytes <= m.Limits.BufferBytes/2 {
		m.unhold(c)
	}
	m.used = now
}

func (m *Machine) unhold(c *Call) {
	if c.holding {
		c.holding = false
		m.holding--
	}
}

// finish says that the function has nothing more to do with c. A call that is
// not streamed and has no outcome yet gets err.
func (m *Machine) finish(c *Call, err error, now time.Time) {
	if c.ID != 0 {
		delete(m.calls, c.ID)
	}
	m.unhold(c)
	if c.Streamed {
		m.streams--
	} else if err != nil {
		m.put(c, entity.Outcome{Err: err}, false, now)
	}
	c.phase, c.over, c.err, c.early = finished, true, err, nil
	m.deliver(c)
}

// drop takes out of the queue of c what is of no use without a client.
func (c *Call) drop() {
	kept := c.queue[:0]
	for _, e := range c.queue {
		if e.pending || len(e.Effects) > 0 {
			kept = append(kept, e)
		} else {
			c.bytes -= e.size()
		}
	}
	clear(c.queue[len(kept):])
	c.queue = kept
}

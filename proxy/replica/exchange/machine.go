// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
)

// Limits bound what one instance may hold. They are shared by many.
type Limits struct {
	Waiting     int           // commands that wait for the function
	Outstanding int           // commands that the function has not replied to
	Streams     int           // streamed calls
	Lingering   int           // canceled calls that the function has not answered in time
	Sends       int           // tries to hand a command to the function
	Buffer      int           // outcomes that the client of a streamed call has not taken
	BufferBytes int           // the same, in bytes
	Answer      time.Duration // for the function to reply to a command
	Cancel      time.Duration // for the function to answer a cancellation
	Stall       time.Duration // for a client to take something, while it holds up others
	Hold        time.Duration // for a change to wait until no command is outstanding, before no more are sent
}

// A Config says what a Machine works with.
type Config struct {
	*Limits
	Self    crdt.Replica
	Service string
	ID      string
	Idle    time.Duration // until it is passivated
	Members *crdt.Members
	Shared  bool // whether changes have to be brought to others
}

// What becomes of calls besides their own doing.
var (
	// ErrDeleted reports that the instance was deleted while the call was open.
	ErrDeleted = fmt.Errorf("entity was deleted meanwhile: %w", entity.ErrUnavailable)

	errAnew   = fmt.Errorf("entity has to be told to the user function anew: %w", entity.ErrUnavailable)
	errGone   = fmt.Errorf("caller of a streamed call has gone: %w", entity.ErrCanceled)
	errStall  = fmt.Errorf("caller takes nothing, and too much waits for it: %w", entity.ErrOverloaded)
	errClosed = fmt.Errorf("user function ends its streams at once: %w", entity.ErrUnavailable)
)

type state uint8

const (
	cold state = iota
	opening
	open
)

// A Machine is one instance. Make it with [New]. Every method but
// [Machine.Outputs], [Machine.Forget] and those that only ask is something that
// happened.
type Machine struct {
	Config
	data *crdt.Data
	view *crdt.View // what the function knows; nil if there is no stream

	state   state
	stopped bool
	clockwork
	book
	out []Output
}

type clockwork struct {
	used  time.Time // when something last happened
	began time.Time // when the stream was to be opened
	moved time.Time // since when a change is held back; zero if none is
	due   time.Time // when to call Tick, at the latest; zero if never
}

type book struct {
	line        []*Call         // commands that wait
	calls       map[int64]*Call // what the function knows an id of
	linger      []*Call         // the lingering ones, oldest first
	outstanding int             // calls that are sent or canceling
	streams     int             // streamed calls that are not finished
	holding     int             // calls whose clients hold up the function
	writing     int             // changes on their way to other members
	nextID      int64
	begun       int64 // id of the last command that the function may have
}

// New returns an instance that is cold. It works on data, which nobody else may
// use until it is gone.
func New(cfg Config, data *crdt.Data) *Machine {
	return &Machine{Config: cfg, data: data, book: book{calls: map[int64]*Call{}}}
}

// Submit adds a command.
func (m *Machine) Submit(c *Call, now time.Time) {
	m.used = now
	if err := m.full(c, now); err != nil {
		m.refuse(c, err)
		return
	}
	if c.Streamed {
		m.streams++
	}
	m.line = append(m.line, c)
	m.advance(now)
}

// full returns why there is no room for c, or nil.
func (m *Machine) full(c *Call, now time.Time) error {
	if len(m.line) >= m.Limits.Waiting {
		m.purge(now)
	}
	switch {
	case m.stopped:
		return instance.ErrStopping
	case len(m.line) >= m.Limits.Waiting:
		return fmt.Errorf("%d commands wait for this instance: %w", len(m.line), entity.ErrOverloaded)
	case c.Streamed && m.streams >= m.Limits.Streams:
		return fmt.Errorf("%d streamed calls are open at this instance: %w", m.streams, entity.ErrOverloaded)
	}
	return nil
}

// refuse ends a call that was never let in.
func (m *Machine) refuse(c *Call, err error) {
	c.phase, c.over = finished, true
	if c.Streamed {
		c.err = err
		m.deliver(c)
		return
	}
	m.add(Output{Do: Release, Call: c, Outcome: entity.Outcome{Err: err}})
}

// purge drops the waiting commands that nobody waits for.
func (m *Machine) purge(now time.Time) {
	m.line = slices.DeleteFunc(m.line, func(c *Call) bool {
		err := c.expired(now)
		if err != nil {
			m.finish(c, err, now)
		}
		return err != nil
	})
}

// Opened says that there is a stream.
func (m *Machine) Opened(now time.Time) {
	m.state, m.used, m.nextID, m.begun = open, now, 0, 0
	view, init := m.data.Open(m.Members)
	m.view = view
	m.send(&Init{Service: m.Service, ID: m.ID, Delta: init})
	m.advance(now)
}

// OpenFailed says that there is none.
func (m *Machine) OpenFailed(err error, now time.Time) {
	m.state = cold
	m.add(Output{Do: Abort})
	line := m.line
	m.line = nil
	for _, c := range line {
		m.finish(c, err, now)
	}
	m.advance(now)
}

// Begun says that the function may have the command of c from now on.
func (m *Machine) Begun(c *Call) { m.begun = c.ID }

// NotBegun says that it surely has not, after all.
func (m *Machine) NotBegun(c *Call) { m.begun = c.ID - 1 }

// Broken says that the stream is of no use any more. What the function can't
// have had waits for another one.
func (m *Machine) Broken(err error, now time.Time) {
	if m.state == opening {
		m.OpenFailed(err, now)
		return
	}
	m.brokenBy(nil, err, now)
}

// brokenBy is Broken, by what the function did with a call.
func (m *Machine) brokenBy(c *Call, err error, now time.Time) {
	m.add(Output{Do: Abort})
	if _, said := errors.AsType[*entity.Crash](err); !said && errors.Is(err, entity.ErrProtocol) {
		m.tell(err)
	}
	other := err
	if c != nil {
		other = fmt.Errorf("instance was given up for what it did with another command: %w", err)
	}
	m.leave(c, err, other, now)
}

// close ends the stream in good order. Calls that are left get err.
func (m *Machine) close(err error, now time.Time) {
	m.add(Output{Do: Finish})
	m.leave(nil, nil, err, now)
}

// leave ends all calls with other, and culprit with err.
func (m *Machine) leave(culprit *Call, err, other error, now time.Time) {
	m.state, m.view, m.moved, m.due = cold, nil, time.Time{}, time.Time{}
	var again []*Call
	for _, id := range slices.Sorted(maps.Keys(m.calls)) {
		c := m.calls[id]
		switch {
		case c == culprit:
			m.finish(c, err, now)
		case c.phase == sent && id > m.begun && c.canceled == nil && c.sends < m.Limits.Sends:
			c.phase, c.ID = waiting, 0
			again = append(again, c)
		case c.phase == canceling, c.phase == lingering, c.canceled != nil:
			m.finish(c, cmp.Or(c.canceled, other), now)
		default:
			m.finish(c, other, now)
		}
	}
	clear(m.calls)
	m.linger, m.outstanding, m.nextID, m.begun = nil, 0, 0, 0
	m.line = append(again, m.line...)
	m.advance(now)
}

// advance does what can be done in the state that m is in.
func (m *Machine) advance(now time.Time) {
	switch {
	case m.state == cold && len(m.line) > 0:
		m.state, m.began = opening, now
		m.wake(now.Add(m.Limits.Answer))
		m.add(Output{Do: Open})
	case m.state == open:
		if m.outstanding == 0 && !m.flush(now) {
			return
		}
		m.sendNext(now)
		if m.stopped && m.unused() {
			m.close(errClosed, now)
		}
		if m.unused() {
			m.wake(m.used.Add(m.Idle))
		}
	}
}

// flush tells the function what has changed. It returns whether the stream goes
// on.
func (m *Machine) flush(now time.Time) bool {
	m.moved = time.Time{}
	delta, err := m.data.Delta(m.view, m.Members)
	switch {
	case errors.Is(err, crdt.ErrDeleted):
		m.send(&Delete{})
		m.close(ErrDeleted, now)
		return false
	case err != nil:
		m.close(errAnew, now)
		return false
	case delta != nil:
		m.send(&Delta{delta})
	}
	return true
}

// sendNext gives the function the commands that it may have.
func (m *Machine) sendNext(now time.Time) {
	for len(m.line) > 0 && m.outstanding < m.Limits.Outstanding && !m.overheld(now) {
		c := m.line[0]
		m.line[0] = nil
		m.line = m.line[1:]
		if err := c.expired(now); err != nil {
			m.finish(c, err, now)
			continue
		}
		m.nextID++
		c.ID, c.Sent, c.phase = m.nextID, now, sent
		c.sends++
		m.calls[c.ID] = c
		m.outstanding++
		m.wake(now.Add(m.Limits.Answer))
		m.add(Output{Do: Send, Call: c, Message: &Command{
			Instance: m.ID, ID: c.ID, Name: c.Command, Streamed: c.Streamed,
			Payload: entity.Payload{TypeURL: c.TypeURL, Value: c.Payload}, Metadata: c.Headers,
		}})
	}
	if len(m.line) == 0 {
		m.line = nil
	}
}

// overheld reports whether a change has been held back for too long.
func (m *Machine) overheld(now time.Time) bool {
	return m.outstanding > 0 && !m.moved.IsZero() && now.Sub(m.moved) >= m.Limits.Hold
}

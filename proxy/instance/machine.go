// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Limits bound what one instance may hold. They are shared by many.
type Limits struct {
	Mailbox        int           // commands that may wait
	Undecided      int           // answered commands that wait for the store before the next goes to the function
	UndecidedBytes int           // the same, in bytes of their writes
	Answer         time.Duration // for the function to answer a command, or to take in what is stored
	Sends          int           // tries to hand a command to the function
	Memory         Memory        // of commands with keys
}

// A Command is a call on its way through an instance.
type Command struct {
	Call     entity.Call
	TypeURL  string    // of Call.Payload
	ID       int64     // what the function knows it by; set when it is sent
	Arrived  time.Time // when it was submitted
	Sent     time.Time // when it went to the function
	Answered time.Time // when the function's answer came; for whoever measures

	// Admit, if it isn't nil, is asked once, before the command is taken or refused
	// with [ErrMoved], whether it may be taken in that turn of its shard. It must
	// not block.
	Admit func(turn int64) bool

	Done    func(entity.Outcome) // called once, when the outcome may be seen
	Outcome entity.Outcome       // set before it is released
	Write   entity.Write         // set before it is committed

	progress
}

// Progress is how far a command has come, for its machine.
type progress struct {
	size      int  // of the write, while it is not durable
	pending   bool // whether the write is not durable yet
	recalling bool // whether the store is asked for the reply to it
	sends     int  // how often it was to be handed to the function
}

// expired returns why c need not be run any more, or nil.
func (c *Command) expired(now time.Time) error {
	if !c.Call.Deadline.IsZero() && !now.Before(c.Call.Deadline) {
		return fmt.Errorf("%s/%s waited for its turn: %w", c.Call.Service, c.Call.Command, entity.ErrDeadline)
	}
	select {
	case <-c.Call.Done:
		return fmt.Errorf("%s/%s waited for its turn: %w", c.Call.Service, c.Call.Command, entity.ErrCanceled)
	default:
		return nil
	}
}

type state uint8

const (
	cold     state = iota // no stream; nothing undecided
	opening               // a stream is being opened and the state replayed
	open                  // the function is ready for commands, or has one
	settling              // no stream; waits until nothing is undecided
)

// A Machine is one instance. Its zero value with Limits set is cold. Every
// method but [Machine.Outputs], [Machine.Forget] and those that only ask is something that happened.
type Machine struct {
	Limits *Limits

	state   state
	eager   bool  // load again even if nothing waits
	stopped bool  // takes no more commands
	gone    bool  // said so
	stale   int32 // verdicts to come on writes that were given up
	nextID  int64
	last    entity.Seq // of the last event or value answered with; stored, or in undecided

	current *Command // with the function
	queues           // of commands
	known   *known
	out     []Output
}

type queues struct {
	mailbox   fifo[*Command]
	undecided fifo[*Command] // answered by the function, not yet released
	bytes     int            // of the writes in undecided
}

// Submit adds a command.
func (m *Machine) Submit(c *Command, now time.Time) {
	m.gone = false
	if m.stopped {
		m.refuse(c, ErrStopping)
		m.advance(now)
		return
	}
	if m.mailbox.len() >= m.Limits.Mailbox {
		m.purge(now)
	}
	if m.mailbox.len() >= m.Limits.Mailbox {
		err := fmt.Errorf("%d commands wait for this instance: %w", m.mailbox.len(), entity.ErrOverloaded)
		m.refuse(c, err)
		return
	}
	m.mailbox.push(c)
	m.advance(now)
}

// Loaded says that the stream is open and everything stored was sent to the
// function; last is the last event of the journal, or the version of the value.
func (m *Machine) Loaded(last entity.Seq, now time.Time) {
	m.state, m.last, m.nextID = open, last, 0
	m.advance(now)
}

// LoadFailed says that the instance could not be brought up.
func (m *Machine) LoadFailed(err error, now time.Time) {
	m.state = cold
	m.add(Abort, nil)
	for m.mailbox.len() > 0 {
		m.refuse(m.mailbox.pop(), err)
	}
	m.advance(now)
}

// Answered says what the function answered to the command that it has. The next
// one goes out before the write of this one: the function is what others wait
// for.
func (m *Machine) Answered(d Decision, now time.Time) {
	c := m.current
	m.remember(c, &d, now)
	m.current, c.Outcome, c.Write = nil, d.Outcome, d.Write
	m.undecided.push(c)
	if d.Restart {
		m.state, m.eager = settling, true
	}
	if !d.Write.Empty() {
		c.size, c.pending = d.Write.Size(), true
		m.last += d.Write.Steps()
		m.bytes += c.size
		m.advance(now)
		m.add(Commit, c)
	} else {
		m.settle()
	}
	if d.Restart {
		m.add(Finish, nil)
	}
	m.advance(now)
}

// Broken says that the stream is of no use any more. The client of the command
// that the function has, if any, gets err.
func (m *Machine) Broken(err error, now time.Time) {
	if m.state == opening {
		m.LoadFailed(err, now)
		return
	}
	if m.current != nil {
		m.current.Outcome = entity.Outcome{Err: err}
		m.undecided.push(m.current)
		m.current = nil
	}
	m.giveUpStream(now)
}

// SendFailed says that the current command could not be handed to the function
// because the stream had ended before: it has had no effect.
func (m *Machine) SendFailed(err error, now time.Time) {
	c := m.current
	if c.sends >= m.Limits.Sends {
		m.Broken(err, now)
		return
	}
	m.current = nil
	m.mailbox.pushFront(c)
	m.giveUpStream(now)
}

// Verdict says what became of the first write that has none yet.
func (m *Machine) Verdict(err error, now time.Time) {
	if m.stale > 0 {
		m.stale--
		m.advance(now)
		return
	}
	i := m.undecided.index(func(c *Command) bool { return c.pending })
	c := m.undecided.at(i)
	c.pending = false
	m.bytes -= c.size
	if err != nil {
		m.forget(c)
		m.again(i + 1)
		if errors.Is(err, entity.ErrRepeated) {
			m.recall(c, now)
			return
		}
		c.Outcome = entity.Outcome{Err: err}
		m.giveUpStream(now)
		return
	}
	m.settle()
	m.advance(now)
}

// again takes back what was decided after a refused write.
func (m *Machine) again(from int) {
	if m.current != nil {
		m.mailbox.pushFront(m.current)
		m.current = nil
	}
	for m.undecided.len() > from {
		c := m.undecided.popBack()
		m.mailbox.pushFront(c)
		if c.pending {
			c.pending = false
			m.stale++
			m.bytes -= c.size
		}
		m.forget(c)
	}
}

// forget drops what was to be written for c.
func (m *Machine) forget(c *Command) {
	c.Outcome, c.Write = entity.Outcome{}, entity.Write{}
	if m.known != nil {
		delete(m.known.replies, c.Call.Key)
	}
}

// giveUpStream ends the stream; the instance is loaded again when a command
// needs it.
func (m *Machine) giveUpStream(now time.Time) {
	if m.state == open {
		m.state = settling
		m.add(Abort, nil)
	}
	m.settle()
	m.advance(now)
}

// Tick says that time has passed: since is how long ago the instance was last
// used, idle how long it may be unused. It returns whether the instance has been
// passivated.
func (m *Machine) Tick(idle, since time.Duration, now time.Time) bool {
	switch {
	case m.state == open && m.current != nil && now.Sub(m.current.Sent) >= m.Limits.Answer:
		m.Broken(fmt.Errorf("user function has not answered for %v: %w", m.Limits.Answer, entity.ErrDeadline), now)
	case m.state == opening && since >= m.Limits.Answer:
		m.LoadFailed(fmt.Errorf("user function has not taken in its state for %v: %w", m.Limits.Answer, entity.ErrDeadline), now)
	case m.unused() && since >= idle:
		m.passivate()
		return true
	}
	return false
}

// Stop makes the instance take no more commands. It is passivated when it has
// finished those it has.
func (m *Machine) Stop(now time.Time) {
	m.stopped = true
	m.advance(now)
}

// Passivate gives the stream up if nothing is under way, and returns whether
// that was so.
func (m *Machine) Passivate() bool {
	if !m.unused() {
		return false
	}
	m.passivate()
	return true
}

// unused reports whether there is a stream and nothing else.
func (m *Machine) unused() bool {
	return m.state == open && m.current == nil && m.mailbox.len() == 0 && m.undecided.len() == 0
}

func (m *Machine) passivate() {
	m.state = cold
	m.add(Finish, nil)
	m.leave()
}

// leave says that the instance may be forgotten.
func (m *Machine) leave() {
	m.gone = true
	m.add(Leave, nil)
}

// advance does what can be done in the state that m is in.
func (m *Machine) advance(now time.Time) {
	if m.state == settling && m.undecided.len() == 0 && m.stale == 0 {
		m.state = cold
	}
	switch m.state {
	case cold:
		m.openIfNeeded(now)
	case open:
		m.sendNext(now)
		if m.stopped && m.unused() {
			m.passivate()
		}
	case opening, settling:
	}
}

func (m *Machine) openIfNeeded(now time.Time) {
	if m.mailbox.len() > 0 || m.eager && !m.stopped {
		m.state, m.eager = opening, false
		m.add(Open, nil)
	} else if !m.gone {
		m.leave()
	}
}

// sendNext gives the function its next command, if there is one and it may
// have it.
func (m *Machine) sendNext(now time.Time) {
	for m.current == nil && m.mailbox.len() > 0 && m.room() {
		c := m.mailbox.pop()
		if err := c.expired(now); err != nil {
			m.refuse(c, err)
			continue
		}
		if m.repeated(c) {
			continue
		}
		m.nextID++
		c.ID, c.Sent = m.nextID, now
		c.sends++
		m.current = c
		m.add(Send, c)
	}
}

func (m *Machine) room() bool {
	return m.undecided.len() < m.Limits.Undecided && m.bytes < m.Limits.UndecidedBytes
}

// settle releases what has nothing undecided before it.
func (m *Machine) settle() {
	for m.undecided.len() > 0 && !m.undecided.at(0).pending && !m.undecided.at(0).recalling {
		m.add(Release, m.undecided.pop())
	}
}

// purge drops the waiting commands that nobody waits for.
func (m *Machine) purge(now time.Time) {
	m.mailbox.items = slices.DeleteFunc(m.mailbox.compact(), func(c *Command) bool {
		err := c.expired(now)
		if err != nil {
			m.refuse(c, err)
		}
		return err != nil
	})
}

// Current returns the command that the function has, or nil.
func (m *Machine) Current() *Command { return m.current }

// Last returns the position of the last event, or value, that the function has.
func (m *Machine) Last() entity.Seq { return m.last }

// Gone reports whether the instance is cold and has nothing to do.
func (m *Machine) Gone() bool { return m.gone }

// Waiting returns how many commands are in the mailbox.
func (m *Machine) Waiting() int { return m.mailbox.len() }

// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// Settings are the same for all members of a service.
type Settings struct {
	Lease  time.Duration // how long a renewal is good for
	Beat   time.Duration // between two renewals
	Margin time.Duration // what is added to Lease before anybody is evicted
	Quiet  time.Duration // without a change of members, before shards move between those who live
	Moves  int           // shards that may be moving at a time, unless the member is leaving
	Drain  time.Duration // for the commands of a shard that is to move
	Retry  time.Duration // before a transition is tried again that had no answer

	// Jitter makes of a pause one that is some percent longer or shorter, so that
	// members who started together don't go on together.
	Jitter func(time.Duration) time.Duration
}

// beats is how many renewals may be unanswered at a time.
const beats = 3

type phase uint8

const (
	out     phase = iota // not a member, and not about to be one
	joining              // a join is under way
	in                   // is a member
)

// A Machine is one process of a service. Make it with [New]. Times are read from
// the process's own clock, which may begin anywhere but must not stop while the
// machine sleeps.
type Machine struct {
	*Settings
	newcomer Newcomer

	phase   phase
	id      entity.Member
	table   *shard.Table
	lease   lease
	purpose purpose
	work    work
	shards  shards
	turns   int64 // how many shards were to be drained, as any member
	outputs []Output
}

// A lease is what a member knows of its own.
type lease struct {
	until  time.Duration // may answer before that
	lapsed time.Duration // when it was last found to have run out, or to be uncertain
	since  time.Duration // renewals that were sent before that don't count
	sent   int           // renewals without an answer
	next   time.Duration // when to renew again
	looks  bool          // a look is under way
}

// A purpose is what the process is asked to be.
type purpose struct {
	leaving bool // gives its shards away
	quits   bool // and then the membership
}

// A work is what is under way in the store.
type work struct {
	move  *Op           // a transition of own shards, or of the membership; or the join
	evict *Op           // others
	again time.Duration // not before that is another move tried
	began time.Duration // when the join was first sent
}

// New returns a machine that does nothing before [Machine.Start].
func New(settings *Settings, newcomer Newcomer) *Machine {
	return &Machine{Settings: settings, newcomer: newcomer, shards: shards{ready: map[entity.Member]time.Duration{}}}
}

// Start makes the process join.
func (m *Machine) Start(now time.Duration) {
	if m.phase == out {
		m.join(now)
	}
}

func (m *Machine) join(now time.Duration) {
	m.phase, m.id, m.work = joining, 0, work{began: now}
	m.lease, m.shards = lease{since: m.lease.since}, shards{ready: map[entity.Member]time.Duration{}}
	m.sendJoin(now)
}

// sendJoin sends the join, or sends it again. One that the store has let wait
// for long evicts nobody: the others may have waited as well.
func (m *Machine) sendJoin(now time.Duration) {
	op := &Op{Kind: Join, Sent: now, Newcomer: m.newcomer}
	if now-m.work.began < m.Lease {
		op.Silence = m.Lease + m.Margin
	}
	m.work.move = op
	m.add(Output{Do: Transact, Op: op})
}

// Renewed says what the store answered to the renewal that was sent then for
// member.
func (m *Machine) Renewed(member entity.Member, sent time.Duration, err error, now time.Duration) {
	if m.phase != in || member != m.id {
		return
	}
	m.lease.sent--
	switch {
	case errors.Is(err, entity.ErrNoMember):
		m.Evicted(member, now)
	case err == nil && sent >= m.lease.since:
		if now >= m.lease.until {
			m.lease.lapsed = now
		}
		m.lease.until = max(m.lease.until, sent+m.Lease)
	}
}

// Seen says what was seen of the others by the look that was sent for member;
// the table is nil if it is the one that the member knows.
func (m *Machine) Seen(member entity.Member, table *shard.Table, neighbour entity.Lease, err error, now time.Duration) {
	if m.phase != in || member != m.id {
		return
	}
	m.lease.looks = false
	if err != nil {
		return
	}
	if table != nil {
		m.learn(table, now)
	}
	if neighbour.Member != 0 && neighbour.Silent > m.Lease+m.Margin {
		m.Suspect(now)
	}
}

// Suspect makes the member look for others whose leases have run out, and evict
// them. One whose own lease had run out lately evicts nobody: that the store was
// away is no fault of theirs.
func (m *Machine) Suspect(now time.Duration) {
	if m.phase != in || m.work.evict != nil || !m.Alive(now) || now-m.lease.lapsed < m.Lease {
		return
	}
	m.work.evict = &Op{Kind: Evict, Member: m.id, Sent: now, Silence: m.Lease + m.Margin}
	m.add(Output{Do: Transact, Op: m.work.evict})
}

// Transacted says what became of a transition: the table after it, for a join
// also who the process is. An error that doesn't wrap [shard.ErrLayout] means
// that it is not known whether it was made, or will be.
func (m *Machine) Transacted(op *Op, table *shard.Table, id entity.Member, err error, now time.Duration) {
	switch op {
	case m.work.evict:
		m.work.evict = nil
	case m.work.move:
		m.work.move = nil
		if err != nil {
			m.work.again = now + m.Jitter(m.Retry)
		}
	}
	switch {
	case err != nil:
	case op.Kind == Join:
		m.joined(op, table, id, now)
	case m.phase == in && op.Member == m.id:
		m.learn(table, now)
	}
}

// joined makes the process the member that the answer to a join says. An earlier
// try of the same join is as good as the last one: it is about the same member.
func (m *Machine) joined(op *Op, table *shard.Table, id entity.Member, now time.Duration) {
	if m.phase != joining || op.Lost != m.newcomer.Lost {
		return
	}
	m.phase, m.id, m.table, m.work = in, id, nil, work{}
	m.add(Output{Do: Begin})
	m.lease.next, m.lease.lapsed = now, now
	if op.Sent >= m.lease.since {
		m.lease.until = op.Sent + m.Lease
	}
	if op.Silence > 0 { // the store had been there for all
		m.lease.lapsed -= m.Lease
	}
	m.learn(table, now)
	m.Tick(now)
}

// Evicted says that the store doesn't know member any more. What is said of
// another member than the one that the process is now has been said before.
func (m *Machine) Evicted(member entity.Member, now time.Duration) {
	if m.phase != in || member != m.id {
		return
	}
	m.add(Output{Do: Drop})
	m.phase, m.newcomer.Lost = out, member
	if m.purpose.quits {
		m.add(Output{Do: Left})
		return
	}
	m.join(now)
}

// Doubt says that the clock can't be trusted to have run while the machine slept.
// The lease is as good as run out until a renewal that is sent from now on.
func (m *Machine) Doubt(now time.Duration) {
	m.lease.until, m.lease.since, m.lease.lapsed = now, now, now
	m.lease.next = now
	m.Tick(now)
}

// Tick says that time has passed.
func (m *Machine) Tick(now time.Duration) {
	switch m.phase {
	case joining:
		if m.work.move == nil && now >= m.work.again {
			m.sendJoin(now)
		}
	case in:
		m.beat(now)
		m.plan(now)
	case out:
	}
}

// beat renews the lease, and looks at the others, when it is time.
func (m *Machine) beat(now time.Duration) {
	if now < m.lease.next {
		return
	}
	m.lease.next = now + m.Jitter(m.Beat)
	if m.lease.sent < beats {
		m.lease.sent++
		m.add(Output{Do: Renew, Sent: now})
	}
	if !m.lease.looks {
		m.lease.looks = true
		m.add(Output{Do: Look, Sent: now, To: m.table.Neighbour(m.id)})
	}
}

// Next returns when the machine wants to be told the time again, at the latest.
func (m *Machine) Next(now time.Duration) time.Duration {
	switch m.phase {
	case joining:
		return max(m.work.again, now+m.Retry/4)
	case in:
		return min(m.lease.next, m.nextPlan(now))
	default:
		return now + m.Beat
	}
}

// Leave makes the member give its shards away, if there is another one to take
// them; with quit, it then gives up its membership in any case.
func (m *Machine) Leave(quit bool, now time.Duration) {
	m.purpose.leaving, m.purpose.quits = true, m.purpose.quits || quit
	if quit && m.phase == out {
		m.add(Output{Do: Left})
	}
	m.Tick(now)
}

// Stay takes back a [Machine.Leave] that wasn't for ever.
func (m *Machine) Stay(now time.Duration) {
	m.purpose.leaving = m.purpose.quits
	m.Tick(now)
}

// Alive reports whether the member may answer without writing at that moment.
func (m *Machine) Alive(now time.Duration) bool { return m.phase == in && now < m.lease.until }

// ID returns which member the process is; 0 if it is none.
func (m *Machine) ID() entity.Member {
	if m.phase != in {
		return 0
	}
	return m.id
}

// Until returns when the lease runs out; 0 if there is none.
func (m *Machine) Until() time.Duration {
	if m.phase != in {
		return 0
	}
	return m.lease.until
}

// Rest returns how long the lease is still good for.
func (m *Machine) Rest(now time.Duration) time.Duration { return max(0, m.lease.until-now) }

// Table returns the newest table that the process knows; nil if none.
func (m *Machine) Table() *shard.Table { return m.table }

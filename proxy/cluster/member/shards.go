// SPDX-License-Identifier: Apache-2.0

package member

import (
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// shards is what a member knows of those it owns, and of what it wants.
type shards struct {
	held    [shard.Count]held
	want    [shard.Count]entity.Member // by the table that is known
	owned   int
	astray  int                             // held shards that somebody else should own
	moving  int                             // held shards that are draining
	changed time.Duration                   // when the members last changed
	ready   map[entity.Member]time.Duration // when others last said that they can take shards
	asked   time.Duration                   // when they were last asked
}

// A held is a shard as its owner has it. The zero held is one of another owner.
type held struct {
	epoch    int64 // under which it is owned; 0 if it isn't
	sent     int64 // the greatest epoch that it was sent away with: it is frozen up to that
	turn     int64 // of its last Drain
	draining bool  // takes no commands
	drained  bool  // nothing is under way
	dirty    bool  // has rows in its outbox; known once it is drained
	severed  bool  // has been told to end what is under way
	since    time.Duration
	rest     time.Duration // not to be moved before, since it could not be drained
}

// Serves reports whether commands for a shard may be taken.
func (m *Machine) Serves(s shard.ID) bool { return m.Owns(s) && !m.shards.held[s].draining }

// Owns reports whether a shard is this member's and was not sent away: what was
// taken for it may still be answered.
func (m *Machine) Owns(s shard.ID) bool {
	h := &m.shards.held[s]
	return m.phase == in && h.epoch > h.sent
}

// Epoch returns the epoch under which the member owns a shard; 0 if it doesn't.
func (m *Machine) Epoch(s shard.ID) int64 { return m.shards.held[s].epoch }

// Learned says what table another process has told of. It is as good as one that
// was read, unless it is of another life of the row: then only the store can
// say which is over.
func (m *Machine) Learned(table *shard.Table, now time.Duration) {
	if m.phase == in && table.Incarnation == m.table.Incarnation {
		m.learn(table, now)
	}
}

// learn takes in a table, unless it is older than the one that is known.
func (m *Machine) learn(table *shard.Table, now time.Duration) {
	before := m.table
	if !table.Newer(before) {
		return
	}
	if _, ok := table.Member(m.id); !ok || before != nil && before.Incarnation != table.Incarnation {
		m.Evicted(m.id, now)
		return
	}
	m.table = table
	same := before != nil && slices.Equal(before.Members, table.Members)
	if !same {
		m.shards.changed = now
	}
	if !same || before.Weights.Generation != table.Weights.Generation {
		m.shards.want = table.Want()
	}
	m.shards.astray = 0
	for s := range table.Shards {
		m.own(shard.ID(s), table.Shards[s])
		if m.shards.held[s].epoch != 0 && m.goal(shard.ID(s)) != m.id {
			m.shards.astray++
		}
	}
	m.plan(now)
}

// own takes in what a table says of one shard.
func (m *Machine) own(s shard.ID, o shard.Owned) {
	h := &m.shards.held[s]
	mine := o.Owner == m.id
	if h.epoch != 0 && (!mine || o.Epoch > h.epoch) { // it was handed over, or reclaimed
		if h.draining {
			m.shards.moving--
		}
		*h = held{}
		m.shards.owned--
		m.add(Output{Do: Close, Shard: s, Epoch: o.Epoch})
	}
	if mine && h.epoch == 0 {
		*h = held{epoch: o.Epoch}
		m.shards.owned++
		m.add(Output{Do: Open, Shard: s, Epoch: o.Epoch, Dirty: o.Dirty})
	}
}

// Drained says that nothing of a shard is under way since the Drain of that turn,
// and whether there are rows in its outbox. It may be late: the shard may have
// been resumed since, and drain again, with commands under way.
func (m *Machine) Drained(s shard.ID, turn int64, dirty bool, now time.Duration) {
	if h := &m.shards.held[s]; m.phase == in && h.draining && h.turn == turn {
		h.drained, h.dirty = true, dirty
		m.send(now)
	}
}

// Ready says that another member can take shards.
func (m *Machine) Ready(id entity.Member, now time.Duration) {
	if m.phase == in {
		m.shards.ready[id] = now
		m.plan(now)
	}
}

// plan begins what is to be done about the shards, and goes on with it.
func (m *Machine) plan(now time.Duration) {
	if m.phase != in || m.table == nil {
		return
	}
	m.drain(now)
	m.send(now)
}

// send sends the transition that is due, unless one is under way.
func (m *Machine) send(now time.Duration) {
	if m.work.move != nil || now < m.work.again {
		return
	}
	op := m.next(now)
	if op == nil {
		return
	}
	op.Member, op.Sent = m.id, now
	if op.Kind == HandOver || op.Kind == Quit {
		for _, c := range op.Claims {
			h := &m.shards.held[c.Shard]
			h.sent = max(h.sent, c.Epoch)
		}
	}
	m.work.move = op
	m.add(Output{Do: Transact, Op: op})
}

// drain begins and ends the draining of shards.
func (m *Machine) drain(now time.Duration) {
	if m.shards.astray == 0 && m.shards.moving == 0 && !m.purpose.quits {
		return
	}
	ask := map[entity.Member]bool{}
	for s := range m.shards.held {
		h := &m.shards.held[s]
		if h.epoch == 0 {
			continue
		}
		switch to := m.goal(shard.ID(s)); {
		case to == m.id:
			m.resume(shard.ID(s), h)
		case h.draining:
			m.patience(shard.ID(s), h, now)
		case to == 0 || m.mayMove(h, to, now):
			m.turns++
			h.turn, h.draining, h.drained, h.severed, h.since = m.turns, true, false, false, now
			m.shards.moving++
			m.add(Output{Do: Drain, Shard: shard.ID(s), Epoch: h.epoch, Turn: h.turn})
		}
		if to := m.goal(shard.ID(s)); to != m.id && to != 0 && !m.isReady(to, now) {
			ask[to] = true
		}
	}
	m.ask(ask, now)
}

// goal returns who should own a shard of this member's: itself if there is nobody
// else; 0 if it has to go in any case.
func (m *Machine) goal(s shard.ID) entity.Member {
	to := m.shards.want[s]
	if to == 0 && !m.purpose.quits {
		return m.id
	}
	return to
}

// mayMove reports whether a shard may begin to move to another member.
func (m *Machine) mayMove(h *held, to entity.Member, now time.Duration) bool {
	if !m.isReady(to, now) && !m.purpose.quits {
		return false
	}
	if m.purpose.leaving {
		return true
	}
	return m.shards.moving < m.Moves && now >= h.rest && now-m.shards.changed >= m.Quiet
}

// patience gives up on a shard that takes too long to drain: it stays, or what is
// under way is ended, if it has to go.
func (m *Machine) patience(s shard.ID, h *held, now time.Duration) {
	if h.drained || h.severed || now-h.since < m.Drain {
		return
	}
	if m.purpose.leaving {
		h.severed = true
		m.add(Output{Do: Sever, Shard: s, Epoch: h.epoch})
		return
	}
	h.rest = now + m.Drain
	m.resume(s, h)
}

// resume takes commands for a shard again that was to move, unless it is frozen.
func (m *Machine) resume(s shard.ID, h *held) {
	if !h.draining || h.sent >= h.epoch {
		return
	}
	h.draining, h.drained = false, false
	m.shards.moving--
	m.add(Output{Do: Resume, Shard: s, Epoch: h.epoch})
}

// next returns the transition that is due; nil if none is.
func (m *Machine) next(now time.Duration) *Op {
	me, _ := m.table.Member(m.id)
	if me.Leaving != m.purpose.leaving {
		return &Op{Kind: Leave, Leaving: m.purpose.leaving}
	}
	if m.shards.moving == 0 && (!m.purpose.quits || m.shards.owned > 0) {
		return nil
	}
	var back, all []shard.Claim
	to := map[entity.Member][]shard.Claim{}
	for s := range m.shards.held {
		h := &m.shards.held[s]
		if h.epoch == 0 || !h.drained {
			continue
		}
		c := shard.Claim{Shard: shard.ID(s), Epoch: h.epoch, Dirty: h.dirty}
		all = append(all, c)
		switch goal := m.goal(shard.ID(s)); {
		case goal == m.id:
			back = append(back, c) // it is frozen, or it would have been resumed
		case goal != 0 && m.isReady(goal, now):
			to[goal] = append(to[goal], c)
		}
	}
	switch {
	case m.purpose.quits && len(all) == m.shards.owned:
		return &Op{Kind: Quit, Claims: all}
	case len(back) > 0:
		return &Op{Kind: Reclaim, Claims: back}
	}
	for _, mb := range m.table.Members { // in an order that is always the same
		if claims := to[mb.ID]; len(claims) > 0 {
			return &Op{Kind: HandOver, To: mb.ID, Claims: claims}
		}
	}
	return nil
}

// How long the word of another member counts that it can take shards, and the
// pause between two questions.
const (
	wordCounts = 10 * time.Second
	askPause   = time.Second
)

func (m *Machine) isReady(id entity.Member, now time.Duration) bool {
	said, ok := m.shards.ready[id]
	return ok && now-said < wordCounts
}

// ask asks the members in ids whether they can take shards.
func (m *Machine) ask(ids map[entity.Member]bool, now time.Duration) {
	if len(ids) == 0 || m.shards.asked != 0 && now-m.shards.asked < askPause {
		return
	}
	m.shards.asked = now
	for _, mb := range m.table.Members {
		if ids[mb.ID] {
			m.add(Output{Do: Ask, To: mb.ID})
		}
	}
}

// nextPlan returns when there may be something new to do about shards.
func (m *Machine) nextPlan(now time.Duration) time.Duration {
	next := now + m.Beat
	if m.work.again > now {
		next = min(next, m.work.again)
	}
	if quiet := m.shards.changed + m.Quiet; quiet > now {
		next = min(next, quiet)
	}
	if m.shards.moving > 0 || m.shards.asked+askPause > now {
		next = min(next, now+askPause)
	}
	return next
}

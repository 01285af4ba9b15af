// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A tenure is one membership of the process: what comes up during one is of no
// use in another.
type tenure struct {
	n     uint32
	lanes []*lane.Lane // none between two memberships
}

// A gate says whether commands for a shard are taken, by how often it was opened
// or closed: the number is its turn, and odd while it is open. The zero gate is
// closed.
type gate struct{ turn atomic.Int64 }

func open(turn int64) bool { return turn%2 != 0 }

// set opens or closes the gate. One does so at a time.
func (g *gate) set(to bool) {
	if open(g.turn.Load()) != to {
		g.turn.Add(1)
	}
}

// takes reports whether a command may be taken. Whoever sent it may have a say,
// and is asked in any case.
func (g *gate) takes(cmd *instance.Command) bool {
	turn := g.turn.Load()
	admitted := cmd.Admit == nil || cmd.Admit(turn)
	return admitted && open(turn)
}

// A drain waits for the instances of a shard.
type drain struct {
	left int
	done func()
}

// Begin makes the process a member with these lanes, which owns nothing yet.
func (s *Set) Begin(lanes []*lane.Lane) {
	s.tenure.Store(&tenure{s.tenure.Load().n + 1, lanes})
}

// Open takes commands for a shard. Its instances come with them.
//
// Open and those after it are called one after the other.
func (s *Set) Open(at shard.ID) { s.gates[at].set(true) }

// Drain takes no more commands for a shard: they are refused with
// [instance.ErrMoved], and so are those that the function has not got yet. done is
// called when the others have their outcome and nothing of the shard is awake any
// more, which may be before Drain returns. One that is on its way when Resume is
// called still comes.
func (s *Set) Drain(at shard.ID, done func()) {
	s.gates[at].set(false)
	all := s.of(at, func(p *part, n int) {
		if n > 0 {
			p.drains[at] = &drain{n, done}
		}
	})
	if len(all) == 0 {
		done()
		return
	}
	for _, in := range all {
		in.change(func(now time.Time) { in.machine.Bounce(instance.ErrMoved, now) })
	}
}

// Resume takes a Drain back, unless everything is asleep by now.
func (s *Set) Resume(at shard.ID) {
	all := s.of(at, func(p *part, _ int) { delete(p.drains, at) })
	for _, in := range all {
		in.change(in.machine.Stay)
	}
	s.Open(at)
}

// Sever ends what still runs in a shard that drains. Clients of what the function
// has, or the store, are told that the outcome is unknown. The drain is done when
// the store has decided.
func (s *Set) Sever(at shard.ID) {
	for _, in := range s.of(at, nil) {
		in.change(in.drop)
	}
}

// Close says that a shard is another member's. Nothing of it should be awake by
// now; what is, is ended.
func (s *Set) Close(at shard.ID) {
	s.gates[at].set(false)
	for _, in := range s.of(at, func(p *part, _ int) { delete(p.drains, at) }) {
		in.kill()
	}
}

// Drop says that the process is no member any more: it owns nothing, and nothing
// that it still writes can land. Nothing that is awake is of use.
func (s *Set) Drop() {
	s.tenure.Store(&tenure{n: s.tenure.Load().n})
	for at := range shard.ID(shard.Count) {
		s.gates[at].set(false)
	}
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		clear(p.drains)
		p.mu.Unlock()
	}
	s.each(func(in *awake) { in.kill() })
}

// of returns the instances of a shard. Note, if it isn't nil, is called with the
// lock of their part held, and how many they are.
func (s *Set) of(at shard.ID, note func(p *part, n int)) (all []*awake) {
	p := s.part(at)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.instances {
		if in.at == at {
			all = append(all, in)
		}
	}
	if note != nil {
		note(p, len(all))
	}
	return all
}

// left is called with p.mu held when an instance of a shard was removed. What it
// returns is to be called without, if it isn't nil.
func (p *part) left(at shard.ID) (done func()) {
	d := p.drains[at]
	if d == nil {
		return nil
	}
	if d.left--; d.left > 0 {
		return nil
	}
	delete(p.drains, at)
	return d.done
}

// change tells the machine of an instance that is still awake what happened.
func (in *awake) change(what func(now time.Time)) {
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		return
	}
	what(time.Now())
	in.carryOut()
}

// drop ends everything that an instance has.
func (in *awake) drop(now time.Time) {
	in.machine.Drop(instance.ErrMoved, entity.ErrUnknownOutcome, now)
}

// kill removes an instance at once. What the store still says of its writes
// concerns nobody.
func (in *awake) kill() {
	p := in.set.part(in.at)
	p.mu.Lock()
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		p.mu.Unlock()
		return
	}
	in.dead = true
	delete(p.instances, in.key)
	p.mu.Unlock()
	in.drop(time.Now())
	in.carryOut()
	in.set.work.Done()
}

// commit brings a write to the lane of its shard. One of a membership that is
// over must not meet the lanes of the next: it is as one that the store has
// refused for that reason.
func (in *awake) commit(t task) {
	in.countWrite(&t.Command.Write)
	now := in.set.tenure.Load()
	if now.n != in.tenure || len(now.lanes) == 0 {
		t.act.chain.Verdict(lane.ErrEvicted)
		return
	}
	now.lanes[shard.Lane(in.key, len(now.lanes))].Join(&t.act.chain, t.Command.Write)
}

// standing reports whether the process is the member that it was when the
// instance came up, and may answer without writing. The lease is asked first, so
// that one of the next membership is not taken for one of this.
func (in *awake) standing() bool {
	alive := in.set.Alive == nil || in.set.Alive()
	now := in.set.tenure.Load()
	return alive && now.n == in.tenure && len(now.lanes) > 0
}

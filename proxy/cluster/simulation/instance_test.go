// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// An inst is one instance on one process, with the user function that serves it.
// Its state is the list of the commands that have added to it, so that the journal
// says in which order they did.
type inst struct {
	p       *process
	key     entity.Key
	machine instance.Machine
	act     *activation
	drained func() // says that nothing is under way; nil if nobody asks
	dead    bool
}

// An activation is one stream to the function.
type activation struct {
	chain  lane.Chain
	member entity.Member // whose lane it writes to
	list   []uint64
}

var (
	errMoved = fmt.Errorf("shard is another member's: %w", entity.ErrUnavailable)
	limits   = &instance.Limits{Mailbox: 8, Undecided: 6, UndecidedBytes: 1 << 20, Answer: time.Minute, Sends: 3}
)

// take takes a command of a client, if the process may.
func (p *process) take(o *op, reply func(uint64, error)) {
	s := shard.Of(o.key)
	if !p.serves(s) || !p.machine.Alive(p.clock()) && !p.w.noLease {
		reply(0, errMoved)
		return
	}
	in := p.instances[o.key]
	if in == nil {
		in = &inst{p: p, key: o.key}
		in.machine.Limits = limits
		p.instances[o.key] = in
	}
	c := &instance.Command{Call: entity.Call{Command: o.kind, Payload: binary.BigEndian.AppendUint64(nil, o.id)}, Arrived: p.w.time()}
	c.Done = func(out entity.Outcome) {
		if out.Err != nil {
			reply(0, out.Err)
			return
		}
		reply(binary.BigEndian.Uint64(out.Reply.Value), nil)
	}
	in.machine.Submit(c, p.w.time())
	in.carryOut()
}

// serves reports whether commands for a shard are taken; by a mutant, also when
// it was sent away, and the answer is missing, and it is wanted here again.
func (p *process) serves(s shard.ID) bool {
	m := p.machine
	if p.w.resume && m.ID() != 0 && m.Epoch(s) != 0 {
		if p.wantBy != m.Table() {
			p.want, p.wantBy = m.Table().Want(), m.Table()
		}
		if p.want[s] == m.ID() {
			return true
		}
	}
	return m.Serves(s)
}

// time is the world's, for what wants a date.
func (w *world) time() time.Time { return time.Unix(0, 0).Add(w.now) }

func (in *inst) carryOut() {
	for len(in.machine.Outputs()) > 0 {
		todo := slices.Clone(in.machine.Outputs())
		in.machine.Forget()
		for _, o := range todo {
			in.do(o)
		}
	}
	if in.drained != nil && in.machine.Gone() {
		in.drained()
		in.drained = nil
	}
}

func (in *inst) do(o instance.Output) {
	switch o.Do {
	case instance.Open:
		in.load()
	case instance.Send:
		act, c := in.act, o.Command
		in.on(in.p.w.upTo(60*time.Millisecond), func() {
			if in.act == act && in.machine.Current() == c {
				in.answer(c)
			}
		})
	case instance.Commit:
		in.p.lanes[int(shard.Of(in.key))%lanes].Join(&in.act.chain, o.Command.Write)
	case instance.Release:
		in.release(o.Command)
	case instance.Finish, instance.Abort:
		in.act = nil
	case instance.Leave:
		if in.p.instances[in.key] == in && in.drained == nil {
			delete(in.p.instances, in.key)
			in.dead = true
		}
	}
}

// on has the instance do something in d, unless it is no more.
func (in *inst) on(d time.Duration, do func()) {
	in.p.on(d, func() {
		if !in.dead {
			do()
			in.carryOut()
		}
	})
}

// load reads the journal, as a strong read of the store.
func (in *inst) load() {
	act := &activation{member: in.p.machine.ID()}
	act.chain.Verdict = func(err error) {
		in.p.mu.Lock()
		defer in.p.mu.Unlock()
		in.p.told = append(in.p.told, verdict{in, act, err})
	}
	in.act = act
	in.p.call(func() any { return in.p.w.store.list(in.key) }, func(v any, err error) {
		if in.dead || in.act != act {
			return
		}
		if err != nil {
			in.machine.LoadFailed(fmt.Errorf("load: %w", entity.ErrUnavailable), in.p.w.time())
		} else {
			act.list = v.([]uint64)
			in.machine.Loaded(entity.Seq(len(act.list)), in.p.w.time())
		}
		in.carryOut()
	})
}

// answer is the function's to the command that it has.
func (in *inst) answer(c *instance.Command) {
	id, act := binary.BigEndian.Uint64(c.Call.Payload), in.act
	var d instance.Decision
	at := slices.Index(act.list, id) + 1
	switch {
	case c.Call.Command == write && at == 0:
		act.list = append(act.list, id)
		at = len(act.list)
		d.Write = entity.Write{Key: in.key, Events: []entity.Event{{Seq: in.machine.Last() + 1, Payload: entity.Payload{Value: c.Call.Payload}}}}
		if in.p.w.chance(15) {
			in.compact(&d.Write)
		}
	case c.Call.Command == read:
		at = len(act.list)
	}
	d.Restart = in.p.w.chance(2)
	d.Outcome.Reply.Value = binary.BigEndian.AppendUint64(nil, uint64(at))
	if in.p.w.noBarrier && d.Write.Empty() && c.Done != nil {
		c.Done(d.Outcome)
		c.Done = func(entity.Outcome) {}
	}
	in.machine.Answered(d, in.p.w.time())
}

// compact adds a snapshot to a write, and removes the events behind it.
func (in *inst) compact(w *entity.Write) {
	snap := &entity.Snapshot{Seq: in.machine.Last() + 1}
	for _, id := range in.act.list {
		snap.Value = binary.BigEndian.AppendUint64(snap.Value, id)
	}
	w.Snapshot, w.Trim = snap, snap.Seq
}

// release gives a client its outcome, and checks that it rests on what is stored.
func (in *inst) release(c *instance.Command) {
	w := in.p.w
	out := c.Standing(w.noLease || in.p.machine.Alive(in.p.clock()))
	if out.Err == nil && !w.noBarrier {
		id, at := binary.BigEndian.Uint64(c.Call.Payload), binary.BigEndian.Uint64(out.Reply.Value)
		stored := w.store.list(in.key)
		if int(at) > len(stored) {
			w.fault("%v: command %d is answered with %d, and only %d are stored", in.key, id, at, len(stored))
		} else if c.Call.Command == write && stored[at-1] != id {
			w.fault("%v: command %d is answered as number %d, which is command %d", in.key, id, at, stored[at-1])
		}
	}
	c.Done(out)
}

// verdict is what a lane says of a write.
func (p *process) verdict(v verdict) {
	if v.in.dead || !p.up {
		return
	}
	if errors.Is(v.err, lane.ErrEvicted) {
		// Whoever waits must not run again here: first of all this is known.
		p.machine.Evicted(v.act.member, p.clock())
		p.carryOut()
		return
	}
	v.in.machine.Verdict(v.err, p.w.time())
	v.in.carryOut()
}

// of returns the instances of a shard, in the order of the keys.
func (p *process) of(s shard.ID) []*inst {
	var all []*inst
	for _, key := range p.w.keys {
		if in := p.instances[key]; in != nil && shard.Of(key) == s {
			all = append(all, in)
		}
	}
	return all
}

// drain lets the instances of a shard finish what they have begun.
func (p *process) drain(s shard.ID, turn int64) {
	left := p.of(s)
	n := len(left)
	done := func() {
		if n--; n <= 0 {
			p.on(0, func() { p.machine.Drained(s, turn, false, p.clock()) })
		}
	}
	if n == 0 {
		done()
		return
	}
	for _, in := range left {
		in.drained = func() {
			delete(p.instances, in.key)
			in.dead = true
			done()
		}
		in.machine.Bounce(errMoved, p.w.time())
		in.carryOut()
	}
}

// resume takes a drain back.
func (p *process) resume(s shard.ID) {
	for _, in := range p.of(s) {
		in.drained = nil
		in.machine.Stay(p.w.time())
		in.carryOut()
		if in.machine.Gone() {
			delete(p.instances, in.key)
			in.dead = true
		}
	}
}

// sever ends what takes too long.
func (p *process) sever(s shard.ID) {
	for _, in := range p.of(s) {
		in.machine.Drop(errMoved, entity.ErrUnknownOutcome, p.w.time())
		in.carryOut()
	}
}

// closeShard checks that nothing is left of a shard that is another member's now.
func (p *process) closeShard(s shard.ID) {
	for _, in := range p.of(s) {
		if !p.w.resume {
			p.w.fault("process %d loses shard %d while it uses it", p.n, s)
		}
		in.end()
	}
}

// drop ends all that was done as a member.
func (p *process) drop(m entity.Member) {
	p.w.note("process %d is not member %d any more", p.n, m)
	for _, key := range p.w.keys {
		if in := p.instances[key]; in != nil {
			in.end()
		}
	}
	p.instances = nil
	p.endLanes()
}

// end drops an instance.
func (in *inst) end() {
	in.drained = nil
	in.machine.Drop(errMoved, entity.ErrUnknownOutcome, in.p.w.time())
	in.carryOut()
	delete(in.p.instances, in.key)
	in.dead = true
}

// list returns what is stored of a key.
func (s *store) list(key entity.Key) []uint64 {
	snap, err := s.Snapshot(context.Background(), key)
	if err != nil {
		panic(err)
	}
	var all []uint64
	for b := snap.Value; len(b) > 0; b = b[8:] {
		all = append(all, binary.BigEndian.Uint64(b))
	}
	for e, err := range s.Events(context.Background(), key, snap.Seq) {
		if err != nil {
			panic(err)
		}
		all = append(all, binary.BigEndian.Uint64(e.Value))
	}
	return all
}

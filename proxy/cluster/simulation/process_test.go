// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

const lanes = 2

// A process is one proxy, or the next one in the same pod.
type process struct {
	w      *world
	n      int // of the pod
	life   int // how often it was started
	up     bool
	paused time.Duration // until when
	cut    time.Duration // from the store, until when

	machine *member.Machine
	clockwork
	resumed
	awake
}

// A clockwork is a process's clock, and when the machine hears of the time next.
type clockwork struct {
	drift    float64
	offset   time.Duration
	tickAt   time.Duration
	tickLife int
}

// A resumed is what a mutant needs who serves what it should not.
type resumed struct {
	want   [shard.Count]entity.Member
	wantBy *shard.Table
}

// An awake is what a process is made of while it is a member.
type awake struct {
	dead      chan struct{} // closed when the process is killed
	lanes     []*lane.Lane
	stop      context.CancelFunc // of the lanes
	instances map[entity.Key]*inst

	mu      sync.Mutex // protects told, which lanes write
	told    []verdict
	pending []verdict // told, and not yet heard
}

// A verdict is what a lane said of a write of an activation.
type verdict struct {
	in  *inst
	act *activation
	err error
}

func newProcess(w *world, n int) *process {
	return &process{w: w, n: n, clockwork: clockwork{drift: w.rng.Float64()*0.06 - 0.03, offset: w.upTo(time.Hour)}}
}

// clock is the process's own.
func (p *process) clock() time.Duration {
	return p.offset + time.Duration(float64(p.w.now)*(1+p.drift))
}

func (p *process) start() {
	if p.up {
		return
	}
	p.life++
	p.up, p.paused = true, 0
	p.dead = make(chan struct{})
	name := fmt.Sprintf("%d.%d", p.n, p.life)
	p.machine = member.New(p.w.settings(), member.Newcomer{
		Process: shard.Process{UID: fmt.Sprint("pod-", p.n), Nonce: name, Born: int64(p.life), Addr: name, Revision: fmt.Sprint("r", p.n%2)},
		Layout:  shard.NewLayout(nil), Lanes: lanes, Incarnation: name,
	})
	p.w.note("process %d starts", p.n)
	p.machine.Start(p.clock())
	p.carryOut()
}

func (p *process) kill() {
	if !p.up {
		return
	}
	p.up = false
	close(p.dead)
	p.endLanes()
	p.instances, p.pending = nil, nil
}

func (p *process) crash() {
	if !p.up {
		return
	}
	p.w.note("process %d crashes", p.n)
	p.w.stats["crashes"]++
	p.kill()
	p.w.after(p.w.trouble(10*time.Second), p.start)
}

func (p *process) pause(d time.Duration) {
	p.paused = max(p.paused, p.w.now+d)
	p.w.note("process %d is paused for %v", p.n, d)
	p.w.stats["pauses"]++
}

func (p *process) quit() {
	p.on(0, func() {
		p.w.note("process %d quits", p.n)
		p.machine.Leave(true, p.clock())
	})
}

// illness makes the function unusable for a while.
func (p *process) illness(d time.Duration) {
	p.on(0, func() { p.machine.Leave(false, p.clock()) })
	p.on(d, func() { p.machine.Stay(p.clock()) })
}

// on has the process do something in d; later, if it is paused then; never, if it
// is dead then.
func (p *process) on(d time.Duration, do func()) { p.onLife(p.life, d, do) }

// onLife is on for the process as it was when it was started for that time.
func (p *process) onLife(life int, d time.Duration, do func()) {
	var try func()
	try = func() {
		switch {
		case !p.up || p.life != life:
		case p.paused > p.w.now:
			p.w.after(p.paused-p.w.now+p.w.upTo(time.Millisecond), try)
		default:
			do()
			if p.up {
				p.carryOut()
			}
		}
	}
	p.w.after(d, try)
}

// call sends a request to the store. It may be lost, or come twice, or late, or
// its answer is lost; done hears of that after a while.
func (p *process) call(request func() any, done func(any, error)) {
	w, life, over := p.w, p.life, false
	finish := func(v any, err error) {
		if !over {
			over = true
			done(v, err)
		}
	}
	send := func(answered bool) {
		if !w.calm() && w.chance(w.temper.lost) {
			return
		}
		w.after(w.delay(), func() {
			if w.store.away > w.now || p.cut > w.now {
				return
			}
			v := request()
			if answered && (w.calm() || !w.chance(w.temper.unanswered)) {
				p.onLife(life, w.delay(), func() { finish(v, nil) })
			}
		})
	}
	p.on(0, func() { send(true) })
	if !w.calm() && w.chance(w.temper.twice) {
		p.on(w.upTo(time.Second), func() { send(false) })
	}
	p.on(3*time.Second, func() { finish(nil, errUnanswered) })
}

// carryOut does what the machine asks for, and sees to it that it hears the time.
func (p *process) carryOut() {
	for p.up && len(p.machine.Outputs()) > 0 {
		todo := append([]member.Output(nil), p.machine.Outputs()...)
		p.machine.Forget()
		for _, o := range todo {
			if p.up {
				p.do(o)
			}
		}
	}
	if !p.up {
		return
	}
	wait := max(p.machine.Next(p.clock())-p.clock(), time.Millisecond)
	if p.tickAt > p.w.now && p.tickAt <= p.w.now+wait && p.tickLife == p.life {
		return // it hears the time before
	}
	p.tickAt, p.tickLife = p.w.now+wait, p.life
	p.on(wait, func() { p.machine.Tick(p.clock()) })
}

func (p *process) do(o member.Output) {
	if o.Do >= member.Open && o.Do <= member.Close && p.w.tracked(o.Shard) {
		p.w.note("process %d, member %d: %v shard %d at epoch %d", p.n, o.Member, o.Do, o.Shard, o.Epoch)
	}
	switch o.Do {
	case member.Renew, member.Look:
		p.beat(o)
	case member.Transact:
		p.transact(o.Op)
	case member.Ask:
		p.ask(o)
	case member.Begin:
		p.begin(o.Member)
	case member.Open: // instances come with their commands
	case member.Drain:
		p.drain(o.Shard, o.Turn)
	case member.Sever:
		p.sever(o.Shard)
	case member.Resume:
		p.resume(o.Shard)
	case member.Close:
		p.closeShard(o.Shard)
	case member.Drop:
		p.drop(o.Member)
	case member.Left:
		p.w.note("process %d has left", p.n)
		p.w.stats["quits"]++
		p.kill()
		p.w.after(p.w.upTo(5*time.Second), p.start)
	}
}

func (p *process) beat(o member.Output) {
	s := p.w.store
	if o.Do == member.Renew {
		p.call(func() any { return answer{err: s.renew(p, o.Member)} }, func(v any, err error) {
			if err == nil {
				err = v.(answer).err
			}
			sent := o.Sent
			if p.w.leaseFromAck {
				sent = p.clock()
			}
			p.machine.Renewed(o.Member, sent, err, p.clock())
		})
		return
	}
	known := entity.Placement{}
	if t := p.machine.Table(); t != nil {
		known.Incarnation, known.Version = t.Incarnation, t.Version
	}
	p.call(func() any { return s.look(known, o.To) }, func(v any, err error) {
		sight, _ := v.(entity.Sight)
		var table *shard.Table
		if err == nil && sight.Placement.Table != nil {
			table, err = shard.Decode(sight.Placement)
		}
		p.machine.Seen(o.Member, table, sight.Neighbour, err, p.clock())
	})
}

// transact makes a transition; the table also comes to who has done it before.
func (p *process) transact(op *member.Op) {
	type result struct {
		table *shard.Table
		id    entity.Member
		err   error
	}
	if p.w.doubleJoin && op.Kind == member.Join {
		op.UID, op.Nonce = "", fmt.Sprint(op.Nonce, "/", p.w.now)
	}
	p.call(func() any {
		table, id, err := p.w.store.transact(p, op)
		return result{table, id, err}
	}, func(v any, err error) {
		r, _ := v.(result)
		if err == nil {
			err = r.err
		}
		p.machine.Transacted(op, r.table, r.id, err, p.clock())
	})
}

// ask asks another process whether it can take shards.
func (p *process) ask(o member.Output) {
	life := p.life
	for _, other := range p.w.processes {
		if other.up && other.machine.ID() == o.To && !p.w.chance(2) {
			other.on(p.w.delay(), func() {
				if other.machine.ID() == o.To {
					p.onLife(life, p.w.delay(), func() { p.machine.Ready(o.To, p.clock()) })
				}
			})
		}
	}
}

// begin makes the lanes of a member that the process has just become. Its shards
// were opened before; they have no instances yet.
func (p *process) begin(id entity.Member) {
	p.endLanes()
	p.instances = map[entity.Key]*inst{}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.lanes = cancel, nil
	for i := range lanes {
		l := lane.New(slog.New(slog.DiscardHandler), lane.Config{
			Store: link{p, p.dead}, Member: id, Lane: i, MaxWrites: 8, MaxBytes: 1 << 20, Stats: &lane.Stats{},
			Jitter: func(d time.Duration) time.Duration { return d / 3 },
		})
		p.lanes = append(p.lanes, l)
		p.w.work.Go(func() { _ = l.Run(ctx) }) // an eviction is told to every write
	}
}

// endLanes lets the lanes end: what they still want is of no interest.
func (p *process) endLanes() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// verdicts takes in what the lanes said, and returns whether they did.
func (p *process) verdicts() bool {
	p.mu.Lock()
	told := p.told
	p.told = nil
	p.mu.Unlock()
	if len(told) == 0 {
		return false
	}
	p.pending = append(p.pending, told...)
	p.on(0, func() {
		all := p.pending
		p.pending = nil
		for _, v := range all {
			p.verdict(v)
		}
	})
	return true
}

// skew is how wrong the process's wall clock is.
func (p *process) skew() time.Duration { return time.Duration(p.drift * 100 * float64(2*time.Second)) }

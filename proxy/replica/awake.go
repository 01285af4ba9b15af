// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
)

// An awake is one instance that is awake, or about to be.
type awake struct {
	set  *Set
	part *part
	key  entity.Key
	kind

	mu      sync.Mutex // protects what follows
	machine *exchange.Machine
	data    *crdt.Data // the machine's
	results agenda     // for the callers
	writers int        // goroutines that send to streams of this instance
	dead    bool       // not in its part any more
	act     *activation
	alarm
}

// A kind is what all instances of an entity have in common.
type kind struct {
	*route.Entity
	stats *Stats
}

type alarm struct {
	timer *time.Timer
	at    time.Time // when it goes off; zero if it doesn't
}

// An activation is one stream of an instance, from before it is opened. What it
// has is protected by awake.mu.
type activation struct {
	end    func() // ends the stream; may be called often
	began  time.Time
	stream live.Stream // nil until it is open
	sends  agenda      // for the stream
	grace  *time.Timer // until it is ended, once it is half-closed
	reading
	sending
}

type reading struct {
	busy  bool  // a goroutine reads the stream
	ended error // what it read at last, while a message was being sent
}

type sending struct {
	now     bool  // a message is being sent
	failed  bool  // nothing can be sent any more
	command int64 // the last command that was sent
	after   int   // messages that were sent after it
	prompt  bool  // the function has read all that was sent
}

func (s *Set) newAwake(key entity.Key, e *route.Entity, p *part, data *crdt.Data) *awake {
	st, members := s.statsOf(e.Name)
	return &awake{
		set: s, part: p, key: key, kind: kind{e, st}, data: data,
		machine: exchange.New(exchange.Config{
			Limits: &s.Limits, Self: s.Self, Service: e.Service, ID: key.ID,
			Idle: cmp.Or(e.Passivation, s.Idle), Members: members, Shared: s.Replicator != nil,
		}, data),
	}
}

// submit returns false if the instance was forgotten meanwhile.
func (in *awake) submit(c *exchange.Call) bool {
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		return false
	}
	in.stats.Received.Add(1)
	if c.Streamed {
		in.stats.Open.Add(1)
	}
	in.machine.Submit(c, c.Arrived)
	in.carryOut()
	return true
}

func (in *awake) taken(c *exchange.Call) {
	in.mu.Lock()
	in.machine.Taken(c, time.Now())
	in.carryOut()
}

func (in *awake) cancel(c *exchange.Call, err error) {
	in.mu.Lock()
	in.machine.Cancel(c, err, time.Now())
	in.carryOut()
}

func (in *awake) tick() {
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		return
	}
	in.at = time.Time{}
	if in.machine.Tick(time.Now()) {
		in.stats.Passivated.Add(1)
	}
	in.carryOut()
}

// idle reports whether the instance is of no use.
func (in *awake) idle() bool {
	return in.machine.Gone() && in.results.len() == 0 && !in.results.busy && in.writers == 0
}

// carryOut carries out what the machine asks for, or leaves it to those who do
// so already. It is called with in.mu held and releases it.
func (in *awake) carryOut() {
	in.plan()
	for more := true; more; {
		if !in.results.busy && in.results.len() > 0 {
			in.results.busy = true
			in.give()
		}
		more = in.act != nil && in.startWriting(in.act)
	}
	in.listen()
	in.schedule()
	idle := in.idle() && !in.dead
	in.mu.Unlock()
	if idle {
		in.part.forget(in)
	}
}

// plan turns what the machine asks for into tasks for the stream that there is
// at this moment. A stream that is given up ends here and now, since whoever
// sends may wait for it.
func (in *awake) plan() {
	for _, o := range in.machine.Outputs() {
		switch o.Do {
		case exchange.Open:
			ctx, end := context.WithCancel(context.Background()) //nolint:forbidigo // a stream outlives the call that opens it
			act := &activation{end: end, began: time.Now()}
			in.act = act
			in.set.work.Go(func() { in.open(ctx, act) })
		case exchange.Send:
			in.act.sends.push(o)
			in.count(o.Message)
		case exchange.Finish:
			act := in.leave()
			act.grace = time.AfterFunc(in.set.Grace, act.end)
			act.sends.push(o)
			in.startWriting(act)
		case exchange.Abort:
			if act := in.leave(); act != nil {
				act.end()
				in.stats.Broken.Add(1)
			}
		default:
			in.results.push(o)
		}
	}
	in.machine.Forget()
}

// leave takes the stream away from the instance.
func (in *awake) leave() *activation {
	act := in.act
	in.act = nil
	if act != nil {
		in.stats.ActiveTime.Observe(time.Since(act.began))
	}
	return act
}

func (in *awake) count(m exchange.Outgoing) {
	switch m.(type) {
	case *exchange.Delta:
		in.stats.Deltas.Add(1)
	case *exchange.Cancel:
		in.stats.Cancelled.Add(1)
	}
}

// schedule sees to it that tick is called in time.
func (in *awake) schedule() {
	due := in.machine.Due()
	if due.IsZero() || in.dead || !in.at.IsZero() && !due.Before(in.at) {
		return
	}
	in.at = due
	wait := max(time.Until(due), 0)
	if in.timer == nil {
		in.timer = time.AfterFunc(wait, in.tick)
	} else {
		in.timer.Reset(wait)
	}
}

// stint is how many results a goroutine carries out for one instance before it
// leaves the rest to a fresh one: a caller must come back.
const stint = 128

// give carries out what is for the callers. It is called with in.mu held.
func (in *awake) give() {
	for n := 0; in.results.len() > 0; n++ {
		if n == stint {
			in.set.work.Go(func() {
				in.mu.Lock()
				in.give()
				in.carryOut()
			})
			return
		}
		o := in.results.pop()
		in.mu.Unlock()
		in.do(o)
		in.mu.Lock()
		in.plan()
	}
	in.results.busy = false
}

func (in *awake) do(o exchange.Output) {
	switch o.Do {
	case exchange.Release:
		in.stats.Total.Observe(time.Since(o.Call.Arrived))
		in.over(o.Outcome.Err)
		o.Call.Done(o.Outcome)
	case exchange.Put:
		in.stats.Messages.Add(1)
		o.Call.Put(o.Outcome)
	case exchange.End:
		in.stats.Open.Add(-1)
		in.over(o.Err)
		o.Call.End(o.Err)
	case exchange.Write:
		in.stats.Writes.Add(1)
		in.set.Replicator.Write(in.key, o.Write.Part, o.Write.Consistency, func(err error) {
			in.mu.Lock()
			in.machine.Written(o.Write, err, time.Now())
			in.carryOut()
		})
	case exchange.Tell:
		in.set.log.Warn("user function broke the protocol", "instance", in.key.String(), "err", o.Err)
		in.set.Report(fmt.Sprintf("%v: %v", in.key, o.Err))
	default:
	}
}

func (in *awake) over(err error) {
	if err != nil {
		in.stats.Failed.Add(1)
	} else {
		in.stats.Completed.Add(1)
	}
}

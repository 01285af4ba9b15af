// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/wire"
)

// An awake is one instance that is awake, or about to be.
type awake struct {
	set *Set
	key entity.Key
	kind

	mu       sync.Mutex // protects what follows
	machine  instance.Machine
	*agendas      // nil while there is nothing to be done: most instances are idle most of the time
	dead     bool // not in its part any more
	watched  bool // the alarm of its part is set for it

	at     shard.ID // never changes, nor does the next
	tenure uint32   // as whose it has come up

	act  *activation
	used moment // when something last happened
}

// A kind is what all instances of an entity have in common.
type kind struct {
	*route.Entity
	protocol *protocol
	stats    *Stats
}

// An activation is one stream of an instance, from before it is opened.
type activation struct {
	life   lifetime // ending it ends the stream
	chain  lane.Chain
	stream Stream // nil until it is open; protected by awake.mu until then
	began  moment

	// Protected by awake.mu.
	moved   moment // when the load last got on
	sent    int64  // id of the last command that was handed over
	reading bool   // a goroutine reads the stream
	ended   error  // why the stream ended, found out before the command was handed over
}

// A task is something to be carried out, and for which stream.
type task struct {
	instance.Output
	act  *activation
	id   int64 // of the command that is to be sent; the command may get another one later
	last bool  // to forget the instance: whether everything else was done
}

func (s *Set) newAwake(key entity.Key, at shard.ID, e *route.Entity) *awake {
	in := &awake{set: s, key: key, at: at, tenure: s.tenure.Load().n, kind: kind{e, s.protocols.of(e), s.statsOf(e.Name)}}
	in.machine.Limits = &s.Limits
	return in
}

// submit returns false if the instance was forgotten meanwhile.
func (in *awake) submit(cmd *instance.Command) bool {
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		return false
	}
	if !in.set.gates[in.at].takes(cmd) { // the gate may have been closed since it was found
		in.mu.Unlock()
		cmd.Done(entity.Outcome{Err: instance.ErrMoved})
		return true
	}
	in.used = in.set.moment(cmd.Arrived)
	in.stats.Received.Add(1)
	in.ready()
	in.machine.Submit(cmd, cmd.Arrived)
	if cmd.ID == 0 && cmd.Outcome.Err == nil {
		in.stats.Stashed.Add(1)
	}
	in.carryOut()
	return true
}

// verdict is called by the lane.
func (in *awake) verdict(err error) {
	if err != nil && !errors.Is(err, entity.ErrRepeated) {
		in.set.log.Error("write was not stored", "instance", in.key.String(), "err", err)
	}
	in.mu.Lock()
	in.machine.Verdict(err, time.Now())
	in.carryOut()
}

// passivate gives the stream up if it is not in use.
func (in *awake) passivate() {
	in.mu.Lock()
	in.machine.Passivate()
	in.carryOut()
}

func (in *awake) stop() {
	in.mu.Lock()
	in.machine.Stop(time.Now())
	in.carryOut()
}

// stint is how many tasks a goroutine carries out for one instance before it
// leaves the rest to a fresh one: a caller must come back, and the lane get on,
// however busy the instance is.
const stint = 128

// carryOut carries out what the machine asks for, or leaves it to the goroutine
// that does so already. It is called with in.mu held and releases it.
func (in *awake) carryOut() {
	in.ready()
	in.plan()
	for _, q := range []*agenda{&in.tasks, &in.results} {
		if !q.busy && q.len() > 0 {
			q.busy = true
			in.work(q)
		}
	}
	in.rest()
	in.mu.Unlock()
}

// work carries out what is in q until there is nothing, or hands over. It is
// called with in.mu held.
func (in *awake) work(q *agenda) {
	for n := 0; q.len() > 0; n++ {
		if n == stint {
			in.set.work.Go(func() {
				in.mu.Lock()
				in.work(q)
				in.carryOut()
			})
			return
		}
		t := q.pop()
		in.mu.Unlock()
		in.do(t)
		in.mu.Lock()
		in.plan()
	}
	q.busy = false
}

// plan turns what the machine asks for into tasks for the stream that there is
// at this moment. A stream that is given up ends here and now, since a task
// that is being carried out may wait for it.
func (in *awake) plan() {
	for _, o := range in.machine.Outputs() {
		t := task{Output: o, act: in.act}
		switch o.Do {
		case instance.Open:
			in.act = in.newActivation()
			t.act = in.act
		case instance.Send:
			t.id = o.Command.ID
			in.countStash(o.Command)
		case instance.Finish, instance.Abort:
			if in.act == nil {
				continue
			}
			if o.Do == instance.Abort {
				in.act.life.end()
			}
			in.act = nil
		case instance.Release, instance.Leave:
			in.results.push(t)
			continue
		default:
		}
		in.tasks.push(t)
	}
	in.machine.Forget()
}

func (in *awake) newActivation() *activation {
	act := &activation{began: in.set.moment(time.Now())}
	act.chain.Verdict = in.verdict
	in.used, act.moved = act.began, act.began
	if !in.watched {
		in.watch(time.Now(), in.period())
	}
	return act
}

func (in *awake) do(t task) {
	switch t.Do {
	case instance.Open:
		in.set.work.Go(func() { in.load(t.act) })
	case instance.Send:
		if t.id == 1 {
			// The function may still be busy with the replay, so that this
			// may block; later ones find that it has read all before them.
			in.set.work.Go(func() { in.send(t) })
		} else {
			in.send(t)
		}
	case instance.Commit:
		in.commit(t)
	case instance.Recall:
		in.set.work.Go(func() { in.recall(t.Command) })
	case instance.Release:
		in.release(t.Command)
	case instance.Finish:
		in.stats.ActiveTime.Observe(in.set.since(t.act.began, time.Now()))
		in.set.work.Go(func() { t.act.finish(in.set.Grace, in.protocol) })
	case instance.Abort:
		in.stats.Broken.Add(1)
		in.stats.ActiveTime.Observe(in.set.since(t.act.began, time.Now()))
	case instance.Leave:
		if !t.last {
			in.leaveLast(t)
			return
		}
		in.set.part(in.at).forget(in)
	}
}

// leaveLast puts the task to forget the instance, which came after all results,
// after all that concerns the stream, too.
func (in *awake) leaveLast(t task) {
	t.last = true
	in.mu.Lock()
	in.tasks.push(t)
	in.carryOut()
}

// errEnded is for a client whose command the function never got.
var errEnded = fmt.Errorf("user function ends its streams at once: %w", entity.ErrUnavailable)

// send hands a command to the function, and sees to it that somebody reads the
// answer.
func (in *awake) send(t task) {
	act, cmd := t.act, t.Command
	err := act.stream.Send(in.protocol.command(wire.Command{
		Instance: in.key.ID,
		ID:       t.id,
		Name:     cmd.Call.Command,
		Payload:  entity.Payload{TypeURL: cmd.TypeURL, Value: cmd.Call.Payload},
		Metadata: in.Headers.Of(cmd.Call.Metadata),
	}))
	if errors.Is(err, io.EOF) {
		err = in.whyEnded(act)
	}
	in.mu.Lock()
	switch {
	case in.act != act || in.machine.Current() != cmd:
		// The stream was given up, or the answer is there already.
	case err != nil:
		in.machine.SendFailed(err, time.Now())
	case act.ended != nil: // the function may have got the command
		in.machine.Broken(in.streamError(act.ended), time.Now())
	default:
		act.sent = t.id
		if !act.reading {
			act.reading = true
			in.set.readers.read(in, act)
		}
	}
	in.carryOut()
}

func (in *awake) countStash(cmd *instance.Command) {
	if wait := cmd.Sent.Sub(cmd.Arrived); wait > 0 {
		in.stats.Unstashed.Add(1)
		in.stats.StashTime.Observe(wait)
	}
}

func (in *awake) release(cmd *instance.Command) {
	now := time.Now()
	outcome := cmd.Standing(in.standing())
	in.stats.Total.Observe(now.Sub(cmd.Arrived))
	if outcome.Err != nil {
		in.stats.Failed.Add(1)
	} else {
		in.stats.Completed.Add(1)
	}
	if cmd.Write.Steps() > 0 {
		in.stats.Persist.Observe(now.Sub(cmd.Answered))
	}
	cmd.Done(outcome)
}

func (in *awake) countWrite(w *entity.Write) {
	for i := range w.Events {
		in.stats.PersistedEvents.add(len(w.Events[i].Value))
	}
	if w.Snapshot != nil {
		in.stats.PersistedSnapshots.add(len(w.Snapshot.Value))
	}
	if w.Value != nil {
		in.stats.PersistedValues.add(len(w.Value.Value))
	}
}

// tick passivates the instance, or ends a wait for the function, if it is time.
func (in *awake) tick() {
	in.mu.Lock()
	if in.dead {
		in.mu.Unlock()
		return
	}
	now := time.Now()
	if in.machine.Tick(in.idle(), in.set.since(in.moved(), now), now) {
		in.stats.Passivated.Add(1)
	}
	if in.machine.Gone() { // the next activation sets it again
		in.watched = false
	} else {
		in.watch(now, in.next(now))
	}
	in.carryOut()
}

// watch has tick called after wait.
func (in *awake) watch(now time.Time, wait time.Duration) {
	in.watched = true
	in.set.part(in.at).alarm.set(in, now, wait)
}

// moved returns when the instance was last used, or its load last got on.
func (in *awake) moved() moment {
	if in.loading() {
		return in.act.moved
	}
	return in.used
}

func (in *awake) loading() bool { return in.act != nil && in.act.stream == nil }

func (in *awake) idle() time.Duration {
	if in.Passivation > 0 {
		return in.Passivation
	}
	return in.set.Idle
}

// period is how often it has to be looked whether something takes too long.
func (in *awake) period() time.Duration {
	return max(min(in.idle(), in.set.Limits.Answer), time.Millisecond)
}

// next returns when to look again.
func (in *awake) next(now time.Time) time.Duration {
	wait := in.idle() - in.set.since(in.used, now)
	switch c := in.machine.Current(); {
	case c != nil:
		wait = in.set.Limits.Answer - now.Sub(c.Sent)
	case in.loading():
		wait = in.set.Limits.Answer - in.set.since(in.act.moved, now)
	}
	if wait <= 0 { // it is for the store now
		return in.period()
	}
	return min(max(wait, time.Millisecond), in.period())
}

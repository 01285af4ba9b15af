// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// The game of one seed: so long there is trouble, then calm, then the end.
const (
	turmoil = 45 * time.Second
	rest    = 20 * time.Second
	settled = 8 * time.Second // of the rest: nothing moves any more
)

// A world is everything. Only its goroutine touches it, but for calls.
type world struct {
	mutant
	temper temper
	rng    *rand.Rand
	now    time.Duration
	events queue
	seq    int
	work   sync.WaitGroup // the lanes
	record

	cast
}

// A cast is who plays.
type cast struct {
	store     *store
	processes []*process
	keys      []entity.Key
	clients
}

// A record is what is known of a game.
type record struct {
	trace func(format string, args ...any) // nil if nobody reads it
	bad   []string                         // promises that were broken
	print uint64                           // of all that has happened
	stats map[string]int

	settled int64 // the placement's version when it should have come to rest
}

// settings are those of a proxy, but for the jitter, which follows the seed.
func (w *world) settings() *member.Settings {
	return &member.Settings{
		Lease: 6 * time.Second, Beat: 2 * time.Second, Margin: 500 * time.Millisecond,
		Quiet: time.Second, Moves: 64, Drain: 3 * time.Second, Retry: 500 * time.Millisecond,
		Jitter: func(d time.Duration) time.Duration { return d*8/10 + w.upTo(d*4/10) },
	}
}

func newWorld(seed uint64, g game) *world {
	w := &world{mutant: g.mutant, rng: rand.New(rand.NewPCG(seed, 7)), record: record{stats: map[string]int{}}}
	w.temper, w.store = newTemper(w.rng), newStore(w)
	if g.in != nil {
		g.in(&w.temper)
	}
	for i := range w.temper.keys {
		w.keys = append(w.keys, entity.Key{Entity: "sim.List/list", ID: fmt.Sprint(i)})
	}
	for i := range 3 + w.rng.IntN(2) {
		w.processes = append(w.processes, newProcess(w, i))
	}
	return w
}

// An event is something that happens at a time.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// after has do happen in d.
func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + max(d, 0), w.seq, do})
}

// upTo returns a time below d.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

// trouble returns a time below d that ends when the trouble does.
func (w *world) trouble(d time.Duration) time.Duration {
	return w.upTo(max(min(d, turmoil-w.now), time.Millisecond))
}

// chance is true in percent of all cases.
func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) calm() bool { return w.now >= turmoil }

// note is for the trace, and makes what happened part of the print.
func (w *world) note(format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d "+format, append([]any{w.print, w.now}, args...)...)
	w.print = h.Sum64()
	if w.trace != nil {
		w.trace("%8.3f "+format, append([]any{w.now.Seconds()}, args...)...)
	}
}

// fault notes that a promise is broken.
func (w *world) fault(format string, args ...any) {
	w.bad = append(w.bad, fmt.Sprintf("at %.3f: ", w.now.Seconds())+fmt.Sprintf(format, args...))
	w.note("FAULT "+format, args...)
}

// run plays the game, in a bubble of synctest, and ends what it has started.
func (w *world) run() {
	for _, p := range w.processes {
		w.after(w.upTo(time.Second), p.start)
	}
	for i := range 8 {
		w.after(w.upTo(3*time.Second), func() { w.client(i) })
	}
	w.after(time.Second, w.chaos)
	for w.now < turmoil+rest && len(w.bad) == 0 && len(w.events) > 0 {
		e := heap.Pop(&w.events).(event)
		w.sleep(e.at)
		e.do()
		w.settle()
		w.checkAlways()
	}
	if len(w.bad) == 0 {
		w.checkEnd()
	}
	for _, p := range w.processes {
		p.kill()
	}
	w.work.Wait()
}

// sleep lets time pass until at; a lane may want something meanwhile.
func (w *world) sleep(at time.Duration) {
	for w.now < at {
		start := time.Now()
		timer := time.NewTimer(at - w.now)
		select {
		case <-timer.C:
			w.now = at
		case c := <-w.store.wanted:
			timer.Stop()
			w.now += time.Since(start)
			w.store.take(c)
			w.settle()
		}
	}
}

// settle lets the lanes run until all of them wait, and takes in what they want
// and what they say.
func (w *world) settle() {
	for {
		synctest.Wait()
		busy := false
		select {
		case c := <-w.store.wanted:
			w.store.take(c)
			busy = true
		default:
		}
		for _, p := range w.processes {
			busy = p.verdicts() || busy
		}
		if !busy {
			return
		}
	}
}

// A temper is what a world is like, which differs from seed to seed: one has a
// bad network, in another one processes come and go.
type temper struct {
	lost, unanswered, twice, late int // percent of all requests
	writes                        int // percent of all commands
	keys                          int
	every                         time.Duration
	chaos                         [7]int // how often each kind of trouble comes, compared to the others
}

func newTemper(rng *rand.Rand) temper {
	t := temper{
		lost: rng.IntN(6), unanswered: rng.IntN(10), twice: rng.IntN(8), late: rng.IntN(12), writes: 3 + rng.IntN(60), keys: 1 + rng.IntN(5),
		every: time.Second + time.Duration(rng.Int64N(int64(4*time.Second))),
	}
	for i := range t.chaos {
		t.chaos[i] = rng.IntN(4) * rng.IntN(4)
	}
	t.chaos[rng.IntN(len(t.chaos))]++
	return t
}

// delay is how long a message takes.
func (w *world) delay() time.Duration {
	const ms = time.Millisecond
	if w.calm() {
		return ms + w.upTo(5*ms)
	}
	switch x := w.rng.IntN(100); {
	case x < w.temper.late/2:
		return w.trouble(20 * time.Second)
	case x < 2*w.temper.late:
		return w.trouble(3 * time.Second)
	default:
		return ms + w.upTo(20*ms)
	}
}

// chaos is the world's bad will.
func (w *world) chaos() {
	if w.now > turmoil-time.Second {
		return
	}
	w.after(w.temper.every/4+w.upTo(w.temper.every), w.chaos)
	p := w.processes[w.rng.IntN(len(w.processes))]
	switch w.pick() {
	case 0:
		p.pause(w.trouble(20 * time.Second))
	case 1:
		p.crash()
	case 2:
		w.weigh()
		w.after(w.upTo(w.temper.every)*2, w.weigh)
	case 3:
		p.quit()
	case 4:
		p.illness(w.trouble(8 * time.Second))
	case 5:
		p.cut = max(p.cut, w.now+w.trouble(20*time.Second))
		w.note("process %d is cut from the store for %v", p.n, p.cut-w.now)
	case 6:
		w.store.away = max(w.store.away, w.now+w.trouble(13*time.Second))
		w.note("store is away for %v", w.store.away-w.now)
	}
}

// pick returns which kind of trouble comes next.
func (w *world) pick() int {
	sum := 0
	for _, n := range w.temper.chaos {
		sum += n
	}
	x := w.rng.IntN(sum)
	for i, n := range w.temper.chaos {
		if x -= n; x < 0 {
			return i
		}
	}
	return 0
}

// tracked reports whether there are commands for a shard.
func (w *world) tracked(s shard.ID) bool {
	return slices.ContainsFunc(w.keys, func(key entity.Key) bool { return shard.Of(key) == s })
}

// weigh changes what is wanted; it may change back.
func (w *world) weigh() {
	percent := []int{0, 0, 30, 100, 100}[w.rng.IntN(5)]
	w.note("revision r0 gets %d percent", percent)
	w.store.change(func(t *shard.Table) *shard.Table {
		if len(t.Members) == 0 {
			return t
		}
		return t.Weigh(shard.Weights{Generation: t.Weights.Generation + 1, Percent: []shard.Weight{
			{Revision: "r0", Percent: percent}, {Revision: "r1", Percent: 100 - percent},
		}})
	})
}

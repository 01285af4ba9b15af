// SPDX-License-Identifier: Apache-2.0

package live

import (
	"container/heap"
	"sync"
	"time"
)

// An alarm wakes many instances, each at a time of its own, with one timer: most
// instances are idle, and a timer of its own is the largest thing that an idle
// one would need.
type alarm struct {
	mu    sync.Mutex // protects what follows; taken after an instance's own
	calls calls
	timer *time.Timer
}

// A wakeUp is the moment at which an instance is to be woken. One that is dead by
// then is kept for as long.
type wakeUp struct {
	at moment
	in *awake
}

// set has in woken after wait. There is at most one set for an instance.
func (a *alarm) set(in *awake, now time.Time, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := wakeUp{in.set.moment(now.Add(wait)), in}
	heap.Push(&a.calls, w)
	switch {
	case a.calls[0] != w: // the timer rings before
	case a.timer == nil:
		a.timer = time.AfterFunc(wait, a.ring)
	default:
		a.timer.Reset(wait)
	}
}

// ring wakes all whose time has come.
func (a *alarm) ring() {
	for in := a.next(); in != nil; in = a.next() {
		in.tick()
	}
}

// next takes out an instance whose time has come. If there is none it returns
// nil, after it has set the timer.
func (a *alarm) next() *awake {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.calls) == 0 {
		return nil
	}
	first := a.calls[0]
	if wait := -first.in.set.since(first.at, time.Now()); wait > 0 {
		a.timer.Reset(wait)
		return nil
	}
	heap.Pop(&a.calls)
	return first.in
}

// stop forgets everything.
func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = nil
	if a.timer != nil {
		a.timer.Stop()
	}
}

// calls are a heap, the earliest first.
type calls []wakeUp

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].at < c[j].at }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)        { *c = append(*c, x.(wakeUp)) }

func (c *calls) Pop() any {
	last := len(*c) - 1
	w := (*c)[last]
	(*c)[last] = wakeUp{}
	*c = (*c)[:last]
	return w
}

// SPDX-License-Identifier: Apache-2.0

package live

import "github.com/kairn-dev/kairn/proxy/instance"

// The agendas of an instance are apart, so that callers don't hold up the
// function.
type agendas struct {
	tasks   agenda // for the stream and the lane
	results agenda // for the callers
	room    instance.Room
}

// maxSpare is how many tasks an agenda that is kept has place for.
const maxSpare = 64

// ready has the instance use agendas that others have used before, if it has
// none: it has something to do.
func (in *awake) ready() {
	if in.agendas != nil {
		return
	}
	in.agendas, _ = in.set.spare.Get().(*agendas)
	if in.agendas == nil {
		in.agendas = &agendas{}
	}
	in.machine.Borrow(&in.room)
}

// rest keeps the agendas for others if there is nothing to do.
func (in *awake) rest() {
	if in.tasks.busy || in.results.busy || !in.machine.Trim(&in.room) {
		return
	}
	a := in.agendas
	in.agendas = nil
	if cap(a.tasks.items) <= maxSpare && cap(a.results.items) <= maxSpare {
		in.set.spare.Put(a)
	}
}

// An agenda is a queue of tasks that keeps its array.
type agenda struct {
	items []task
	head  int
	busy  bool // somebody carries them out
}

func (q *agenda) len() int { return len(q.items) - q.head }

func (q *agenda) push(t task) { q.items = append(q.items, t) }

func (q *agenda) pop() task {
	t := q.items[q.head]
	q.items[q.head] = task{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return t
}

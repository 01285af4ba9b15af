// SPDX-License-Identifier: Apache-2.0

package live

// The agendas of an instance are apart, so that callers don't hold up the
// function.
type agendas struct {
	tasks   agenda // for the stream and the lane
	results agenda // for the callers
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

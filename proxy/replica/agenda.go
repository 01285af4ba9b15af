// SPDX-License-Identifier: Apache-2.0

package replica

import "github.com/kairn-dev/kairn/proxy/replica/exchange"

// An agenda is a queue of things to be carried out that keeps its array.
type agenda struct {
	items []exchange.Output
	head  int
	busy  bool // somebody carries them out
}

func (q *agenda) len() int { return len(q.items) - q.head }

func (q *agenda) push(o exchange.Output) { q.items = append(q.items, o) }

func (q *agenda) pop() exchange.Output {
	o := q.items[q.head]
	q.items[q.head] = exchange.Output{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return o
}

// SPDX-License-Identifier: Apache-2.0

package instance

// A fifo is a queue that can take things back. It frees what it doesn't hold.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) at(i int) T { return q.items[q.head+i] }

func (q *fifo[T]) push(v T) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		q.compact()
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) pop() T {
	v := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v
}

func (q *fifo[T]) popBack() T {
	last := len(q.items) - 1
	v := q.items[last]
	var zero T
	q.items[last] = zero
	q.items = q.items[:last]
	return v
}

func (q *fifo[T]) pushFront(v T) {
	if q.head == 0 {
		q.items = append(q.items, v)
		copy(q.items[1:], q.items)
		q.items[0] = v
		return
	}
	q.head--
	q.items[q.head] = v
}

// compact moves the items to the start of the array and returns them.
func (q *fifo[T]) compact() []T {
	n := copy(q.items, q.items[q.head:])
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
	return q.items
}

// borrow takes the array of from, if q has none.
func (q *fifo[T]) borrow(from *[]T) {
	if cap(q.items) == 0 {
		q.items, *from = *from, nil
	}
}

// lend gives the array of q, which is empty, to to.
func (q *fifo[T]) lend(to *[]T) {
	*to = handed(q.items)
	*q = fifo[T]{}
}

// index returns the first position for which is holds, or -1.
func (q *fifo[T]) index(is func(T) bool) int {
	for i := range q.len() {
		if is(q.at(i)) {
			return i
		}
	}
	return -1
}

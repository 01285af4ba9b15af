// SPDX-License-Identifier: Apache-2.0

package instance

// A Room is memory for the queues of a Machine. A Machine without commands needs
// none, and most have none most of the time, so that one Room can serve many. The
// zero value is an empty one.
type Room struct {
	mailbox   []*Command
	undecided []*Command
	out       []Output
}

// maxRoom is how many items of a queue a Room has place for: what a burst needed
// isn't kept.
const maxRoom = 64

// Borrow has m use the memory of r, until Trim.
func (m *Machine) Borrow(r *Room) {
	m.mailbox.borrow(&r.mailbox)
	m.undecided.borrow(&r.undecided)
	if cap(m.out) == 0 {
		m.out, r.out = r.out, nil
	}
}

// Trim gives the memory of the queues to r if they are empty, and returns
// whether they are. The outputs must have been carried out.
func (m *Machine) Trim(r *Room) bool {
	if m.current != nil || m.mailbox.len() > 0 || m.undecided.len() > 0 {
		return false
	}
	m.mailbox.lend(&r.mailbox)
	m.undecided.lend(&r.undecided)
	r.out, m.out = handed(m.out), nil
	return true
}

// handed returns the array of items, which are of no use any more, for others.
func handed[T any](items []T) []T {
	if cap(items) > maxRoom {
		return nil
	}
	return items[:0]
}

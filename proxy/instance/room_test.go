// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"testing"
	"time"
)

// Machines that have a command one after the other need no memory but that of
// one Room, and leave nothing in it.
func TestRoomServesMany(t *testing.T) {
	var room Room
	limits := &Limits{Mailbox: 2, Undecided: 2, UndecidedBytes: 100, Answer: time.Minute, Sends: 2}
	machines := make([]Machine, 3)
	for i := range machines {
		machines[i].Limits = limits
	}
	written, cmd := event(), &Command{}
	turn := func() {
		for i := range machines {
			m := &machines[i]
			m.Borrow(&room)
			*cmd = Command{}
			for _, step := range []func(){
				func() { m.Submit(cmd, now) }, func() { m.Loaded(0, now) },
				func() { m.Answered(written, now) }, func() { m.Verdict(nil, now) },
			} {
				step()
				m.Forget()
			}
			if !m.Trim(&room) {
				t.Error("a machine that has nothing to do keeps its memory")
			}
		}
	}
	if n := testing.AllocsPerRun(10, turn); n > 0 {
		t.Errorf("%v allocations for a command of each machine", n)
	}
	for _, c := range room.mailbox[:cap(room.mailbox)] {
		if c != nil {
			t.Error("the room keeps a command alive")
		}
	}
}

func TestRoomKeepsNoBurst(t *testing.T) {
	var room Room
	m := Machine{Limits: &Limits{Mailbox: 2 * maxRoom}}
	for range 2 * maxRoom {
		m.Submit(&Command{}, now)
	}
	m.Stop(now)
	m.LoadFailed(ErrStopping, now)
	m.Forget()
	if !m.Trim(&room) || cap(room.mailbox) > maxRoom || cap(room.out) > maxRoom {
		t.Errorf("room for %d commands and %d outputs is kept", cap(room.mailbox), cap(room.out))
	}
}

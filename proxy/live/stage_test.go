// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

// The tests in this file stage meetings that chance brings about too seldom. A
// callback that waits keeps its goroutine busy carrying out things, so that
// others have to leave theirs to it.

// A stage is an instance whose commands are answered as a test says while the
// proxy is still in Send.
type stage struct {
	*rig
	stream *livetest.Stream
	during func(id int64) // called within Send of command id
}

func (r *rig) stage() *stage {
	st := &stage{rig: r}
	r.fn.Opened = func(s *livetest.Stream) {
		st.stream = s
		s.React = func(m *livetest.In) {
			if c := m.GetCommand(); c != nil && st.during != nil {
				st.during(c.GetId())
			}
		}
	}
	return st
}

func (st *stage) answer(id int64) {
	if err := st.stream.Send(livetest.Reply(id, "ok")); err != nil {
		st.t.Error(err)
	}
}

// occupy makes the test carry on with what concerns the stream when it calls the
// function that is returned, and nobody before; left is closed when that comes
// back.
func (st *stage) occupy() (carryOn func(), left <-chan struct{}) {
	carry := st.set.Occupy(lists, "a")
	out := make(chan struct{})
	return func() { defer close(out); carry() }, out
}

// three submits three commands. The first is answered, its answer is read, and
// the second is to be sent by a goroutine that waits until carryOn is called.
func (st *stage) three() (calls [3]*call, carryOn func()) {
	calls[0] = st.submit("a", "1")
	synctest.Wait() // the function has it
	calls[1], calls[2] = st.submit("a", "2"), st.submit("a", "3")
	carryOn, _ = st.occupy()
	st.answer(1)
	synctest.Wait()
	return calls, carryOn
}

func twoMayWait(cfg *live.Config) {
	cfg.Limits.Mailbox = 2
	cfg.Grace = 1
}

func TestAnswerThatComesBeforeSendReturns(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		st := r.stage()
		calls, carryOn := st.three()
		st.during = func(id int64) {
			st.answer(id)
			synctest.Wait() // whoever reads has it now
		}
		carryOn()
		calls[0].replied("ok")
		calls[1].replied("ok")
		calls[2].replied("ok")
		st.during = nil
		// Nobody reads now. A message that nobody asked for harms nobody
		// until the next command.
		st.answer(99)
		synctest.Wait()
		r.submit("a", "4").failed(entity.ErrProtocol)
	}, twoMayWait)
}

// TestStreamThatEndsWhileACommandIsHandedOver checks that a command that the
// function may have got is not run again.
func TestStreamThatEndsWhileACommandIsHandedOver(t *testing.T) {
	for name, want := range map[string]error{"broken": entity.ErrProtocol, "gone": entity.ErrUnavailable} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				st := r.stage()
				calls, carryOn := st.three()
				handed := 0
				st.during = func(int64) {
					if handed++; handed > 1 {
						return
					}
					st.stream.End(fmt.Errorf("test says so: %w", want))
					synctest.Wait() // whoever reads has seen it
				}
				carryOn()
				calls[0].replied("ok")
				calls[1].failed(want)
				synctest.Wait()
				if handed != 2 {
					t.Errorf("commands were handed over %d times, want twice: the second, and the third on a new stream", handed)
				}
				st.answer(1)
				calls[2].replied("ok")
			}, twoMayWait)
		})
	}
}

// TestStreamThatEndsBeforeACommandIsHandedOver checks that a command that the
// function can't have got is run again.
func TestStreamThatEndsBeforeACommandIsHandedOver(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		st := r.stage()
		calls, carryOn := st.three()
		st.stream.End(nil)
		synctest.Wait()
		st.during = func(id int64) { st.answer(id) }
		carryOn()
		calls[0].replied("ok")
		calls[1].replied("ok")
		calls[2].replied("ok")
	}, twoMayWait)
}

// TestBusyInstanceLetsItsCallersGo checks that Submit returns though the
// instance always has something to do.
func TestBusyInstanceLetsItsCallersGo(t *testing.T) {
	const enough = 10_000
	bubble(t, func(t *testing.T, r *rig) {
		st := r.stage()
		n := 0
		var left <-chan struct{}
		var more func(entity.Outcome)
		submit := func() {
			n++
			c := newCall(t, strconv.Itoa(n))
			c.cmd.Done = more
			st.set.Submit(lists, "a", c.cmd)
		}
		over := make(chan struct{})
		ended := 0
		more = func(o entity.Outcome) {
			if o.Err != nil {
				t.Error(o.Err)
			}
			select {
			case <-left:
			default:
				if n < enough {
					submit()
					return
				}
			}
			if ended++; ended == 3 {
				close(over)
			}
		}
		left = make(chan struct{})
		submit()
		synctest.Wait() // the function has it
		submit()
		submit()
		carryOn, out := st.occupy()
		left = out
		st.answer(1)
		synctest.Wait()
		st.during = func(id int64) {
			st.answer(id)
			synctest.Wait() // whoever reads leaves what follows to this goroutine
		}
		carryOn()
		<-over
		if n >= enough {
			t.Errorf("the caller was kept for %d commands of others", n)
		}
	}, twoMayWait)
}

// TestLeavingWaitsForTheLastOutcome has an instance leave, be asked once more
// and leave again, while what concerns its stream is still being carried out:
// it isn't gone, nor the Set stopped, before the last client is answered.
func TestLeavingWaitsForTheLastOutcome(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		st := r.stage()
		c := st.submit("a", "1")
		synctest.Wait()
		st.answer(1)
		c.replied("ok")
		synctest.Wait()
		carryOn := r.set.Occupy(lists, "a")
		stopped := make(chan error, 1)
		go func() { stopped <- r.set.Stop(t.Context()) }()
		synctest.Wait() // it has left but for what concerns its stream
		late := newCall(t, "late")
		wait := make(chan struct{})
		late.cmd.Done = func(entity.Outcome) { <-wait }
		go r.set.Submit(lists, "a", late.cmd)
		synctest.Wait()
		carryOn()
		<-time.After(2 * grace)
		select {
		case err := <-stopped:
			t.Errorf("stopped while a client is being answered: %v", err)
		default:
		}
		close(wait)
		synctest.Wait()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

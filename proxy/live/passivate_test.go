// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

func TestUnusedInstanceIsPassivated(t *testing.T) {
	for name, tt := range map[string]struct {
		own, want time.Duration
	}{
		"by default":         {0, idle},
		"as its entity says": {100 * time.Millisecond, 100 * time.Millisecond},
		"later than a limit": {5 * answer, 5 * answer},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				e := *lists
				e.Passivation = tt.own
				c := newCall(t, "1")
				r.set.Submit(&e, "a", c.cmd)
				s := r.accept()
				s.command(1, "1")
				<-time.After(min(tt.want, answer) / 2) // it takes its time, which does not count
				s.reply(1, "ok", "1")
				c.replied("ok")
				since := time.Now()
				<-s.HalfClosed()
				if d := time.Since(since); d != tt.want {
					t.Errorf("passivated after %v, want %v", d, tt.want)
				}
				synctest.Wait()
				if a := r.set.Active(); len(a) > 0 {
					t.Errorf("active: %v", a)
				}
				s.halfClosed()
				if n := r.set.Stats()[lists.Name].Passivated.Load(); n != 1 {
					t.Errorf("passivated %d", n)
				}
			})
		})
	}
}

// TestInstancesArePassivatedEachAtItsTime has instances of one part, which share
// a timer, wait for longer and shorter than those before them, and come back.
func TestInstancesArePassivatedEachAtItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		ids := live.IDsOfOnePart(r.set, lists, 5)
		for range 2 {
			var work sync.WaitGroup
			for i, seconds := range []int{4, 2, 5, 1, 3} {
				e := *lists
				e.Passivation = time.Duration(seconds) * time.Second
				c := newCall(t, "")
				r.set.Submit(&e, ids[i], c.cmd)
				s := r.accept()
				s.command(1, "")
				s.reply(1, "ok")
				c.replied("ok")
				since := time.Now()
				work.Go(func() {
					<-s.HalfClosed()
					if d := time.Since(since); d != e.Passivation {
						t.Errorf("%s passivated after %v, want %v", ids[i], d, e.Passivation)
					}
					s.halfClosed()
				})
			}
			work.Wait()
			synctest.Wait()
			if n := live.Watched(r.set); n > 0 {
				t.Errorf("%d instances are watched, none is awake", n)
			}
		}
	})
}

func TestPassivatedInstanceComesBackWithItsState(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for i := range 3 {
			c := r.submit("a", strconv.Itoa(i))
			s := r.accept()
			for n := range i {
				s.events(int64(n+1), strconv.Itoa(n))
			}
			s.command(1, strconv.Itoa(i))
			s.reply(1, "ok", strconv.Itoa(i))
			c.replied("ok")
			s.halfClosed()
		}
	})
}

// TestFunctionThatNeverEndsItsStream checks that neither the key nor the
// shutdown waits for a library that does not end a half-closed stream.
func TestFunctionThatNeverEndsItsStream(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "1")
		old := r.accept()
		old.command(1, "1")
		old.reply(1, "ok", "1")
		c.replied("ok")
		<-old.HalfClosed()
		since := time.Now()
		c = r.submit("a", "2")
		s := r.accept()
		s.events(1, "1")
		s.command(1, "2")
		s.reply(1, "ok")
		c.replied("ok")
		old.canceled()
		if d := time.Since(since); d != grace {
			t.Errorf("stream was cancelled after %v, want %v", d, grace)
		}
		if m, err := old.Next(); err == nil {
			t.Errorf("old stream was sent %v", m)
		}
		<-s.HalfClosed() // and never ended, up to the shutdown
	})
}

func TestPassivateGivesUpIdleStreamsOnly(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("idle", "1")
		quiet := r.accept()
		quiet.command(1, "1")
		quiet.reply(1, "ok")
		c.replied("ok")
		c = r.submit("busy", "2")
		busy := r.accept()
		busy.command(1, "2")
		r.set.Passivate()
		quiet.halfClosed()
		busy.reply(1, "ok")
		c.replied("ok")
		select {
		case <-busy.HalfClosed():
			t.Error("the stream of a running command was closed")
		default:
		}
		r.ending(busy)
	})
}

// TestCommandThatComesWhilePassivating lets a command arrive at the very moment
// at which the instance is passivated, and just before and after.
func TestCommandThatComesWhilePassivating(t *testing.T) {
	for offset := -2 * time.Nanosecond; offset <= 2*time.Nanosecond; offset++ {
		for range 50 {
			bubble(t, func(t *testing.T, r *rig) {
				var mu sync.Mutex
				list := map[*livetest.Stream]bool{}
				r.fn.Opened = func(s *livetest.Stream) {
					mu.Lock()
					list[s] = true
					mu.Unlock()
					go func() { _ = new(livetest.List).Serve(s) }()
				}
				r.submit("a", "1").replied("1")
				<-time.After(idle + offset)
				r.submit("a", "2").replied("1,2")
				if n := len(list); offset < 0 && n != 1 || offset > 0 && n != 2 {
					t.Errorf("%v: %d streams", offset, n)
				}
			})
		}
	}
}

// TestCommandsThatComeWhilePassivatingForReal has real goroutines and no idle
// time to speak of, so that each command may meet a passivation.
func TestCommandsThatComeWhilePassivatingForReal(t *testing.T) {
	r := newRig(t, func(cfg *live.Config) { cfg.Idle = time.Millisecond })
	r.fn.Opened = func(s *livetest.Stream) { go func() { _ = new(livetest.List).Serve(s) }() }
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			id, want := strconv.Itoa(i), ""
			for n := range 150 {
				if n > 0 {
					want += ","
				}
				want += strconv.Itoa(n)
				r.submit(id, strconv.Itoa(n)).replied(want)
				if n%3 == 0 {
					r.set.Passivate()
				}
				if n%5 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	work.Wait()
	r.close()
}

func TestStopFinishesWhatWasTaken(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		calls := []*call{r.submit("a", "1"), r.submit("a", "2"), r.submit("a", "3")}
		s := r.accept()
		s.command(1, "1")
		stopped := make(chan error, 1)
		go func() { stopped <- r.set.Stop(t.Context()) }()
		synctest.Wait()
		r.submit("a", "4").failed(instance.ErrStopping)
		r.submit("b", "5").failed(entity.ErrUnavailable)
		s.reply(1, "ok", "1")
		s.command(2, "2")
		s.reply(2, "ok", "2")
		s.command(3, "3")
		release := r.store.hold()
		s.reply(3, "ok", "3")
		synctest.Wait()
		select {
		case err := <-stopped:
			t.Errorf("stopped while a write is not durable: %v", err)
		default:
		}
		release()
		for _, c := range calls {
			c.replied("ok")
		}
		s.halfClosed()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestStopDuringALoad(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"), event(2, "2"), event(3, "3"))
		c := r.submit("a", "4")
		s := r.accept() // and has not taken in the events
		stopped := make(chan error, 1)
		go func() { stopped <- r.set.Stop(t.Context()) }()
		synctest.Wait()
		s.events(1, "1", "2", "3")
		s.command(1, "4")
		s.reply(1, "ok", "4")
		c.replied("ok")
		s.halfClosed()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
}

func TestStopGivesUpWhenItsTimeIsOver(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		if err := r.set.Stop(ctx); err == nil || err.Error() != "enough" {
			t.Errorf("error %v", err)
		}
		s.reply(1, "ok")
		c.replied("ok")
		r.ending(s)
	})
}

func TestStopTwice(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for range 2 {
			if err := r.set.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		r.submit("a", "1").failed(instance.ErrStopping)
	})
}

// TestStopWhileCommandsCome checks that every command gets an outcome when the
// end comes in the middle of the load.
func TestStopWhileCommandsCome(t *testing.T) {
	for range 20 {
		r := newRig(t)
		r.fn.Opened = func(s *livetest.Stream) { go func() { _ = new(livetest.List).Serve(s) }() }
		var work sync.WaitGroup
		for i := range 4 {
			work.Go(func() {
				for n := 0; ; n++ {
					o := <-r.submit(fmt.Sprint(i, n%3), "x").out
					if errors.Is(o.Err, instance.ErrStopping) {
						return
					}
					if o.Err != nil {
						t.Error(o.Err)
					}
				}
			})
		}
		r.close()
		work.Wait()
	}
}

// TestIdleInstancesHaveNoGoroutines counts goroutines with many instances that
// are awake and have nothing to do.
func TestIdleInstancesHaveNoGoroutines(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fn.Opened = func(s *livetest.Stream) {
			list := &livetest.List{}
			s.React = func(m *livetest.In) {
				if out, err := list.Take(m); err != nil {
					t.Error(err)
				} else if out != nil {
					_ = s.Send(out)
				}
			}
		}
		synctest.Wait()
		before := runtime.NumGoroutine()
		for round := range 2 {
			for i := range 1000 {
				<-r.submit(strconv.Itoa(i), "x").out
			}
			synctest.Wait()
			if n := r.set.Active()[lists.Name]; n != 1000 {
				t.Fatalf("%d instances are awake", n)
			}
			if n := runtime.NumGoroutine(); n > before+10 {
				t.Errorf("round %d: %d goroutines, %d before", round, n, before)
			}
		}
	}, func(cfg *live.Config) { cfg.Grace = time.Millisecond })
}

// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

func TestFailureDuringTheReplay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"), event(2, "2"), event(3, "3"))
		c, waits := r.submit("a", "4"), r.submit("a", "5")
		s := r.accept()
		s.send(livetest.Failure(0, "unknown event"))
		s.End(nil)
		c.crashed("unknown event")
		waits.crashed("unknown event")
		r.sameAgain("1", "2", "3")
	}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
}

func TestJournalThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		lost := errors.New("disk on fire")
		r.store.mu.Lock()
		r.store.readErr = lost
		r.store.mu.Unlock()
		c, waits := r.submit("a", "1"), r.submit("a", "2")
		c.failed(lost)
		waits.failed(lost)
		for synctest.Wait(); r.fn.Waiting() > 0; { // one for both, or one for each
			r.acceptSilently().canceled()
		}
		r.store.mu.Lock()
		r.store.readErr = nil
		r.store.mu.Unlock()
		r.sameAgain()
	})
}

// TestFunctionThatDoesNotRead has a function that reads nothing, so that the
// proxy can't even hand over the first command. Clients must be told, not only
// that of the command.
func TestFunctionThatDoesNotRead(t *testing.T) {
	for name, events := range map[string]int{"the command": 0, "the last event": 1, "the replay": 100} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				for i := range events {
					r.fill("a", nil, event(entity.Seq(i+1), "x"))
				}
				c := r.submit("a", "1")
				s := r.acceptSilently()
				synctest.Wait()
				gone := make(chan struct{})
				close(gone)
				waits := r.submit("a", "2", func(c *entity.Call) { c.Done = gone })
				<-time.After(answer / 2)
				r.submit("a", "3").pending()
				r.submit("a", "4").failed(entity.ErrOverloaded) // and 2 gives up its place
				waits.failed(entity.ErrCanceled)
				c.failed(entity.ErrDeadline)
				s.canceled()
			}, func(cfg *live.Config) {
				cfg.Function.(*livetest.Function).Window = 1
				cfg.Limits.Mailbox = 1
				if events > 0 {
					cfg.Limits.Mailbox = 2 // the first one waits as well
				}
			})
		})
	}
}

// TestLoadThatHangsWhileCommandsCome checks that clients that try again and
// again do not keep a load alive that does not get on.
func TestLoadThatHangsWhileCommandsCome(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"), event(2, "2"), event(3, "3"))
		since := time.Now()
		c := r.submit("a", "x")
		s := r.acceptSilently()
		go func() {
			for range 20 {
				<-time.After(answer / 10)
				r.submit("a", "y")
			}
		}()
		c.failed(entity.ErrDeadline)
		if d := time.Since(since); d != answer {
			t.Errorf("given up after %v, want %v", d, answer)
		}
		s.canceled()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for {
				s, err := r.fn.Accept(ctx)
				if err != nil {
					return
				}
				go func() { _ = new(livetest.List).Serve(s) }()
			}
		}()
		<-time.After(2 * answer)
		cancel()
	}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
}

// TestLongLoadThatGetsOn checks that a load may take its time.
func TestLongLoadThatGetsOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var want []string
		for i := range 2000 {
			r.fill("a", nil, event(entity.Seq(i+1), strconv.Itoa(i)))
			want = append(want, strconv.Itoa(i))
		}
		list := &livetest.List{}
		r.fn.Opened = func(s *livetest.Stream) {
			go func() {
				for {
					m, err := s.Next()
					if err != nil {
						s.End(nil)
						return
					}
					<-time.After(answer / 200)
					out, err := list.Take(m)
					if err != nil {
						t.Error(err)
					}
					if out != nil {
						_ = s.Send(out)
					}
				}
			}()
		}
		o := <-r.submit("a", "last").out
		if o.Err != nil || string(o.Reply.Value) != strings.Join(append(want, "last"), ",") {
			t.Errorf("reply of %d bytes, error %v", len(o.Reply.Value), o.Err)
		}
	})
}

// TestReplayWaitsForTheFunction has a long journal and a slow function: what is
// read ahead of the function is bounded by what the stream holds.
func TestReplayWaitsForTheFunction(t *testing.T) {
	const length, window = 100_000, 10
	bubble(t, func(t *testing.T, r *rig) {
		events := make([]entity.Event, length)
		for i := range events {
			events[i] = event(entity.Seq(i+1), "event")
		}
		r.fill("a", nil, events...)
		c := r.submit("a", "1")
		s := r.accept()
		for n := range int64(length) {
			if n%10_000 == 0 {
				synctest.Wait()
				if ahead := r.store.eventsRead() - int(n); ahead > window+2 {
					t.Errorf("%d events were read ahead", ahead)
				}
			}
			if e := s.next().GetEvent(); e.GetSequence() != n+1 {
				t.Fatalf("event %d, want %d", e.GetSequence(), n+1)
			}
		}
		s.command(1, "1")
		s.reply(1, "ok", "1")
		c.replied("ok")
		r.ending(s)
	}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = window })
}

// TestCarrierDoesNotWaitForTheReplay has a goroutine that carries things out
// for an instance when its load ends: it must not be the one that waits until
// the function has read what was replayed.
func TestCarrierDoesNotWaitForTheReplay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var s *livetest.Stream
		proceed := make(chan struct{})
		r.fn.Opened = func(opened *livetest.Stream) { s = opened; <-proceed }
		c := r.submit("a", "1")
		synctest.Wait()
		carryOn := r.set.Occupy(lists, "a")
		close(proceed)
		synctest.Wait() // the instance is loaded, and the function has read nothing of it
		since := time.Now()
		carryOn()
		if d := time.Since(since); d > 0 {
			t.Errorf("kept for %v", d)
		}
		c.pending()
		p := part{Stream: s, t: t}
		p.next()
		p.command(1, "1")
		p.reply(1, "ok")
		c.replied("ok")
		r.ending(p)
	}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
}

// TestLateEndOfALoad checks that a load that was given up says nothing about
// the next one, which begins before the first has come to an end.
func TestLateEndOfALoad(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T, r *rig) {
			r.fill("a", nil, event(1, "1"), event(2, "2"))
			again := newCall(t, "3")
			c := newCall(t, "lost")
			done := c.cmd.Done
			c.cmd.Done = func(o entity.Outcome) {
				r.set.Submit(lists, "a", again.cmd)
				done(o)
			}
			r.set.Submit(lists, "a", c.cmd)
			hung := r.acceptSilently()
			c.failed(entity.ErrDeadline)
			hung.canceled()
			s := r.accept()
			s.events(1, "1", "2")
			s.command(1, "3")
			s.reply(1, "ok")
			again.replied("ok")
			r.ending(s)
		}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
	}
}

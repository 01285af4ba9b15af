// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

// sameAgain checks that the instance a works, on a fresh stream that is sent
// the events of before.
func (r *rig) sameAgain(before ...string) {
	r.t.Helper()
	c := r.submit("a", "later")
	s := r.accept()
	s.events(1, before...)
	s.command(1, "later")
	s.reply(1, "ok")
	c.replied("ok")
	r.ending(s)
}

func TestFailureOfTheFunctionReachesItsClientOnly(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fill("a", nil, event(1, "1"))
		c, waits := r.submit("a", "2"), r.submit("a", "3")
		s := r.accept()
		s.events(1, "1")
		s.command(1, "2")
		s.send(livetest.Failure(1, "null pointer"))
		c.crashed("null pointer")
		s.canceled()
		s = r.accept()
		s.events(1, "1")
		s.command(1, "3")
		s.reply(1, "ok", "3")
		waits.replied("ok")
		if got := r.reports(); len(got) > 0 {
			t.Errorf("function was told what it said itself: %q", got)
		}
		r.ending(s)
	})
}

// TestBrokenProtocol has the messages that a function must not send. Whatever
// it is, the client of the running command is told, the function too, and the
// instance goes on.
func TestBrokenProtocol(t *testing.T) {
	refusalWithEvents := livetest.Refusal(2, "no", false)
	refusalWithEvents.GetReply().Events = append(refusalWithEvents.GetReply().Events, livetest.Text("x"))
	for name, out := range map[string]*livetest.Out{
		"an id that was never given":    livetest.Reply(3, "", "x"),
		"the id of the command before":  livetest.Reply(1, "", "x"),
		"id zero":                       livetest.Reply(0, "", "x"),
		"an empty message":              {},
		"events that are refused, kept": refusalWithEvents,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c := r.submit("a", "1")
				s := r.accept()
				s.command(1, "1")
				s.reply(1, "ok", "1")
				c.replied("ok")
				c = r.submit("a", "2")
				s.command(2, "2")
				s.send(out)
				c.failed(entity.ErrProtocol)
				s.canceled()
				if got := r.reports(); len(got) != 1 {
					t.Errorf("function was told %q", got)
				}
				r.sameAgain("1")
			})
		})
	}
}

func TestMessageThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		c := r.submit("a", "1")
		s := r.accept()
		s.command(1, "1")
		if err := s.SendBytes([]byte{0x0a, 0xff}); err != nil {
			t.Fatal(err)
		}
		c.failed(entity.ErrProtocol)
		r.sameAgain()
	})
}

// TestAnswersThatNobodyAskedFor checks that a function that talks out of turn
// harms its own instance at most.
func TestAnswersThatNobodyAskedFor(t *testing.T) {
	t.Run("twice the same", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			c := r.submit("a", "1")
			s := r.accept()
			s.command(1, "1")
			s.reply(1, "ok", "1")
			s.reply(1, "ok", "1")
			c.replied("ok")
			c = r.submit("a", "2")
			c.failed(entity.ErrProtocol)
			s.canceled()
			r.sameAgain("1")
		})
	})
	t.Run("before the question", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			c := r.submit("a", "1")
			s := r.accept()
			s.command(1, "1")
			for id := range int64(5) {
				s.reply(id+1, strconv.Itoa(int(id)+1))
			}
			c.replied("1")
			for i := 2; i <= 5; i++ { // it has answered, so be it
				<-r.submit("a", strconv.Itoa(i)).out
			}
			synctest.Wait()
			r.ending(s)
		})
	})
	t.Run("before the question, while commands wait", func(t *testing.T) {
		bubble(t, func(t *testing.T, r *rig) {
			var calls []*call
			for i := range 5 {
				calls = append(calls, r.submit("a", strconv.Itoa(i)))
			}
			s := r.acceptSilently()
			for id := range int64(16) {
				s.reply(id+1, "ok", "e")
			}
			r.ending(s)
			for _, c := range calls {
				<-c.out
			}
			go func() {
				for {
					s, err := r.fn.Accept(t.Context())
					if err != nil {
						return
					}
					go func() { _ = new(livetest.List).Serve(s) }()
				}
			}()
		})
	})
}

// TestStreamThatEnds lets the function end the stream in every state, in order
// and with an error.
func TestStreamThatEnds(t *testing.T) {
	broken := fmt.Errorf("internal: it broke: %w", entity.ErrProtocol)
	away := fmt.Errorf("connection is gone: %w", entity.ErrUnavailable)
	for name, end := range map[string]error{"in order": nil, "with an error": broken, "as the function dies": away} {
		t.Run("idle, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c := r.submit("a", "1")
				s := r.accept()
				s.command(1, "1")
				s.reply(1, "ok", "1")
				c.replied("ok")
				s.End(end)
				r.sameAgain("1") // the command runs, since the function never got it
				if got := r.reports(); (len(got) > 0) != errors.Is(end, entity.ErrProtocol) {
					t.Errorf("function was told %q", got)
				}
			})
		})
		t.Run("with a command, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c, waits := r.submit("a", "1"), r.submit("a", "2")
				s := r.accept()
				s.command(1, "1")
				s.End(end)
				want := entity.ErrProtocol
				if errors.Is(end, entity.ErrUnavailable) {
					want = entity.ErrUnavailable
				}
				c.failed(want) // it is not known how far it came, so it isn't run again
				s = r.accept()
				s.command(1, "2")
				s.reply(1, "ok")
				waits.replied("ok")
				r.ending(s)
			})
		})
		t.Run("before it reads the init, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				var streams int
				both := make(chan struct{})
				r.fn.Opened = func(s *livetest.Stream) { <-both; streams++; s.End(end) }
				c, waits := r.submit("a", "1"), r.submit("a", "2")
				close(both)
				c.failedSomehow()
				waits.failedSomehow()
				if streams != 1 {
					t.Errorf("opened %d streams", streams)
				}
				r.fn.Opened = nil
				r.sameAgain()
			})
		})
		t.Run("during the replay, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.fill("a", nil, event(1, "1"), event(2, "2"), event(3, "3"), event(4, "4"))
				c := r.submit("a", "5")
				s := r.accept()
				s.events(1, "1")
				s.End(end)
				c.failedSomehow()
				r.sameAgain("1", "2", "3", "4")
			}, func(cfg *live.Config) { cfg.Function.(*livetest.Function).Window = 1 })
		})
		t.Run("always when it gets a command, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				c := r.submit("a", "1")
				s := r.accept()
				s.command(1, "1")
				s.End(end)
				<-c.out
				synctest.Wait()
				if n := r.fn.Waiting(); n > 0 {
					t.Errorf("%d more streams were opened", n)
				}
			})
		})
	}
}

// TestStreamThatEndsAtOnce checks that a function that takes no command at all
// is not asked for ever, and that its reason reaches the client.
func TestStreamThatEndsAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		last *livetest.Out
		end  error
		want func(*call)
	}{
		"with a failure": {
			livetest.Failure(0, "cannot read the snapshot"), nil,
			func(c *call) { c.t.Helper(); c.crashed("cannot read the snapshot") },
		},
		"in order":      {nil, nil, func(c *call) { c.t.Helper(); c.failed(entity.ErrUnavailable) }},
		"with an error": {nil, fmt.Errorf("no: %w", entity.ErrProtocol), func(c *call) { c.t.Helper(); c.failed(entity.ErrProtocol) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				streams := 0
				r.fn.Opened = func(s *livetest.Stream) {
					streams++
					s.React = func(*livetest.In) { // the init: it ends before the command comes
						if tt.last != nil {
							_ = s.Send(tt.last)
						}
						s.End(tt.end)
					}
				}
				tt.want(r.submit("a", "1"))
				if streams != 3 {
					t.Errorf("tried %d times, want 3", streams)
				}
			})
		})
	}
}

func TestFunctionThatIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fn.Leave()
		since := time.Now()
		calls := []*call{r.submit("a", "1"), r.submit("a", "2"), r.submit("b", "3")}
		for _, c := range calls {
			c.failed(entity.ErrUnavailable)
		}
		if d := time.Since(since); d > 0 {
			t.Errorf("it took %v", d)
		}
		synctest.Wait()
		if a := r.set.Active(); len(a) > 0 {
			t.Errorf("active: %v", a)
		}
		r.fn.Return()
		r.sameAgain()
	})
}

func TestFunctionThatDiesAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		idle := r.submit("idle", "1")
		si := r.accept()
		si.command(1, "1")
		si.reply(1, "ok", "1")
		idle.replied("ok")
		c, waits := r.submit("a", "1"), r.submit("a", "2")
		s := r.accept()
		s.command(1, "1")
		r.fn.Leave()
		c.failed(entity.ErrUnavailable)
		waits.failed(entity.ErrUnavailable)
		r.submit("idle", "2").failed(entity.ErrUnavailable)
		r.fn.Return()
		r.sameAgain()
		if got := r.reports(); len(got) > 0 {
			t.Errorf("function was told %q", got)
		}
	})
}

// TestRefusedWrite checks that the client of a write that the store refuses is
// told, and that what came after it runs again, on state without it.
func TestRefusedWrite(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.store.refuse = func(w entity.Write) bool {
			return slices.ContainsFunc(w.Events, func(e entity.Event) bool { return string(e.Value) == "bad" })
		}
		release := r.store.hold()
		good, bad := r.submit("a", "good"), r.submit("a", "bad")
		after, last := r.submit("a", "after"), r.submit("a", "last")
		s := r.accept()
		s.command(1, "good")
		s.reply(1, "good", "good")
		s.command(2, "bad")
		s.reply(2, "good,bad", "bad")
		s.command(3, "after")
		s.reply(3, "good,bad,after", "after")
		s.command(4, "last") // the function has it when the verdict comes
		release()
		good.replied("good")
		bad.failed(entity.ErrRefused)
		s.canceled()
		s = r.accept()
		s.events(1, "good")
		s.command(1, "after")
		s.reply(1, "good,after", "after")
		after.replied("good,after")
		s.command(2, "last")
		s.reply(2, "good,after,last", "last")
		last.replied("good,after,last")
		if got := r.stored("a"); !slices.Equal(got, []string{"good", "after", "last"}) {
			t.Errorf("stored %q", got)
		}
		r.ending(s)
	})
}

func TestFunctionThatNeverAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		since := time.Now()
		c, waits := r.submit("a", "1"), r.submit("a", "2")
		s := r.accept()
		s.command(1, "1")
		c.failed(entity.ErrDeadline)
		if d := time.Since(since); d != answer {
			t.Errorf("given up after %v, want %v", d, answer)
		}
		s.canceled()
		s = r.accept()
		s.command(1, "2")
		s.reply(1, "ok")
		waits.replied("ok")
		r.ending(s)
	})
}

// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

func keyed(key entity.IdemKey) func(*entity.Call) {
	return func(c *entity.Call) { c.Key = key }
}

func remembering(recent int) func(*live.Config) {
	return func(cfg *live.Config) { cfg.Limits.Memory = instance.Memory{Commands: 24 * time.Hour, Recent: recent} }
}

// TestRepeatedCommandHasOneEffect sends commands twice to an instance that knows
// its last replies, to one that has to ask the store, and after it was put to
// sleep.
func TestRepeatedCommandHasOneEffect(t *testing.T) {
	for name, tt := range map[string]struct {
		recent int
		sleeps bool
	}{
		"known": {recent: 16}, "unknown": {}, "after its passivation": {recent: 16, sleeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.fn.Opened = func(s *livetest.Stream) { go func() { _ = (&livetest.List{}).Serve(s) }() }
				r.submit("a", "x", keyed("idem:1")).replied("x")
				r.submit("a", "y", keyed("idem:2")).replied("x,y")
				if tt.sleeps {
					r.set.Passivate()
					synctest.Wait()
				}
				r.submit("a", "x", keyed("idem:1")).replied("x")
				r.submit("a", "z").replied("x,y,z")
				r.submit("a", "y", keyed("idem:2")).replied("x,y")
				r.submit("a", "y", keyed("idem:1")).failed(entity.ErrInvalid)
				r.submit("a", "x", keyed("idem:1"), func(c *entity.Call) { c.Command = "Remove" }).failed(entity.ErrInvalid)
				r.submit("b", "x", keyed("idem:1")).replied("x")
				if got := r.stored("a"); !slices.Equal(got, []string{"x", "y", "z"}) {
					t.Errorf("stored %q", got)
				}
			}, remembering(tt.recent))
		})
	}
}

// TestRepeatedReadGetsTheSameAnswer has a command that stores nothing but its
// reply.
func TestRepeatedReadGetsTheSameAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.fn.Opened = func(s *livetest.Stream) { go func() { _ = (&livetest.List{}).Serve(s) }() }
		read := func(c *entity.Call) { c.Command, c.Payload = "Read", nil }
		r.submit("a", "x").replied("x")
		r.submit("a", "", read, keyed("idem:r")).replied("x")
		r.submit("a", "y").replied("x,y")
		r.submit("a", "", read, keyed("idem:r")).replied("x")
		r.submit("a", "", read).replied("x,y")
	}, remembering(0))
}

// TestRepeatedCommandJoinsTheRunningOne sends a command again while the function
// has it.
func TestRepeatedCommandJoinsTheRunningOne(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.submit("a", "x", keyed("idem:1"))
		s := r.accept()
		s.command(1, "x")
		second := r.submit("a", "x", keyed("idem:1"))
		first.pending()
		second.pending()
		s.reply(1, "once", "x")
		first.replied("once")
		second.replied("once")
		s.quiet()
		r.ending(s)
	}, remembering(16))
}

// TestWhatFailedIsNotRemembered checks that an answer that says that a command
// may be tried again doesn't keep it from that, and that a refusal does.
func TestWhatFailedIsNotRemembered(t *testing.T) {
	bubble(t, func(_ *testing.T, r *rig) {
		c := r.submit("a", "x", keyed("idem:1"))
		s := r.accept()
		s.command(1, "x")
		s.send(livetest.Failure(1, "oh"))
		c.crashed("oh")
		c = r.submit("a", "x", keyed("idem:1"))
		s = r.accept()
		s.command(1, "x")
		s.send(livetest.Refusal(1, "no", true)) // to be brought up afresh
		refused(c, "no")
		again := r.accept()
		refused(r.submit("a", "x", keyed("idem:1")), "no")
		again.quiet()
		r.ending(s, again)
	}, remembering(16))
}

func refused(c *call, description string) {
	c.t.Helper()
	if o := <-c.out; o.Err == nil || o.Err.Error() != description {
		c.t.Errorf("%s: error %v, want that it is refused: %s", c.cmd.Call.Payload, o.Err, description)
	}
}

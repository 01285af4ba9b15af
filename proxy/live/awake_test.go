// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
)

// TestTimerDoesNotRunHot checks that an instance that waits for the store alone
// is not looked after more often than one that waits for nothing.
func TestTimerDoesNotRunHot(t *testing.T) {
	set := &Set{Config: Config{Idle: time.Second, Limits: instance.Limits{Mailbox: 1, Undecided: 2, UndecidedBytes: 1, Answer: time.Minute}}}
	now := time.Unix(1000, 0)
	set.began = now
	in := &awake{set: set, kind: kind{Entity: &route.Entity{}}}
	in.machine.Limits = &set.Limits
	for _, tt := range []struct {
		after time.Duration
		want  time.Duration
	}{
		{0, time.Second},
		{900 * time.Millisecond, 100 * time.Millisecond},
		{time.Second - 1, time.Millisecond},
		{time.Second, time.Second},
		{time.Hour, time.Second},
	} {
		if got := in.next(now.Add(tt.after)); got != tt.want {
			t.Errorf("after %v: next in %v, want %v", tt.after, got, tt.want)
		}
	}
	in.act = &activation{} // it loads
	if got := in.next(now.Add(time.Minute - 10*time.Millisecond)); got != 10*time.Millisecond {
		t.Errorf("load: next in %v, want 10ms", got)
	}
	in.act = nil
	in.machine.Submit(&instance.Command{}, now)
	in.machine.Loaded(0, now) // and the function has a command
	if got := in.next(now.Add(time.Minute - 20*time.Millisecond)); got != 20*time.Millisecond {
		t.Errorf("command: next in %v, want 20ms", got)
	}
}

// TestIdleInstancesAreSmall keeps what there is of each of them within the sizes
// in which memory is handed out: the next one up costs a percent of all that an
// idle instance costs.
func TestIdleInstancesAreSmall(t *testing.T) {
	if n := unsafe.Sizeof(awake{}); n > 256 {
		t.Errorf("an instance has %d bytes", n)
	}
	if n := unsafe.Sizeof(activation{}); n > 128 {
		t.Errorf("an activation has %d bytes", n)
	}
}

// TestForgottenInstanceTakesNothing checks that a command that meets an instance
// which is just being forgotten is sent on to the next one.
func TestForgottenInstanceTakesNothing(t *testing.T) {
	in := &awake{dead: true}
	if in.submit(&instance.Command{Done: func(entity.Outcome) { t.Error("an outcome") }}) {
		t.Error("took a command")
	}
}

// TestGateThatClosesMeanwhile has a command meet a gate that was closed after it
// has found its instance, and before that is told.
func TestGateThatClosesMeanwhile(t *testing.T) {
	in := &awake{set: &Set{}}
	var got error
	if !in.submit(&instance.Command{Done: func(o entity.Outcome) { got = o.Err }}) || !errors.Is(got, instance.ErrMoved) {
		t.Errorf("the outcome is %v, want %v", got, instance.ErrMoved)
	}
}

// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// trace runs steps on a machine that is open, and returns what it asked for.
func trace(t *testing.T, steps ...func(*Machine)) []Do {
	t.Helper()
	m := &Machine{Limits: &Limits{Mailbox: 2, Undecided: 2, UndecidedBytes: 100, Answer: time.Minute, Sends: 2}}
	var did []Do
	for _, step := range steps {
		step(m)
		for _, o := range m.Outputs() {
			did = append(did, o.Do)
		}
		m.Forget()
	}
	return did
}

var now = time.Unix(1000, 0)

func submit(c *Command) func(*Machine) { return func(m *Machine) { m.Submit(c, now) } }

func loaded(m *Machine) { m.Loaded(0, now) }

func answer(d Decision) func(*Machine) { return func(m *Machine) { m.Answered(d, now) } }

func stored(m *Machine) { m.Verdict(nil, now) }

func event() Decision {
	return Decision{Write: entity.Write{Events: []entity.Event{{Seq: 1}}}}
}

func TestMachine(t *testing.T) {
	cmd := func() *Command { return &Command{} }
	for _, tt := range []struct {
		name  string
		steps []func(*Machine)
		want  []Do
	}{
		{"a command opens the instance", []func(*Machine){submit(cmd())}, []Do{Open}},
		{
			"a reply waits for its write",
			[]func(*Machine){submit(cmd()), loaded, answer(event()), stored},
			[]Do{Open, Send, Commit, Release},
		},
		{
			"the next command goes to the function before the write is stored",
			[]func(*Machine){submit(cmd()), loaded, submit(cmd()), answer(event())},
			[]Do{Open, Send, Send, Commit},
		},
		{
			"an answer without a write waits for the write before it",
			[]func(*Machine){submit(cmd()), loaded, submit(cmd()), answer(event()), answer(Decision{}), stored},
			[]Do{Open, Send, Send, Commit, Release, Release},
		},
		{
			"no more than so many wait for the store",
			[]func(*Machine){submit(cmd()), loaded, answer(event()), submit(cmd()), answer(event()), submit(cmd()), stored},
			[]Do{Open, Send, Commit, Send, Commit, Release, Send},
		},
		{
			"a restart opens a new stream though nothing waits",
			[]func(*Machine){submit(cmd()), loaded, answer(Decision{Restart: true})},
			[]Do{Open, Send, Release, Finish, Open},
		},
		{
			"a restart waits for what is undecided",
			[]func(*Machine){submit(cmd()), loaded, submit(cmd()), answer(event()), answer(Decision{Restart: true}), stored},
			[]Do{Open, Send, Send, Commit, Finish, Release, Release, Open},
		},
		{
			"a full mailbox refuses",
			[]func(*Machine){submit(cmd()), submit(cmd()), submit(cmd())},
			[]Do{Open, Release},
		},
		{
			"a command that never reached the function is sent again",
			[]func(*Machine){submit(cmd()), loaded, func(m *Machine) { m.SendFailed(entity.ErrUnavailable, now) }, loaded},
			[]Do{Open, Send, Abort, Open, Send},
		},
		{
			"but not for ever",
			[]func(*Machine){
				submit(cmd()), loaded, func(m *Machine) { m.SendFailed(entity.ErrUnavailable, now) },
				loaded, func(m *Machine) { m.SendFailed(entity.ErrUnavailable, now) },
			},
			[]Do{Open, Send, Abort, Open, Send, Abort, Release, Leave},
		},
		{
			"stopping finishes what waits, then passivates",
			[]func(*Machine){submit(cmd()), loaded, func(m *Machine) { m.Stop(now) }, answer(event()), stored},
			[]Do{Open, Send, Commit, Release, Finish, Leave},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := trace(t, tt.steps...); !slices.Equal(got, tt.want) {
				t.Errorf("asked for %v, want %v", got, tt.want)
			}
		})
	}
}

// TestWaitingCommandsExpire checks that what nobody waits for never reaches the
// function, and makes room for others.
func TestWaitingCommandsExpire(t *testing.T) {
	gone := make(chan struct{})
	close(gone)
	late := &Command{Call: entity.Call{Deadline: now}}
	left := &Command{Call: entity.Call{Done: gone}}
	want := &Command{}
	did := trace(t, submit(late), submit(left), submit(want), loaded)
	if !slices.Equal(did, []Do{Open, Release, Release, Send}) {
		t.Errorf("asked for %v", did)
	}
	if !errors.Is(late.Outcome.Err, entity.ErrDeadline) || !errors.Is(left.Outcome.Err, entity.ErrCanceled) {
		t.Errorf("outcomes %v, %v", late.Outcome.Err, left.Outcome.Err)
	}
	if want.ID != 1 {
		t.Errorf("the one that is left has id %d, want 1", want.ID)
	}
}

// TestFunctionThatDoesNotAnswer checks that one command without an answer does
// not block its instance for ever.
func TestFunctionThatDoesNotAnswer(t *testing.T) {
	first, second := &Command{}, &Command{}
	did := trace(t, submit(first), loaded, submit(second), func(m *Machine) {
		m.Tick(time.Hour, time.Minute, now.Add(time.Minute))
	})
	if !slices.Equal(did, []Do{Open, Send, Abort, Release, Open}) {
		t.Errorf("asked for %v", did)
	}
	if !errors.Is(first.Outcome.Err, entity.ErrDeadline) {
		t.Errorf("outcome %v, want %v", first.Outcome.Err, entity.ErrDeadline)
	}
}

func tick(idle, since time.Duration) func(*Machine) {
	return func(m *Machine) { m.Tick(idle, since, now.Add(since)) }
}

// TestTick checks what time does, and that it does it neither early nor late.
func TestTick(t *testing.T) {
	cmd := func() *Command { return &Command{} }
	const idle, answerLimit = 30 * time.Second, time.Minute
	for _, tt := range []struct {
		name  string
		steps []func(*Machine)
		want  []Do
	}{
		{
			"an unused instance is passivated",
			[]func(*Machine){submit(cmd()), loaded, answer(Decision{}), tick(idle, idle)},
			[]Do{Open, Send, Release, Finish, Leave},
		},
		{
			"but not early",
			[]func(*Machine){submit(cmd()), loaded, answer(Decision{}), tick(idle, idle-1)},
			[]Do{Open, Send, Release},
		},
		{
			"nor while the function has a command",
			[]func(*Machine){submit(cmd()), loaded, tick(idle, idle)},
			[]Do{Open, Send},
		},
		{
			"nor while a write is pending",
			[]func(*Machine){submit(cmd()), loaded, answer(event()), tick(idle, idle)},
			[]Do{Open, Send, Commit},
		},
		{
			"a load that takes too long fails",
			[]func(*Machine){submit(cmd()), tick(idle, answerLimit)},
			[]Do{Open, Abort, Release, Leave},
		},
		{
			"but not early",
			[]func(*Machine){submit(cmd()), tick(idle, answerLimit-1)},
			[]Do{Open},
		},
		{
			"a command that takes too long fails",
			[]func(*Machine){submit(cmd()), loaded, tick(idle, answerLimit)},
			[]Do{Open, Send, Abort, Release, Leave},
		},
		{
			"but not early",
			[]func(*Machine){submit(cmd()), loaded, tick(idle, answerLimit-1)},
			[]Do{Open, Send},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := trace(t, tt.steps...); !slices.Equal(got, tt.want) {
				t.Errorf("asked for %v, want %v", got, tt.want)
			}
		})
	}
}

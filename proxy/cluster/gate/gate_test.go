// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/cluster/gate"
	"github.com/kairn-dev/kairn/proxy/entity"
)

const instances = 2

// A world is one entrance, two members, and a shard that moves between them.
type world struct {
	t        *rapid.T
	gate     gate.Gate[int]
	truth    gate.Route
	draining bool
	members  [2]member
	next     int // the last command that has entered
	ran      [instances][]int
	gone     map[int]bool // left before they were sent
}

// A member is one that may own the shard, and its stream.
type member struct {
	door    gate.Door
	turn    int64
	coming  []gate.Send[int]
	mailbox [instances][]int
	answers []answer
}

type answer struct {
	command int
	bounced bool
	route   gate.Route
}

// carryOut sends what the gate wants sent.
func (w *world) carryOut() {
	for _, s := range w.gate.Sends() {
		m := &w.members[s.To.Owner-1]
		m.coming = append(m.coming, s)
	}
	w.gate.Forget()
}

func (w *world) owner() *member { return &w.members[w.truth.Owner-1] }

// deliver has a member get what comes next.
func (w *world) deliver(m *member) {
	s := m.coming[0]
	m.coming = m.coming[1:]
	takes := m.door.Takes(0, s.Round, m.turn)
	if m != w.owner() || w.draining || !takes {
		m.answers = append(m.answers, answer{s.Command, true, w.truth})
		return
	}
	i := s.Command % instances
	m.mailbox[i] = append(m.mailbox[i], s.Command)
}

// drain has the owner send back what waits.
func (w *world) drain() {
	w.draining = true
	m := w.owner()
	m.turn++
	for i := range m.mailbox {
		for _, c := range m.mailbox[i] {
			m.answers = append(m.answers, answer{c, true, w.truth})
		}
		m.mailbox[i] = nil
	}
}

func (w *world) handOver() {
	w.truth = gate.Route{Version: w.truth.Version + 1, Epoch: w.truth.Epoch + 1, Owner: 3 - w.truth.Owner}
	w.resume()
}

// resume has the owner take commands, again or for the first time.
func (w *world) resume() {
	w.draining = false
	w.owner().turn++
}

// run has an instance run the next command.
func (w *world) run(m *member, i int) {
	c := m.mailbox[i][0]
	m.mailbox[i] = m.mailbox[i][1:]
	if n := len(w.ran[i]); n > 0 && w.ran[i][n-1] >= c {
		w.t.Fatalf("instance %d runs command %d after %v", i, c, w.ran[i])
	}
	w.ran[i] = append(w.ran[i], c)
	m.answers = append(m.answers, answer{command: c})
}

// hear has the entrance get the next answer of a member.
func (w *world) hear(m *member) {
	a := m.answers[0]
	m.answers = m.answers[1:]
	if a.bounced {
		w.gate.Bounced(a.command, a.route)
	} else {
		w.gate.Answered(a.command)
	}
}

func (w *world) enter() {
	w.next++
	w.gate.Enter(w.next)
}

// leave has the client of a command give up.
func (w *world) leave() {
	c := rapid.IntRange(1, w.next).Draw(w.t, "command")
	if w.gate.Leave(c) {
		w.gone[c] = true
	}
}

func (w *world) steps() map[string]func() {
	steps := map[string]func(){
		"enter": w.enter,
		"table": func() { w.gate.Routed(w.truth) },
		"again": w.gate.Again,
	}
	if w.next > 0 {
		steps["leave"] = w.leave
	}
	if w.draining {
		steps["hand over"] = w.handOver
		steps["resume"] = w.resume
	} else {
		steps["drain"] = w.drain
	}
	w.traffic(steps)
	return steps
}

// traffic adds what gets commands on.
func (w *world) traffic(steps map[string]func()) {
	for n := range w.members {
		m, name := &w.members[n], string(rune('a'+n))
		if len(m.coming) > 0 {
			steps["deliver to "+name] = func() { w.deliver(m) }
		}
		if len(m.answers) > 0 {
			steps["hear "+name] = func() { w.hear(m) }
		}
		for i := range m.mailbox {
			if len(m.mailbox[i]) > 0 {
				steps["run at "+name+string(rune('0'+i))] = func() { w.run(m, i) }
			}
		}
	}
}

func sorted(steps map[string]func()) []string {
	names := make([]string, 0, len(steps))
	for name := range steps {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// calm lets everything end.
func (w *world) calm() {
	if w.draining {
		w.resume()
	}
	for range 10_000 {
		steps := map[string]func(){}
		w.traffic(steps)
		if len(steps) == 0 {
			n, table := w.gate.Waiting()
			if n == 0 {
				return
			}
			steps["table"] = func() { w.gate.Routed(w.truth) }
			if table {
				steps["table"] = w.gate.Again
			}
		}
		steps[sorted(steps)[0]]()
		w.carryOut()
	}
	w.t.Fatal("it doesn't come to an end")
}

func TestCommandsKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, truth: gate.Route{Version: 1, Epoch: 1, Owner: 1}, gone: map[int]bool{}}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			steps := w.steps()
			names := sorted(steps)
			if steps["deliver to a"] != nil || steps["deliver to b"] != nil {
				names = append(names, "enter", "enter")
			}
			steps[rapid.SampledFrom(names).Draw(t, "step")]()
			w.carryOut()
		}
		w.calm()
		for c := 1; c <= w.next; c++ {
			if ran := slices.Contains(w.ran[c%instances], c); ran == w.gone[c] {
				t.Fatalf("command %d has run: %v, has left: %v", c, ran, w.gone[c])
			}
		}
	})
}

// TestThreeBouncesAreEnough has an owner that sends everything back.
func TestThreeBouncesAreEnough(t *testing.T) {
	var g gate.Gate[int]
	route := gate.Route{Version: 7, Epoch: 2, Owner: 1}
	g.Enter(1)
	g.Enter(2)
	if len(g.Sends()) != 0 {
		t.Fatalf("sent %v, to nobody", g.Sends())
	}
	g.Routed(route)
	sent := 0
	for len(g.Sends()) > 0 {
		sends := slices.Clone(g.Sends())
		g.Forget()
		sent += len(sends)
		for _, s := range slices.Backward(sends) {
			g.Bounced(s.Command, route)
		}
	}
	if n, table := g.Waiting(); sent != 6 || n != 2 || !table {
		t.Errorf("sent %d times; %d wait for a newer table: %v", sent, n, table)
	}
	g.Routed(gate.Route{Version: 6, Epoch: 2, Owner: entity.Member(2)}) // older
	if len(g.Sends()) != 0 {
		t.Errorf("sent %v by an older table", g.Sends())
	}
	g.Routed(gate.Route{Version: 8, Epoch: 3, Owner: 2})
	if s := g.Sends(); len(s) != 2 || s[0].Command != 1 || s[1].Command != 2 || s[0].To.Owner != 2 {
		t.Errorf("sent %v", s)
	}
}

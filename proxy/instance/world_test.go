// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A world plays everything around one Machine: its clients, the user function,
// the lane and the store. The function's state is the list of the commands that
// it has added to; the store's is the journal of these.
type world struct {
	t       *rapid.T
	m       *Machine
	now     time.Time
	next    int
	journal []int  // stored
	lane    []sent // writes that have no verdict yet
	broken  int    // how many of these follow a refused one
	left    bool   // whether it said that it may be forgotten
	shaken
	remembered
	function
	clients
}

// Remembered are the replies of a world.
type remembered struct {
	replies map[entity.IdemKey]entity.Reply // stored
	lost    map[entity.IdemKey]bool         // keys whose replies were forgotten
	recall  *Command                        // whose reply is to be read
}

// A sent is a write on its way to the store. The machine may forget it meanwhile.
type sent struct {
	*Command
	write entity.Write
}

// A function is the user function as a world plays it.
type function struct {
	state   []int    // on the open stream
	stream  bool     // whether there is one
	with    *Command // the command that it has
	opening bool     // whether a load is under way
	handed  int64    // commands that it was given on this stream
}

// The clients of a world, by the numbers of their commands.
type clients struct {
	done    map[int]int   // how often each command was released
	acked   map[int][]int // what the client of a command saw
	refused map[int]bool  // commands whose write the store refused
	latest  int           // the last command that was released with a reply
}

func newWorld(t *rapid.T) *world {
	limits := &Limits{Mailbox: 6, Undecided: 4, UndecidedBytes: 300, Answer: time.Minute, Sends: 3, Memory: Memory{Recent: 1}}
	return &world{
		t: t, m: &Machine{Limits: limits}, now: time.Unix(0, 0),
		remembered: remembered{replies: map[entity.IdemKey]entity.Reply{}, lost: map[entity.IdemKey]bool{}},
		clients:    clients{done: map[int]int{}, acked: map[int][]int{}, refused: map[int]bool{}},
	}
}

// carryOut does what the machine asks for.
func (w *world) carryOut() {
	for len(w.m.Outputs()) > 0 {
		outputs := slices.Clone(w.m.Outputs())
		w.m.Forget()
		for _, o := range outputs {
			w.do(o)
		}
	}
}

func (w *world) do(o Output) {
	switch o.Do {
	case Open:
		if w.opening || w.stream {
			w.t.Fatal("a stream is opened while there is one")
		}
		if len(w.lane) > 0 {
			w.t.Fatal("the state is loaded while a write has no verdict")
		}
		if w.stopped && w.m.Waiting() == 0 {
			w.t.Fatal("a stream is opened for nothing after the end")
		}
		w.opening, w.left = true, false
	case Send:
		w.send(o.Command)
	case Commit:
		w.lane = append(w.lane, sent{o.Command, o.Command.Write})
	case Recall:
		if w.recall != nil || w.stream || w.opening {
			w.t.Fatal("a reply is recalled while something else is under way")
		}
		w.recall = o.Command
	case Release:
		w.release(o.Command)
	case Finish, Abort:
		w.stream, w.opening, w.with = false, false, nil
	case Leave:
		if w.opening || w.stream || len(w.lane) > 0 || w.recall != nil {
			w.t.Fatal("the instance leaves while something is under way")
		}
		if w.left {
			w.t.Fatal("the instance leaves twice")
		}
		w.left = true
	}
}

// pending returns the size of the writes that may still become durable.
func (w *world) pending() int {
	n := 0
	for _, c := range w.lane[min(w.dropped, len(w.lane)):max(len(w.lane)-w.broken, w.dropped)] {
		n += c.write.Size()
	}
	return n
}

func (w *world) send(c *Command) {
	w.handed++
	switch {
	case !w.stream || w.with != nil:
		w.t.Fatal("the function is given a command that it can't take")
	case c.ID != w.handed:
		w.t.Fatalf("the function is given id %d for command %d of its stream", c.ID, w.handed)
	case c.expired(w.now) != nil:
		w.t.Fatal("the function is given a command that nobody waits for")
	case w.pending() >= w.m.Limits.UndecidedBytes:
		w.t.Fatalf("the function is given a command while %d bytes are not durable", w.pending())
	}
	w.with = c
}

func number(c *Command) int { return int(c.Call.Payload[0])<<8 | int(c.Call.Payload[1]) }

func (w *world) release(c *Command) {
	n := number(c)
	w.done[n]++
	if w.done[n] > 1 {
		w.t.Fatalf("command %d was released %d times", n, w.done[n])
	}
	if c.Outcome.Err != nil {
		return
	}
	if n < w.latest {
		w.t.Fatalf("command %d is answered after command %d", n, w.latest)
	}
	w.latest = n
	if len(c.Write.Events) > 0 && !slices.Contains(w.journal, n) {
		w.t.Fatalf("command %d has a write, which is not stored", n)
	}
	seen := make([]int, len(c.Outcome.Reply.Value)/2)
	for i := range seen {
		seen[i] = int(c.Outcome.Reply.Value[2*i])<<8 | int(c.Outcome.Reply.Value[2*i+1])
	}
	if len(seen) > len(w.journal) || !slices.Equal(seen, w.journal[:len(seen)]) {
		w.t.Fatalf("the client of command %d saw %v, stored is %v", n, seen, w.journal)
	}
	w.acked[n] = seen
}

func encode(list []int) []byte {
	var b []byte
	for _, n := range list {
		b = append(b, byte(n>>8), byte(n))
	}
	return b
}

func (w *world) submit() {
	w.next++
	c := &Command{Call: entity.Call{Payload: encode([]int{w.next})}, Arrived: w.now}
	if w.next%4 == 0 {
		c.Call.Deadline = w.now.Add(time.Minute)
	}
	c.Call.Key = key(w.next)
	w.left = false
	w.m.Submit(c, w.now)
	if w.stopped && !errors.Is(c.Outcome.Err, ErrStopping) {
		w.t.Fatalf("a command after the end has the outcome %v", c.Outcome.Err)
	}
}

func (w *world) loaded() {
	w.opening, w.stream, w.handed, w.state = false, true, 0, slices.Clone(w.journal)
	w.m.Loaded(entity.Seq(len(w.journal)), w.now)
}

// answer makes the function answer the command that it has.
func (w *world) answer(writes, restart bool) {
	c := w.with
	w.with = nil
	d := Decision{Restart: restart}
	if restart {
		d.Outcome.Err = &entity.Refusal{Description: "restart"}
	} else {
		if writes {
			w.state = append(w.state, number(c))
			e := entity.Event{Seq: w.m.Last() + 1, Payload: entity.Payload{Value: c.Call.Payload}}
			d.Write.Events = []entity.Event{e}
		}
		d.Outcome.Reply.Value = encode(w.state)
	}
	w.m.Answered(d, w.now)
}

// verdict decides about the first write of the lane.
func (w *world) verdict(refuse bool) {
	c := w.lane[0]
	w.lane = w.lane[1:]
	reply := c.write.Reply
	if w.dropped > 0 {
		w.dropped--
		refuse = false
	}
	switch {
	case w.broken > 0:
		w.broken--
		w.m.Verdict(entity.ErrRefused, w.now)
	case reply != nil && w.replies[reply.Key].Key != "":
		w.broken = len(w.lane)
		w.m.Verdict(fmt.Errorf("world: %w", entity.ErrRepeated), w.now)
	case refuse:
		w.broken = len(w.lane)
		w.refused[number(c.Command)] = true
		w.m.Verdict(entity.ErrRefused, w.now)
	default:
		if reply != nil {
			w.replies[reply.Key] = *reply
		}
		for _, e := range c.write.Events {
			if int(e.Seq) != len(w.journal)+1 {
				w.t.Fatalf("event %d is stored after %d", e.Seq, len(w.journal))
			}
			w.journal = append(w.journal, number(c.Command))
		}
		w.m.Verdict(nil, w.now)
	}
}

// enabled returns what may happen now.
func (w *world) enabled() map[string]func() {
	steps := map[string]func(){
		"submit": w.submit,
		"time": func() {
			w.now = w.now.Add(40 * time.Second)
			w.m.Tick(30*time.Second, 40*time.Second, w.now)
		},
		"passivate": func() { w.m.Passivate() },
	}
	if w.next > 20 {
		steps["stop"] = func() { w.stopped = true; w.m.Stop(w.now) }
	}
	w.moving(steps)
	if w.opening {
		steps["loaded"] = w.loaded
		steps["load fails"] = func() { w.m.LoadFailed(entity.ErrUnavailable, w.now); w.noneWaits() }
		steps["load breaks"] = func() { w.m.Broken(entity.ErrUnavailable, w.now); w.noneWaits() }
	}
	if w.stream && w.with != nil {
		steps["answer"] = func() { w.answer(true, false) }
		steps["answer, nothing to write"] = func() { w.answer(false, false) }
		steps["answer, restart"] = func() { w.answer(false, true) }
		steps["stream breaks"] = func() { w.m.Broken(entity.ErrProtocol, w.now) }
		steps["send fails"] = func() { w.with = nil; w.m.SendFailed(entity.ErrUnavailable, w.now) }
	}
	if w.recall != nil {
		steps["recalled"] = func() { w.recalled(nil) }
		steps["recall fails"] = func() { w.recalled(entity.ErrUnavailable) }
	}
	if len(w.replies) > 0 {
		steps["replies expire"] = w.expire
	}
	if len(w.lane) > 0 {
		steps["stored"] = func() { w.verdict(false) }
		steps["refused"] = func() { w.verdict(true) }
	}
	return steps
}

func (w *world) step() {
	steps := w.enabled()
	names := make([]string, 0, len(steps))
	for name := range steps {
		names = append(names, name)
	}
	for _, name := range []string{"submit", "loaded", "answer"} { // or little happens
		if steps[name] != nil {
			names = append(names, name, name, name)
		}
	}
	slices.Sort(names)
	name := rapid.SampledFrom(names).Draw(w.t, "step")
	steps[name]()
	w.carryOut()
	if w.m.Gone() && (w.opening || w.stream || len(w.lane) > 0 || w.m.Waiting() > 0) {
		w.t.Fatal("it says that it is gone, and is not")
	}
	if w.m.bytes != w.pending() {
		w.t.Fatalf("it counts %d bytes that are not durable, there are %d", w.m.bytes, w.pending())
	}
}

// noneWaits checks that a load that came to nothing was the end of all who
// waited for it.
func (w *world) noneWaits() {
	if n := w.m.Waiting(); n > 0 {
		w.t.Fatalf("%d commands wait for a load that has failed", n)
	}
}

// calm lets everything end well.
func (w *world) calm() {
	for range 1000 {
		switch {
		case w.opening:
			w.loaded()
		case w.stream && w.with != nil:
			w.answer(true, false)
		case len(w.lane) > 0:
			w.verdict(false)
		case w.recall != nil:
			w.recalled(nil)
		default:
			return
		}
		w.carryOut()
	}
	w.t.Fatal("it does not come to rest")
}

// TestMachineKeepsItsPromises runs a machine through everything that can
// happen, in any order.
func TestMachineKeepsItsPromises(t *testing.T) {
	for range 30 { // times what rapid thinks is enough: the rare meetings matter
		rapid.Check(t, keepsItsPromises)
	}
}

func keepsItsPromises(t *rapid.T) {
	w := newWorld(t)
	for range rapid.IntRange(1, 120).Draw(t, "steps") {
		w.step()
	}
	w.calm()
	if !slices.IsSorted(w.journal) {
		t.Fatalf("commands are stored out of order: %v", w.journal)
	}
	for n := 1; n <= w.next; n++ {
		if w.done[n] != 1 {
			t.Fatalf("command %d was released %d times", n, w.done[n])
		}
		stored := 0
		for _, j := range w.journal {
			if j == n {
				stored++
			}
		}
		if stored > 1 {
			t.Fatalf("command %d is stored %d times: %v", n, stored, w.journal)
		}
		if w.refused[n] && stored > 0 {
			t.Fatalf("command %d was refused by the store and is stored", n)
		}
	}
	w.onceForEachKey()
	w.stopped = true
	w.m.Stop(w.now)
	w.carryOut()
	if !w.m.Gone() || w.stream {
		t.Fatal("it does not leave when it is stopped")
	}
	w.submit()
	w.carryOut()
	if !w.m.Gone() || w.done[w.next] != 1 {
		t.Fatal("it comes back for a command after the end")
	}
}

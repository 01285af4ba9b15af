// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// A world is all that a machine has to do with: clients, another member, and a
// function that counts. It checks the promises of package exchange at each step.
type world struct {
	t   *rapid.T
	m   *Machine
	now time.Time

	clients map[*Call]*client
	order   []*Call
	total   int64 // what was ever added, here and there
	other   *crdt.Data
	view    *crdt.View
	writes  []*Writing
	stopped bool
	theirs
}

// theirs is what the function knows.
type theirs struct {
	opening bool
	stream  bool
	value   int64
	queue   []Output        // on the way to it
	have    map[int64]*Call // commands that it has not replied to
	open    map[int64]*Call // streamed calls
	cancels map[int64]*Call // cancellations that it has not answered
	turn    map[int64]bool  // which of these it may still answer in its turn
}

type client struct {
	puts int
	busy bool
	ends int
	gone bool
}

func newWorld(t *rapid.T) *world {
	limits := &Limits{
		Waiting: 5, Outstanding: 3, Streams: 4, Lingering: 2, Sends: 3, Buffer: 3, BufferBytes: 1 << 20,
		Answer: time.Minute, Cancel: 5 * time.Second, Stall: 10 * time.Second, Hold: time.Second,
	}
	w := &world{t: t, now: time.Unix(1000, 0), clients: map[*Call]*client{}, other: &crdt.Data{}}
	w.view, _ = w.other.Open(crdt.NewMembers("other"))
	shared := rapid.Bool().Draw(t, "shared")
	w.m = New(Config{
		Limits: limits, Self: "self", Service: "s", ID: "i", Idle: 30 * time.Second,
		Members: crdt.NewMembers("self"), Shared: shared,
	}, &crdt.Data{})
	return w
}

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
		w.opening = true
	case Send:
		if !w.stream {
			w.t.Fatal("a message without a stream")
		}
		w.queue = append(w.queue, o)
	case Finish, Abort:
		w.theirs = theirs{}
	case Release:
		c := w.clients[o.Call]
		c.ends++
	case Put:
		c := w.clients[o.Call]
		if c.busy || c.ends > 0 {
			w.t.Fatal("an outcome that the client can't take")
		}
		c.busy = true
		c.puts++
	case End:
		c := w.clients[o.Call]
		if c.busy {
			w.t.Fatal("the end comes before the last outcome is taken")
		}
		c.ends++
	case Write:
		if !w.m.Shared {
			w.t.Fatal("a change is written to nobody")
		}
		w.other.Merge(o.Write.Part)
		w.writes = append(w.writes, o.Write)
	case Tell:
	}
}

func (w *world) submit(streamed bool) {
	c := &Call{Streamed: streamed, Arrived: w.now}
	if len(w.order)%5 == 0 {
		c.Deadline = w.now.Add(time.Minute)
	}
	w.clients[c] = &client{}
	w.order = append(w.order, c)
	w.m.Submit(c, w.now)
}

func (w *world) opened() {
	w.theirs = theirs{
		stream: true, have: map[int64]*Call{}, open: map[int64]*Call{},
		cancels: map[int64]*Call{}, turn: map[int64]bool{},
	}
	w.m.Opened(w.now)
}

// deliver lets the function read its next message.
func (w *world) deliver() {
	o := w.queue[0]
	w.queue = w.queue[1:]
	switch msg := o.Message.(type) {
	case *Init:
		w.value = int64(msg.Delta.GetGcounter().GetIncrement())
	case *Delta:
		if len(w.have) > 0 || len(w.turn) > 0 {
			w.t.Fatal("the function is told of a change in its turn")
		}
		w.value += int64(msg.Delta.GetGcounter().GetIncrement())
	case *Command:
		w.m.Begun(o.Call)
		w.have[msg.ID] = o.Call
	case *Cancel:
		c := w.open[msg.ID]
		if c == nil {
			return // it has ended the call meanwhile
		}
		delete(w.open, msg.ID)
		w.cancels[msg.ID] = c
		if k := w.m.calls[msg.ID]; k != nil && k.phase == canceling { // else it is late already
			w.turn[msg.ID] = true
		}
	}
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.m.Tick(w.now)
	for id := range w.turn { // it has had its time
		if c := w.m.calls[id]; c == nil || c.phase == lingering {
			delete(w.turn, id)
		}
	}
}

func (w *world) merge() {
	if err := w.other.Apply(w.view, count(1), "other", w.now); err != nil {
		w.t.Fatal(err)
	}
	w.total++
	w.m.Merge(w.other, w.now)
}

// taking returns the clients that have something to take, and following those
// that may go away.
func (w *world) taking() (busy, following []*Call) {
	for _, c := range w.order {
		k := w.clients[c]
		if k.busy {
			busy = append(busy, c)
		}
		if c.Streamed && !k.gone && k.ends == 0 {
			following = append(following, c)
		}
	}
	return busy, following
}

func (w *world) enabled() map[string]func() {
	steps := map[string]func(){
		"submit":   func() { w.submit(false) },
		"stream":   func() { w.submit(true) },
		"a second": func() { w.pass(time.Second) },
		"a while":  func() { w.pass(12 * time.Second) },
		"merge":    w.merge,
	}
	if len(w.order) > 25 {
		steps["stop"] = func() { w.stopped = true; w.m.Stop(w.now) }
	}
	if w.opening {
		steps["opened"] = w.opened
		steps["open fails"] = func() { w.m.OpenFailed(entity.ErrUnavailable, w.now) }
	}
	if len(w.queue) > 0 {
		steps["deliver"] = w.deliver
	}
	if w.stream && !w.m.Held() {
		w.functions(steps)
	}
	if len(w.writes) > 0 {
		steps["written"] = func() { w.written(nil) }
		steps["not written"] = func() { w.written(entity.ErrUnknownOutcome) }
	}
	busy, following := w.taking()
	if len(busy) > 0 {
		steps["take"] = func() { w.take(rapid.SampledFrom(busy).Draw(w.t, "client")) }
	}
	if len(following) > 0 {
		steps["go"] = func() {
			c := rapid.SampledFrom(following).Draw(w.t, "client")
			w.clients[c].gone = true
			w.m.Cancel(c, errGone, w.now)
		}
	}
	return steps
}

func (w *world) functions(steps map[string]func()) {
	if len(w.have) > 0 {
		steps["reply"] = w.reply
		steps["fail"] = w.fail
		steps["message before the reply"] = func() {
			w.m.Received(say(&Message{What: StreamedMessage, CommandID: pick(w.t, w.have)}), w.now)
		}
	}
	if len(w.queue) > 0 && w.queue[0].Call != nil {
		steps["can't send"] = func() {
			w.m.Begun(w.queue[0].Call)
			w.m.NotBegun(w.queue[0].Call)
			w.m.Broken(errClosed, w.now)
		}
	}
	if len(w.open) > 0 {
		steps["message"] = w.message
	}
	if len(w.cancels) > 0 {
		steps["respond"] = w.respond
	}
	steps["break"] = func() { w.m.Broken(errors.New("broken"), w.now) }
	steps["wrong id"] = func() { w.m.Received(say(&Message{What: Reply, CommandID: w.m.begun + 1}), w.now) }
	if id := w.m.begun; id > 0 && w.have[id] == nil {
		steps["second reply"] = func() { w.m.Received(say(&Message{What: Reply, CommandID: id}), w.now) }
	}
	steps["stray"] = func() { w.m.Received(say(&Message{What: StreamedMessage, CommandID: 1 << 40}), w.now) }
}

func (w *world) take(c *Call) {
	w.clients[c].busy = false
	w.m.Taken(c, w.now)
}

func (w *world) written(err error) {
	first := w.writes[0]
	w.writes = w.writes[1:]
	w.m.Written(first, err, w.now)
}

var often = map[string]bool{"opened": true, "deliver": true, "reply": true, "message": true, "stream": true, "a second": true}

func (w *world) step() {
	steps := w.enabled()
	var names []string
	for name := range steps {
		names = append(names, name)
		if often[name] {
			names = append(names, name, name, name, name, name, name) // or little happens
		}
	}
	slices.Sort(names)
	steps[rapid.SampledFrom(names).Draw(w.t, "step")]()
	w.carryOut()
	w.check()
}

func (w *world) check() {
	owed, streams := 0, 0
	for _, c := range w.m.calls {
		if c.phase == sent || c.phase == canceling {
			owed++
		}
		if c.phase == waiting || c.phase == finished {
			w.t.Fatalf("call %d is known to the function in phase %d", c.ID, c.phase)
		}
		if c.Streamed {
			streams++
		}
	}
	for _, c := range w.m.line {
		if c.Streamed {
			streams++
		}
	}
	switch {
	case owed != w.m.outstanding:
		w.t.Fatalf("%d outstanding, it says %d", owed, w.m.outstanding)
	case streams != w.m.streams:
		w.t.Fatalf("%d streams, it says %d", streams, w.m.streams)
	case len(w.m.linger) > w.m.Limits.Lingering || len(w.m.line) > w.m.Limits.Waiting+w.m.Limits.Outstanding:
		w.t.Fatal("too much is kept")
	case w.m.Gone() && (w.opening || w.stream):
		w.t.Fatal("it says that it is gone, and is not")
	case (w.m.unused() || w.m.outstanding > 0) && w.m.Due().IsZero():
		w.t.Fatal("it would stay for ever")
	}
}

// calm lets everything end.
func (w *world) calm() {
	for range 2000 {
		busy, _ := w.taking()
		switch {
		case len(busy) > 0:
			w.take(busy[0])
		case w.opening:
			w.opened()
		case len(w.queue) > 0:
			w.deliver()
		case len(w.writes) > 0:
			w.written(nil)
		case len(w.have) > 0:
			w.reply()
		case len(w.cancels) > 0:
			w.respond()
		case w.stream && w.m.outstanding > 0:
			w.pass(time.Minute)
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
	for range 5 {
		rapid.Check(t, keepsItsPromises)
	}
}

func keepsItsPromises(t *rapid.T) {
	w := newWorld(t)
	for range rapid.SampledFrom([]int{10, 60, 250}).Draw(t, "steps") {
		w.step()
	}
	w.calm()
	if w.stream && w.value != w.total {
		t.Fatalf("the function has %d, all in all %d was added", w.value, w.total)
	}
	w.m.Stop(w.now)
	w.carryOut()
	w.calm()
	w.m.Tick(w.now)
	w.carryOut()
	if !w.m.Gone() {
		t.Fatal("it does not leave when it is stopped")
	}
	for i, c := range w.order {
		if k := w.clients[c]; k.ends != 1 {
			t.Fatalf("call %d, streamed %v, has %d ends", i, c.Streamed, k.ends)
		}
	}
	_, init := w.m.data.Open(w.m.Members)
	if sum := int64(init.GetGcounter().GetIncrement()); sum != w.total {
		t.Fatalf("the data is %d, all in all %d was added", sum, w.total)
	}
}

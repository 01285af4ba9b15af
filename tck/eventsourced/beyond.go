// SPDX-License-Identifier: Apache-2.0

package eventsourced

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T), services ...string) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("K%d", len(cases)+1),
			Section:  "Kairn: event sourced functions that misbehave",
			Name:     name,
			Kind:     suite.Proxy,
			Services: append(services, modelService),
			Run:      run,
		})
	}
	add("failure message instead of a reply: its description reaches the client", says(crashed(1, "boom"), "boom"))
	add("failure message for no command: its description reaches the client", says(crashed(0, "boom"), "boom"))
	add("failure message for another command", says(crashed(99, "boom"), "boom"))
	add("empty message instead of a reply", saysNonsense(empty()))
	add("reply to another command", saysNonsense(reply(99, "A", events("A"))))
	add("failure action with events, without a restart: nothing is stored", saysNonsense(refused(1, "no", false, events("A"))))
	add("failure action with events, with a restart: nothing is stored", restartWithEvents)
	add("reply without a client action: the client gets an empty message", noAction)
	add("second reply to a command", secondReply)
	add("reply that nobody has asked for, to the command that comes next: what a client is told is what is stored", earlyReply)

	broken := status.Error(codes.Internal, "broken")
	add("stream ended before the init is read", endsAtInit(nil))
	add("stream broken before the init is read", endsAtInit(broken))
	add("stream ended during replay", endsAtReplay(nil))
	add("stream broken during replay", endsAtReplay(broken))
	add("stream ended with a command in hand", endsAtCommand(nil))
	add("stream broken with a command in hand", endsAtCommand(broken))
	add("stream ended while idle", endsIdle(nil))
	add("stream broken while idle", endsIdle(broken))
	add("passivated stream that the function never ends", neverEnds, configured)

	add("forward to an unknown service", unknownForward("tck.Unknown", "Call", "tck.Unknown"))
	add("forward to an unknown command", unknownForward(modelService, "Unknown", "Unknown"))
	add("side effect on an unknown service", unknownEffect(false))
	add("synchronous side effect on an unknown service", unknownEffect(true))
	add("restart while commands wait: they keep their order", restartWithWaiting)
	add("client that goes away while the function has its command", cancelsInHand)
	add("client that goes away while its command waits", cancelsWaiting)
	add("reply after a failure message: the client gets the failure, nothing is stored", says(crashed(1, "boom"), "boom", reply(1, "A", events("A"))))
	add("reply of another type: passed on, and told to the function", otherType)
	add("event of a type that nobody knows: stored, and given back as it was", unknownEvent)
	add("message of 13 MiB: the client is told, nothing is stored", suite.Slowly(saysNonsense(reply(1, strings.Repeat("x", 13<<20), events("A")))))
	return cases
}

// says is for a function that answers the first command with a message after
// which the stream is of no use; the client gets the description. What the
// function says after that is said to nobody.
func says(m *streamOut, description string, more ...*streamOut) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		p.release()
		a.Leaves(m, more...)
		q.Fails(description)
		p.works("")
		p.over()
	}
}

// saysNonsense is likewise, but it is the function's fault: it is told.
func saysNonsense(m *streamOut) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		p.release()
		a.Leaves(m)
		q.Troubled()
		t.Reported(p.key)
		p.works("")
		p.over()
	}
}

func restartWithEvents(t *suite.T) {
	p := newPlay(t)
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	p.release()
	a.Says(refused(1, "no", true, events("A")))
	q.Fails("no")
	a.Closes()
	s := p.reopened()
	p.gets("", p.key)
	s.passed(nil, "")
	p.over()
}

func noAction(t *suite.T) {
	p := newPlay(t)
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	a.Says(replyWith(1, nil, events("A")))
	q.gets("")
	q = p.asks()
	a.takes()
	p.release()
	a.Leaves(crashed(2, "enough"))
	q.Fails("enough")
	p.works("A", "A")
	p.over()
}

func secondReply(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	a.Says(reply(1, "A", events("A")))
	q.gets("A")
	p.release()
	a.Leaves(reply(1, "A", events("A")))
	t.Settle()
	p.recovers("A")
	t.Reported(p.key)
	p.over()
}

// earlyReply may be refused, or not be noticed at all. If a proxy takes it for
// the answer to the next command, whose number could be guessed, its client must
// have been told what is stored.
func earlyReply(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	a.Says(reply(1, "A", events("A")))
	q.gets("A")
	p.release()
	a.Leaves(reply(2, "Aforged", events("forged")))
	t.Settle()
	state := "A"
	if q := p.asks(); q.Maybe() {
		state = q.text()
	}
	if state != "A" && state != "Aforged" {
		t.Fatalf("the client got %q, which nobody has said", state)
	}
	a.Ends(nil)
	t.Settle()
	p.recovers(state)
	p.over()
}

// endsAtInit is for a function that does not want the stream. The command has
// not been carried out, so the proxy may try again or say so.
func endsAtInit(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(emit("A"))
		a := p.opens()
		p.release()
		a.Ends(err)
		p.endsBefore(q, "", "A")
		p.over()
	}
}

func endsAtReplay(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(emits("A", "B", "C")...)
		a := p.opens()
		a.takes(emits("A", "B", "C")...)
		a.Says(reply(1, "ABC", events("A", "B", "C")))
		q.gets("ABC")
		q = p.asks()
		a.takes()
		a.Leaves(crashed(2, "forget it"))
		q.Fails("forget it")

		q = p.asks(emit("D"))
		a = p.opens()
		a.FromProxy(stored(1, "A"))
		p.release()
		a.Ends(err)
		p.endsBefore(q, "ABC", "D")
		p.over()
	}
}

// endsBefore expects that a command that emits a value, which no function was
// seen to answer, was carried out once or not at all.
func (p *play) endsBefore(q question, state, value string) {
	if q.Maybe() {
		q.gets(state + value)
		p.gets(state+value, p.key)
	} else {
		p.gets(state, p.key)
	}
	p.t.Connection(handle, p.service, p.key).Ignore()
}

// endsAtCommand is for a function that goes away with a command. Nobody knows
// what it has done with it, so it isn't sent again.
func endsAtCommand(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		p.release()
		a.Ends(err)
		q.Troubled()
		t.Reported(p.key)
		p.works("")
		p.over()
	}
}

// endsIdle is for a function that ends a stream between two commands. A proxy
// may have sent the next one when it finds out, so that one may fail.
func endsIdle(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(emit("A"))
		a := p.opens()
		a.takes(emit("A"))
		a.Says(reply(1, "A", events("A")))
		q.gets("A")
		p.release()
		a.Ends(err)
		t.Settle()
		p.recovers("A")
		p.over()
	}
}

func neverEnds(t *suite.T) {
	p := newPlayOf(t, configured)
	t.AllowReports()
	q := p.asks()
	a := p.opens()
	a.id++
	a.FromProxy(call(a.id, p.key))
	a.Says(reply(1, ""))
	q.gets("")
	a.HalfClosed()
	p.release()
	a.Ignore()
	p.asks().gets("")
	s := p.reopened()
	s.called()
	s.Closed()
	p.over()
}

// restartWithWaiting lets three commands wait while the function has one that
// it then refuses with a restart. That they have reached the proxy in order is
// seen to by the calls to another instance in between.
func restartWithWaiting(t *suite.T) {
	p := newPlay(t)
	first := p.asks(emit("1"))
	a := p.opens()
	a.takes(emit("1"))
	var waiting []question
	for _, v := range []string{"2", "3", "4"} {
		waiting = append(waiting, p.asks(emit(v)))
		t.Settle()
	}
	p.release()
	a.Says(refused(1, "no", true))
	first.Fails("no")
	a.Closes()
	s := p.reopened()
	for i, q := range waiting {
		s.passed(emits(string(rune('2'+i))), "234"[:i+1], events(string(rune('2'+i))))
		q.gets("234"[:i+1])
	}
	p.gets("234", p.key)
	s.passed(nil, "234")
	p.over()
}

// cancelsInHand: what the function has got is carried out to the end.
func cancelsInHand(t *suite.T) {
	p := newPlay(t)
	q := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	q.GoesAway()
	t.Settle()
	a.Says(reply(1, "A", events("A")))
	q = p.asks(emit("B"))
	a.takes(emit("B"))
	p.release()
	a.Says(refused(2, "no", true))
	q.Fails("no")
	a.Closes()
	s := p.reopened("A")
	p.gets("A", p.key)
	s.passed(nil, "A")
	p.over()
}

// cancelsWaiting: what the function has not got, and nobody waits for, it never
// gets.
func cancelsWaiting(t *suite.T) {
	p := newPlay(t)
	first := p.asks(emit("A"))
	a := p.opens()
	a.takes(emit("A"))
	waiting := p.asks(emit("B"))
	t.Settle()
	waiting.GoesAway()
	t.Settle()
	a.Says(reply(1, "A", events("A")))
	first.gets("A")
	q := p.asks(emit("C"))
	a.takes(emit("C"))
	a.Says(reply(2, "AC", events("C")))
	q.gets("AC")
	p.over()
}

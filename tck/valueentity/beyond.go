// SPDX-License-Identifier: Apache-2.0

package valueentity

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T), services ...string) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("V%d", len(cases)+1),
			Section:  "Kairn: value entity functions that misbehave",
			Name:     name,
			Kind:     suite.Proxy,
			Services: append(services, modelService),
			Run:      run,
		})
	}
	add("failure message instead of a reply: its description reaches the client", says(crashed(1, "boom"), "boom"))
	add("failure message for no command: its description reaches the client", says(crashed(0, "boom"), "boom"))
	add("failure message for another command", says(crashed(99, "boom"), "boom"))
	add("empty message instead of a reply", saysNonsense(&streamOut{}))
	add("reply to another command", saysNonsense(reply(99, "B", updated("B"))))
	add("update without a value: the client is told, nothing is stored", saysNonsense(reply(1, "B", withState(&cloudstate.ValueEntityAction{
		Action: &cloudstate.ValueEntityAction_Update{Update: &cloudstate.ValueEntityUpdate{}},
	}))))
	add("state action without an action: the client is told, nothing is stored",
		saysNonsense(reply(1, "B", withState(&cloudstate.ValueEntityAction{}))))
	add("failure action with an update: nothing is stored", failureWithUpdate)
	add("reply without a client action: the client gets an empty message", noAction)
	add("second reply to a command", secondReply)

	broken := status.Error(codes.Internal, "broken")
	add("stream ended before the init is read", endsAtInit(nil))
	add("stream broken before the init is read", endsAtInit(broken))
	add("stream ended with a command in hand", endsAtCommand(nil))
	add("stream broken with a command in hand", endsAtCommand(broken))
	add("stream ended while idle", endsIdle(nil))
	add("stream broken while idle", endsIdle(broken))
	add("passivated stream that the function never ends", neverEnds, configured)
	add("client that goes away while the function has its command", cancelsInHand)
	add("client that goes away while its command waits", cancelsWaiting)
	add("reply after a failure message: the client gets the failure, nothing is stored", says(crashed(1, "boom"), "boom", reply(1, "B", updated("B"))))
	add("reply of another type: passed on, and told to the function", otherType)
	add("state of a type that nobody knows: stored, and given back as it was", unknownState)
	add("forward to an unknown service", unknownForward("tck.Unknown", "Call", "tck.Unknown"))
	add("forward to an unknown command", unknownForward(modelService, "Unknown", "Unknown"))
	add("side effect on an unknown service", unknownEffect(false))
	add("synchronous side effect on an unknown service", unknownEffect(true))
	add("message of 13 MiB: the client is told, nothing is stored", suite.Slowly(saysNonsense(reply(1, strings.Repeat("x", 13<<20), updated("B")))))
	return cases
}

func withState(a *cloudstate.ValueEntityAction) part {
	return func(r *cloudstate.ValueEntityReply) { r.StateAction = a }
}

// crashed says that the function can't go on.
func crashed(id int64, description string) *streamOut {
	return &streamOut{Message: &cloudstate.ValueEntityStreamOut_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}}
}

// stores has the script store a value, in a stream that it then gives up.
func (p *play) stores(value string) {
	q := p.asks(update(value))
	a := p.opens()
	a.takes(update(value))
	a.Says(reply(1, value, updated(value)))
	q.gets(value)
	q = p.asks()
	a.takes()
	a.Leaves(crashed(2, "forget it"))
	q.Fails("forget it")
}

// says is for a function that answers a command with a message after which the
// stream is of no use; the client gets the description. What the function says
// after that is said to nobody.
func says(m *streamOut, description string, more ...*streamOut) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		p.stores("A")
		q := p.asks(update("B"))
		a := p.opensWith("A")
		a.takes(update("B"))
		p.release()
		a.Leaves(m, more...)
		q.Fails(description)
		p.works("A")
		p.over()
	}
}

// saysNonsense is likewise, but it is the function's fault: it is told.
func saysNonsense(m *streamOut) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		p.stores("A")
		q := p.asks(update("B"))
		a := p.opensWith("A")
		a.takes(update("B"))
		p.release()
		a.Leaves(m)
		q.Troubled()
		t.Reported(p.key)
		p.works("A")
		p.over()
	}
}

// failureWithUpdate: the client is told of a failure, so that must be what
// happened, whatever the proxy makes of the rest.
func failureWithUpdate(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	p.stores("A")
	q := p.asks(update("B"))
	a := p.opensWith("A")
	a.takes(update("B"))
	p.release()
	m := refused(1, "no")
	updated("B")(m.GetReply())
	a.Leaves(m)
	q.Troubled()
	a.Ends(nil) // if the proxy still has it
	t.Settle()
	p.recovers("A")
	p.over()
}

func noAction(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	a.Says(replyWith(1, nil, updated("A")))
	q.gets("")
	q = p.asks()
	a.takes()
	p.release()
	a.Leaves(crashed(2, "enough"))
	q.Fails("enough")
	p.works("A")
	p.over()
}

func secondReply(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	a.Says(reply(1, "A", updated("A")))
	q.gets("A")
	p.release()
	a.Leaves(reply(1, "B", updated("B")))
	t.Settle()
	p.recovers("A")
	t.Reported(p.key)
	p.over()
}

// endsAtInit is for a function that does not want the stream. The command has
// not been carried out, so the proxy may try again or say so.
func endsAtInit(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		p.stores("A")
		q := p.asks(update("B"))
		a := p.opensWith("A")
		p.release()
		a.Ends(err)
		want := "A"
		if q.Maybe() {
			want = "B"
			q.gets(want)
		}
		p.gets(want, p.key)
		t.Connection(handle, p.service, p.key).Ignore()
		p.over()
	}
}

// endsAtCommand is for a function that goes away with a command. Nobody knows
// what it has done with it, so it isn't sent again.
func endsAtCommand(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		p.stores("A")
		q := p.asks(update("B"))
		a := p.opensWith("A")
		a.takes(update("B"))
		p.release()
		a.Ends(err)
		q.Troubled()
		t.Reported(p.key)
		p.works("A")
		p.over()
	}
}

// endsIdle is for a function that ends a stream between two commands. A proxy
// may have sent the next one when it finds out, so that one may fail.
func endsIdle(err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t)
		t.AllowReports()
		q := p.asks(update("A"))
		a := p.opens()
		a.takes(update("A"))
		a.Says(reply(1, "A", updated("A")))
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
	s := opened(t, p.service, p.key)
	s.called()
	s.Closed()
	p.over()
}

// cancelsInHand: what the function has got is carried out to the end.
func cancelsInHand(t *suite.T) {
	p := newPlay(t)
	t.AllowReports()
	q := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	q.GoesAway()
	t.Settle()
	a.Says(reply(1, "A", updated("A")))
	q = p.asks()
	a.takes()
	p.release()
	a.Leaves(crashed(2, "enough"))
	q.Fails("enough")
	p.works("A")
	p.over()
}

// cancelsWaiting: what the function has not got, and nobody waits for, it never
// gets.
func cancelsWaiting(t *suite.T) {
	p := newPlay(t)
	first := p.asks(update("A"))
	a := p.opens()
	a.takes(update("A"))
	waiting := p.asks(update("B"))
	t.Settle()
	waiting.GoesAway()
	t.Settle()
	a.Says(reply(1, "A", updated("A")))
	first.gets("A")
	q := p.asks(update("C"))
	a.takes(update("C"))
	a.Says(reply(2, "C", updated("C")))
	q.gets("C")
	p.over()
}

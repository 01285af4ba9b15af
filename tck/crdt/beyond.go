// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T), services ...string) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("C%d", len(cases)+1),
			Section:  "Kairn: CRDT functions that misbehave",
			Name:     name,
			Kind:     suite.Proxy,
			Services: append(services, modelService, twoService),
			Run:      run,
		})
	}
	add("failure message instead of a reply: its description reaches the client, the stream goes on", failsOne)
	add("failure message for no command: its description reaches the client", crashes(crashed(0, "boom"), "boom"))
	add("empty message instead of a reply", saysNonsense(&streamOut{}))
	add("reply to another command", saysNonsense(reply(99, says(gCounter(1)), updated(gCounterDelta(1)))))
	add("streamed reply to a command that is not", saysNonsense(firstReply(1, says(gCounter(1)))))
	add("delta of another type", saysWrongly(reply(2, says(gCounter(4)), updated(pnCounterDelta(1)))))
	add("delta without a type", saysNonsense(reply(1, says(gCounter(1)), updated(&delta{}))))
	add("write consistency that does not exist", saysNonsense(reply(1, says(gCounter(1)), updatedAt(17, gCounterDelta(1)))))
	add("second reply to a command, with a change", secondReply)
	add("response to a cancellation that nobody asked for", saysNonsense(noted(1, updated(gCounterDelta(1)))))
	add("streamed message for a command that is not open", strayMessage)
	add("reply without a client action: the client gets an empty message", noAction)
	add("several commands at once, answered in another order", otherOrder)

	broken := status.Error(codes.Internal, "broken")
	add("stream ended before the init is read", endsAtInit(nil))
	add("stream broken before the init is read", endsAtInit(broken))
	add("stream ended with commands in hand", endsAtCommand(nil))
	add("stream broken with commands in hand", endsAtCommand(broken))
	add("stream ended while idle", endsIdle(nil))
	add("stream broken while idle", endsIdle(broken))
	add("stream broken under a streamed call: its client is told", endsUnderStream(broken))
	add("passivated stream that the function never ends", neverEnds, configured)
	add("forward to an unknown service", unknownForward("tck.Unknown", "Call", "tck.Unknown"))
	add("side effect on an unknown service", unknownEffect(false))
	add("reply after a failure message, with a change: the client gets the failure, nothing is changed", replyAfterFailure)
	add("reply of another type: passed on, and told to the function", otherType)
	add("message of 13 MiB: the client is told, nothing is changed", suite.Slowly(saysNonsense(reply(1, says(gSet(strings.Repeat("x", 13<<20))), updated(gCounterDelta(1))))))
	add("stream ended under a streamed call: its client is told", endsUnderStream(nil))
	add("forward to an unknown command", unknownForward(twoService, "Unknown", "Unknown"))
	add("synchronous side effect on an unknown service", unknownEffect(true))
	add("element of a type that nobody knows: kept, and given back as it was", unknownElement)
	return cases
}

// crashed says that the function can't go on.
func crashed(id int64, description string) *streamOut {
	return &streamOut{Message: &cloudstate.CrdtStreamOut_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: description},
	}}
}

// counts has the script add three, in the first stream.
func (s *scene) counts() *act {
	q := s.asks(updates(increments(3)...)...)
	a := s.opens(nil)
	a.takes(updates(increments(3)...)...)
	a.Says(reply(1, says(gCounter(3)), updated(gCounterDelta(3))))
	q.is(gCounter(3))
	return a
}

// failsOne: a failure of a command is no failure of the instance.
func failsOne(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	q := s.asks()
	a.takes()
	a.Says(crashed(2, "boom"))
	q.Fails("boom")
	q = s.asks()
	a.takes()
	a.Says(reply(3, says(gCounter(3))))
	q.is(gCounter(3))
	s.over()
}

// crashes is for a function that answers the first command with a message after
// which the stream is of no use; the client gets the description.
func crashes(m *streamOut, description string) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		q := s.asks()
		a := s.opens(nil)
		a.takes()
		s.release()
		a.Leaves(m)
		q.Fails(description)
		s.works(0)
		s.over()
	}
}

// saysNonsense is likewise, but it is the function's fault: it is told.
func saysNonsense(m *streamOut) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		q := s.asks()
		a := s.opens(nil)
		a.takes()
		s.release()
		a.Leaves(m)
		q.Troubled()
		t.Reported(s.key)
		s.works(0)
		s.over()
	}
}

// saysWrongly has the counter be three when the message comes.
func saysWrongly(m *streamOut) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		q := s.asks()
		a.takes()
		s.release()
		a.Leaves(m)
		q.Troubled()
		t.Reported(s.key)
		s.works(3)
		s.over()
	}
}

func secondReply(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	s.release()
	a.Leaves(reply(1, says(gCounter(3)), updated(gCounterDelta(3))))
	t.Settle()
	s.recovers(3)
	t.Reported(s.key)
	s.over()
}

func replyAfterFailure(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	q := s.asks()
	a.takes()
	s.release()
	a.Leaves(crashed(2, "boom"), reply(2, says(gCounter(4)), updated(gCounterDelta(1))))
	q.Fails("boom")
	t.Settle()
	s.recovers(3)
	s.over()
}

func otherType(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	q := s.asks()
	a.takes()
	m := reply(2, says(gCounter(3)))
	m.GetReply().GetClientAction().GetReply().GetPayload().TypeUrl = "type.googleapis.com/tck.Other"
	a.Says(m)
	q.is(gCounter(3))
	t.Reported("tck.Other")
	s.over()
}

// strayMessage is told to the function, and has no other consequence. A proxy may
// find it only when it reads the answer to the next command.
func strayMessage(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	a.Says(streamed(1, gCounter(9)))
	q := s.asks()
	a.takes()
	a.Says(reply(2, says(gCounter(3))))
	q.is(gCounter(3))
	t.Reported(s.key)
	s.over()
}

func noAction(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	q := s.asks()
	a.takes()
	a.Says(reply(2, nil))
	q.is(nil)
	s.over()
}

func otherOrder(t *suite.T) {
	s := newScene(t)
	a := s.counts()
	first := s.asks()
	a.takes()
	second := s.asks()
	a.takes()
	a.Says(reply(3, says(gCounter(3))))
	second.is(gCounter(3))
	a.Says(reply(2, says(gCounter(5)), updated(gCounterDelta(2))))
	first.is(gCounter(5))
	s.over()
}

// endsAtInit is for a function that does not want the stream. The command has
// not been carried out, so the proxy may try again or say so.
func endsAtInit(err error) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		q := s.asks()
		a := s.opens(nil)
		s.release()
		a.Ends(err)
		if q.Maybe() {
			q.is(gCounter(0))
		} else {
			s.gets(gCounter(0))
		}
		t.Connection(handle, s.service, s.key).Ignore()
		s.over()
	}
}

func endsAtCommand(err error) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		first := s.asks()
		a.takes()
		second := s.asks()
		a.takes()
		s.release()
		a.Ends(err)
		first.Troubled()
		second.Troubled()
		t.Reported(s.key)
		s.works(3)
		s.over()
	}
}

func endsIdle(err error) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		s.release()
		a.Ends(err)
		t.Settle()
		s.recovers(3)
		s.over()
	}
}

func endsUnderStream(err error) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		in := &crdt.StreamedRequest{Id: s.key}
		watch := s.watches(in)
		a.command("ProcessStreamed", in)
		a.Says(firstReply(2, says(gCounter(3))))
		watch.Expect(&crdt.Response{State: gCounter(3)})
		s.release()
		a.Ends(err)
		if err := watch.Fails(); status.Convert(err).Message() == "" {
			t.Fatalf("the client got the code %v without a word", status.Code(err))
		}
		t.Reported(s.key)
		s.works(3)
		s.over()
	}
}

func neverEnds(t *suite.T) {
	s := newSceneOf(t, configured)
	q := s.asks()
	a := s.opens(nil)
	a.command("Call", request(s.key))
	a.Says(reply(1, says(nil)))
	q.is(nil)
	a.HalfClosed()
	s.release()
	a.Ignore()
	s.asks().is(nil)
	c := opened(t, s.service, s.key)
	c.called(nil)
	c.Closed()
	s.over()
}

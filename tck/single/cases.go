// SPDX-License-Identifier: Apache-2.0

package single

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Nonsense is an answer to the first command of a stream that only functions of one
// entity type can give, and that is of no use.
type Nonsense[Out any] struct {
	Name   string
	Answer *Out
}

// Cases returns the cases for a kind of entities.
func Cases[In, Out any](k *Kind[In, Out], more ...Nonsense[Out]) []suite.Case {
	var cases []suite.Case
	addTo := func(service, name string, run func(*play[In, Out])) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("%s%d", k.Letter, len(cases)+1),
			Section:  k.Section,
			Name:     name,
			Kind:     suite.Proxy,
			Services: []string{k.Model, service},
			Run:      func(t *suite.T) { run(newPlay(t, k, service)) },
		})
	}
	add := func(name string, run func(*play[In, Out])) { addTo(k.Model, name, run) }
	for _, c := range answers(k) {
		add(c.name, c.run)
	}
	for _, c := range more {
		add(c.Name, k.nonsense(c.Answer))
	}
	broken := status.Error(codes.Internal, "broken")
	for _, end := range []struct {
		how string
		err error
	}{{"ended", nil}, {"broken", broken}} {
		add("stream "+end.how+" before the init is read", func(p *play[In, Out]) { p.endsAtInit(end.err) })
		add("stream "+end.how+" with a command in hand", func(p *play[In, Out]) { p.endsAtCommand(end.err) })
		add("stream "+end.how+" while idle", func(p *play[In, Out]) { p.endsIdle(end.err) })
		if k.Replays {
			add("stream "+end.how+" during replay", func(p *play[In, Out]) { p.endsAtReplay(end.err) })
		}
	}
	addTo(k.Configured, "passivated stream that the function never ends", (*play[In, Out]).neverEnds)
	add("restart while commands wait: they keep their order", (*play[In, Out]).restartsWithWaiting)
	add("client that goes away while the function has its command", (*play[In, Out]).cancelsInHand)
	add("client that goes away while its command waits", (*play[In, Out]).cancelsWaiting)
	return cases
}

type named[In, Out any] struct {
	name string
	run  func(*play[In, Out])
}

// answers returns the cases about answers.
func answers[In, Out any](k *Kind[In, Out]) []named[In, Out] {
	kept := k.Kept("B")
	return []named[In, Out]{
		{"failure message instead of a reply: its description reaches the client", k.crashes(k.crashed(1, "boom"))},
		{"failure message for no command: its description reaches the client", k.crashes(k.crashed(0, "boom"))},
		{"failure message for another command", k.crashes(k.crashed(99, "boom"))},
		{"reply after a failure message: the client gets the failure, nothing is stored", k.crashes(k.crashed(1, "boom"), k.Reply(1, k.says("B"), kept))},
		{"empty message instead of a reply", k.nonsense(new(Out))},
		{"reply to another command", k.nonsense(k.Reply(99, k.says("B"), kept))},
		{"failure action with what is to be kept, without a restart: nothing is stored", k.nonsense(k.Reply(1, refuses("no", false), kept))},
		{"failure action with what is to be kept, with a restart: nothing is stored", (*play[In, Out]).restarts},
		{"message of 13 MiB: the client is told, nothing is stored", func(p *play[In, Out]) {
			p.t.Slowly()
			k.nonsense(k.Reply(1, k.says(strings.Repeat("x", 13<<20)), kept))(p)
		}},
		{"reply without a client action: the client gets an empty message", (*play[In, Out]).noAction},
		{"second reply to a command", (*play[In, Out]).secondReply},
		{"reply that nobody has asked for, to the command that comes next: what a client is told is what is stored", (*play[In, Out]).earlyReply},
		{"reply of another type: passed on, and told to the function", (*play[In, Out]).otherType},
		{"a type that nobody knows: stored, and given back as it was", (*play[In, Out]).unknownType},
		{"forward to an unknown service", unknownForward[In, Out]("tck.Unknown", "Call", "tck.Unknown")},
		{"forward to an unknown command", unknownForward[In, Out](k.Model, "Unknown", "Unknown")},
		{"side effect on an unknown service", unknownEffect[In, Out](false)},
		{"synchronous side effect on an unknown service", unknownEffect[In, Out](true)},
	}
}

// answered has the instance keep A, and then the function answer a command with a
// message after which the stream is of no use. What it says after that is said to
// nobody.
func (p *play[In, Out]) answered(m *Out, more ...*Out) *suite.Question {
	p.stored("A")
	q := p.asks("B")
	a := p.opens()
	a.takes("B")
	p.release()
	a.Leaves(m, more...)
	return q
}

// crashes is for a message that says boom, as the client does then.
func (*Kind[In, Out]) crashes(m *Out, more ...*Out) func(*play[In, Out]) {
	return func(p *play[In, Out]) {
		p.answered(m, more...).Fails("boom")
		p.works()
		p.over()
	}
}

// nonsense is for a message that is the function's fault: it is told.
func (*Kind[In, Out]) nonsense(m *Out) func(*play[In, Out]) {
	return func(p *play[In, Out]) {
		p.answered(m).Troubled()
		p.t.Reported(p.key)
		p.works()
		p.over()
	}
}

func (p *play[In, Out]) restarts() {
	q := p.asks("A")
	a := p.opens()
	a.takes("A")
	p.release()
	a.Says(p.Reply(1, refuses("no", true), p.Kept("A")))
	q.Fails("no")
	a.Closes()
	s := p.opened()
	p.t.Gets(p.Process, p.Request(p.key, ""), p.Answer(""))
	s.takes("")
	s.FromFunction(asMessage(p.Reply(1, p.says(""), nil)))
	p.over()
}

// first has the function get the first command.
func (p *play[In, Out]) first() (*act[In, Out], *suite.Question) {
	q := p.asks("A")
	a := p.opens()
	a.takes("A")
	return a, q
}

// keepsFirst has it keep what that says.
func (p *play[In, Out]) keepsFirst() *act[In, Out] {
	a, q := p.first()
	a.keeps("A")
	q.Gets(p.Answer("A"))
	return a
}

// forgets has the script give a stream up, so that the next one begins with what
// is stored.
func (p *play[In, Out]) forgets(a *act[In, Out]) {
	q := p.asks("")
	a.takes("")
	a.Leaves(p.crashed(a.id, "enough"))
	q.Fails("enough")
}

func (p *play[In, Out]) noAction() {
	a, q := p.first()
	p.state, p.kept = "A", append(p.kept, p.Kept("A"))
	a.Says(p.Reply(1, nil, p.Kept("A")))
	q.Gets(p.Answer(""))
	p.release()
	p.forgets(a)
	p.works()
	p.over()
}

func (p *play[In, Out]) secondReply() {
	a := p.keepsFirst()
	p.release()
	a.Leaves(p.Reply(1, p.says("B"), p.Kept("B")))
	p.t.Settle()
	p.recovers()
	p.t.Reported(p.key)
	p.over()
}

// earlyReply may be refused, or not be noticed at all. If a proxy takes it for
// the answer to the next command, whose number could be guessed, its client must
// have been told what is stored.
func (p *play[In, Out]) earlyReply() {
	a := p.keepsFirst()
	p.release()
	forged := p.Then("A", "forged")
	a.Leaves(p.Reply(2, p.says(forged), p.Kept("forged")))
	p.t.Settle()
	if q := p.asks(""); q.Maybe() {
		if said := q.Answer(); fmt.Sprint(said) == fmt.Sprint(p.Answer(forged)) {
			p.state = forged
		}
	}
	a.Ends(nil)
	p.t.Settle()
	p.recovers()
	p.over()
}

func (p *play[In, Out]) otherType() {
	a, q := p.first()
	other := p.says("A")
	other.GetReply().GetPayload().TypeUrl = "type.googleapis.com/tck.Other"
	a.Says(p.Reply(1, other, p.Kept("A")))
	q.Gets(p.Answer("A"))
	p.t.Reported("tck.Other")
	p.goesOn(a)
	p.over()
}

// goesOn expects the next command in the same stream.
func (p *play[In, Out]) goesOn(a *act[In, Out]) {
	q := p.asks("")
	a.takes("")
	a.Says(p.Reply(a.id, p.says("as before"), nil))
	q.Gets(p.Answer("as before"))
}

func (p *play[In, Out]) unknownType() {
	unknown := &anypb.Any{TypeUrl: "type.googleapis.com/tck.Unknown", Value: []byte{0xff}}
	a, q := p.first()
	p.kept = append(p.kept, unknown)
	a.Says(p.Reply(1, p.says("A"), unknown))
	q.Gets(p.Answer("A"))
	p.forgets(a)

	q = p.asks("")
	a = p.opens()
	a.takes("")
	a.Says(p.Reply(1, p.says("known"), nil))
	q.Gets(p.Answer("known"))
	p.over()
}

func unknownForward[In, Out any](service, name, reported string) func(*play[In, Out]) {
	return func(p *play[In, Out]) {
		a, q := p.first()
		forward := &cloudstate.Forward{ServiceName: service, CommandName: name, Payload: pack(p.Request("somewhere", ""))}
		a.Says(p.Reply(1, &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: forward}}, p.Kept("A")))
		q.Troubled()
		p.t.Reported(reported)
		p.goesOn(a)
		p.over()
	}
}

func unknownEffect[In, Out any](synchronous bool) func(*play[In, Out]) {
	return func(p *play[In, Out]) {
		a, q := p.first()
		a.Says(p.Reply(1, p.says("A"), p.Kept("A"), &cloudstate.SideEffect{
			ServiceName: "tck.Unknown", CommandName: "Call", Payload: pack(p.Request("somewhere", "")), Synchronous: synchronous,
		}))
		q.Gets(p.Answer("A"))
		p.t.Reported("tck.Unknown")
		p.goesOn(a)
		p.over()
	}
}

// SPDX-License-Identifier: Apache-2.0

package single

import "github.com/kairn-dev/kairn/tck/suite"

// How streams end, and what becomes of who waits.

// endsAtInit is for a function that does not want the stream. The command has
// not been carried out, so the proxy may try again or say so.
func (p *play[In, Out]) endsAtInit(err error) {
	p.stored("A")
	q := p.asks("B")
	a := p.opens()
	p.release()
	a.Ends(err)
	p.endsBefore(q, "B")
	p.over()
}

func (p *play[In, Out]) endsAtReplay(err error) {
	p.stored("A", "B", "C")
	q := p.asks("D")
	s := &stream[In, Out]{p.t.Connection(p.Handle, p.service, p.key), p, 0}
	for _, m := range p.Begin(p.service, p.key, p.kept)[:2] {
		s.FromProxy(asMessage(m))
	}
	a := p.plays(s)
	p.release()
	a.Ends(err)
	p.endsBefore(q, "D")
	p.over()
}

// endsBefore expects that a command which no function was seen to answer was
// carried out once or not at all.
func (p *play[In, Out]) endsBefore(q *suite.Question, value string) {
	if q.Maybe() {
		p.state = p.Then(p.state, value)
		q.Gets(p.Answer(p.state))
	}
	p.t.Gets(p.Process, p.Request(p.key, ""), p.Answer(p.state))
	p.t.Connection(p.Handle, p.service, p.key).Ignore()
}

// endsAtCommand is for a function that goes away with a command. Nobody knows
// what it has done with it, so it isn't sent again.
func (p *play[In, Out]) endsAtCommand(err error) {
	p.stored("A")
	q := p.asks("B")
	a := p.opens()
	a.takes("B")
	p.release()
	a.Ends(err)
	q.Troubled()
	p.t.Reported(p.key)
	p.works()
	p.over()
}

// endsIdle is for a function that ends a stream between two commands. A proxy
// may have sent the next one when it finds out, so that one may fail.
func (p *play[In, Out]) endsIdle(err error) {
	a := p.keepsFirst()
	p.release()
	a.Ends(err)
	p.t.Settle()
	p.recovers()
	p.over()
}

func (p *play[In, Out]) neverEnds() {
	q := p.asks("")
	a := p.opens()
	a.takes("")
	a.Says(p.Reply(1, p.says(""), nil))
	q.Gets(p.Answer(""))
	a.HalfClosed()
	p.release()
	a.Ignore()
	p.asks("").Gets(p.Answer(""))
	s := p.opened()
	s.takes("")
	s.FromFunction(asMessage(p.Reply(1, p.says(""), nil)))
	s.Closed()
	p.over()
}

// restartsWithWaiting lets three commands wait while the function has one that
// it then refuses with a restart. That they have reached the proxy in order is
// seen to by the calls to another instance in between.
func (p *play[In, Out]) restartsWithWaiting() {
	a, first := p.first()
	values := []string{"2", "3", "4"}
	var waiting []*suite.Question
	for _, v := range values {
		waiting = append(waiting, p.asks(v))
		p.t.Settle()
	}
	p.release()
	a.Says(p.Reply(1, refuses("no", true), nil))
	first.Fails("no")
	a.Closes()
	s := p.opened()
	for i, q := range waiting {
		p.state = p.Then(p.state, values[i])
		s.takes(values[i])
		s.FromFunction(asMessage(p.Reply(s.id, p.says(p.state), p.Kept(values[i]))))
		q.Gets(p.Answer(p.state))
	}
	p.t.Gets(p.Process, p.Request(p.key, ""), p.Answer(p.state))
	s.takes("")
	s.FromFunction(asMessage(p.Reply(s.id, p.says(p.state), nil)))
	p.over()
}

// cancelsInHand: what the function has got is carried out to the end.
func (p *play[In, Out]) cancelsInHand() {
	a, q := p.first()
	q.GoesAway()
	p.t.Settle()
	a.keeps("A")
	p.release()
	p.forgets(a)
	p.works()
	p.over()
}

// cancelsWaiting: what the function has not got, and nobody waits for, it never
// gets.
func (p *play[In, Out]) cancelsWaiting() {
	a, first := p.first()
	waiting := p.asks("B")
	p.t.Settle()
	waiting.GoesAway()
	p.t.Settle()
	a.keeps("A")
	first.Gets(p.Answer("A"))
	q := p.asks("C")
	a.takes("C")
	a.keeps("C")
	q.Gets(p.Answer(p.state))
	p.over()
}

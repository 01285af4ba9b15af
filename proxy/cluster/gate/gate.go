// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// maxBounces is how often a command may come back before it waits for a newer
// table.
const maxBounces = 3

// A Route says who owns a shard, by a table of that version. The zero Route is
// what is known before there is a table.
type Route struct {
	Version int64
	Epoch   int64
	Owner   entity.Member // 0 if nobody
}

// A Send is a command to be sent to the owner, after all that were to be sent
// before it.
type Send[C comparable] struct {
	Command C
	To      Route
	Round   int64
}

// An entry is a command that has entered.
type entry[C comparable] struct {
	command C
	n       int64 // in which order it has
	bounces int   // since the last newer table
}

// A Gate is one shard at the entrance. Its zero value is open and knows no owner.
type Gate[C comparable] struct {
	route  Route
	last   int64 // number of the command that has entered last
	round  int64
	closed bool       // until nothing is out
	waits  bool       // for a newer table
	out    []entry[C] // with an owner
	held   []entry[C] // in the order in which they entered
	sends  []Send[C]
}

// Enter adds a command.
func (g *Gate[C]) Enter(c C) {
	g.last++
	g.held = append(g.held, entry[C]{command: c, n: g.last})
	g.advance()
}

// Routed says what a table says. Older ones change nothing.
func (g *Gate[C]) Routed(r Route) {
	g.learn(r)
	g.advance()
}

func (g *Gate[C]) learn(r Route) {
	if r.Version <= g.route.Version {
		return
	}
	if r.Owner != g.route.Owner || r.Epoch != g.route.Epoch {
		g.closed = true
	}
	g.route, g.waits = r, false
	for i := range g.held {
		g.held[i].bounces = 0
	}
}

// Answered says that a command that was out is over, however it ended.
func (g *Gate[C]) Answered(c C) {
	g.take(c)
	g.advance()
}

// Bounced says that a command that was out has had no effect, and what the one
// says who sent it back; a zero Route if it wasn't sent at all.
func (g *Gate[C]) Bounced(c C, r Route) {
	e, ok := g.take(c)
	if !ok {
		return
	}
	g.closed = true
	e.bounces++
	g.waits = g.waits || e.bounces >= maxBounces
	at, _ := slices.BinarySearchFunc(g.held, e.n, func(e entry[C], n int64) int { return int(e.n - n) })
	g.held = slices.Insert(g.held, at, e)
	g.learn(r)
	g.advance()
}

// Again says that it is time to try again what waits for a newer table.
func (g *Gate[C]) Again() {
	g.waits = false
	g.advance()
}

// Leave takes a command back that has not been sent, or was sent back. It returns
// false if it is out.
func (g *Gate[C]) Leave(c C) bool {
	before := len(g.held)
	g.held = slices.DeleteFunc(g.held, func(e entry[C]) bool { return e.command == c })
	return len(g.held) < before
}

// take removes a command from those that are out.
func (g *Gate[C]) take(c C) (entry[C], bool) {
	i := slices.IndexFunc(g.out, func(e entry[C]) bool { return e.command == c })
	if i < 0 {
		return entry[C]{}, false
	}
	e := g.out[i]
	g.out = slices.Delete(g.out, i, i+1)
	return e, true
}

// advance sends what may be sent.
func (g *Gate[C]) advance() {
	if g.closed && len(g.out) == 0 {
		g.closed = false
		g.round++
	}
	if g.closed || g.waits || g.route.Owner == 0 {
		return
	}
	for _, e := range g.held {
		g.out = append(g.out, e)
		g.sends = append(g.sends, Send[C]{e.command, g.route, g.round})
	}
	g.held = nil
}

// Sends returns what is to be sent, valid until [Gate.Forget].
func (g *Gate[C]) Sends() []Send[C] { return g.sends }

// Forget drops the sends; whoever calls it has them.
func (g *Gate[C]) Forget() {
	clear(g.sends)
	g.sends = g.sends[:0]
}

// Waiting returns how many commands are held, and whether that is for a newer
// table.
func (g *Gate[C]) Waiting() (n int, table bool) { return len(g.held), g.waits }

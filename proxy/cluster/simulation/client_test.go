// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// The two kinds of commands.
const (
	write = "Add"    // answered with its number in the list
	read  = "Length" // answered with how long the list is
)

// clients is what all clients have asked for.
type clients struct{ ops []*op }

// An op is a command of a client, who sends it again, under the same id, until it
// is answered or he has had enough.
type op struct {
	id         uint64
	kind       string
	key        entity.Key
	begin, end time.Duration
	done       bool
	answer     uint64
}

// client has one client ask for something, and then for something else.
func (w *world) client(n int) {
	if w.now > turmoil+rest-settled {
		return
	}
	o := &op{id: uint64(len(w.ops) + 1), kind: read, key: w.keys[w.rng.IntN(len(w.keys))], begin: w.now}
	if w.chance(w.temper.writes) {
		o.kind = write
	}
	w.ops = append(w.ops, o)
	w.send(n, o, w.now+5*time.Second+w.upTo(20*time.Second))
}

// send sends a command to some process, most often to the owner.
func (w *world) send(n int, o *op, patience time.Duration) {
	to := w.processes[w.rng.IntN(len(w.processes))]
	owner := w.store.table.Shards[shard.Of(o.key)].Owner
	for _, p := range w.processes {
		if p.up && owner != 0 && p.machine.ID() == owner && w.chance(65) {
			to = p
		}
	}
	over := false
	finish := func(answer uint64, err error) {
		if over || o.done {
			return
		}
		over = true
		switch {
		case err == nil:
			o.done, o.end, o.answer = true, w.now, answer
			w.stats["answered"]++
			w.note("%v: command %d (%s, begun %v) is answered with %d", o.key.ID, o.id, o.kind, o.begin, answer)
		case w.now < patience:
			w.after(10*time.Millisecond+w.upTo(200*time.Millisecond), func() { w.send(n, o, patience) })
			return
		default:
			w.stats["given up"]++
		}
		w.after(w.upTo(300*time.Millisecond), func() { w.client(n) })
	}
	to.on(w.delay(), func() {
		to.take(o, func(answer uint64, err error) {
			w.after(w.delay(), func() { finish(answer, err) })
		})
	})
	w.after(time.Second+w.upTo(w.upTo(20*time.Second)+1), func() { finish(0, errUnanswered) })
}

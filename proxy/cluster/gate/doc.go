// SPDX-License-Identifier: Apache-2.0

// Package gate keeps the order of commands that enter at one process while the
// shard that they are for moves from owner to owner. It has no clock, no
// goroutine and no network.
//
// # At the entrance
//
// A [Gate] is one shard as one process sees it. Commands enter, and go to the
// owner that the table names, over a stream that keeps their order. An owner that
// isn't one any more, or is about to be none, sends a command back (it bounces):
// it has had no effect. Then the gate closes. Commands that enter are held, until
// every one that is out was answered or came back; so does a table that names
// another owner. When none is out, those that came back go first, in the order in
// which they entered, then those that were held.
//
// A command may come back a few times, since tables take their time. Then it is
// not sent on before there is a newer table, or [Gate.Again] is said: an owner
// that gave up moving the shard changes no table.
//
// # At the owner
//
// An owner that drains a shard sends back what waits, and may take commands again
// if the move is given up. A command that the entrance sent before it got the
// first one back must not be taken then, or it would overtake. So what is sent
// carries a round, which grows when a gate has been closed, and a member has a
// [Door] for each stream: once it has begun or ceased to own a shard, it takes
// nothing more of the round before.
//
// # Promises
//
// Commands for one instance that enter at one gate reach the instance in the order
// in which they entered, each of them once, if owners take what comes over a
// stream in order, and send back only what has had no effect.
package gate

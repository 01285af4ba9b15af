// SPDX-License-Identifier: Apache-2.0

// Package replica holds this member's copies of CRDT entities, and those of them
// that are awake. It is the shell around package exchange, which decides: it
// keeps the streams to the user function, the timers and the locks.
//
// # Where the data is
//
// In memory. A copy outlives the stream of its instance, which is given up when
// nobody has used it for a while, but not the process: there is no durability
// yet, and no other member. A [Replicator] is the seam for both: changes are
// answered when it says that they are where their consistency wants them, and
// what others change comes by [Set.Merge]. Without one, every consistency is
// reached at once.
//
// # How an instance runs
//
// An instance has no goroutine of its own. Whoever brings an event gives it to
// the instance's machine under the instance's lock, and carries out what the
// machine asks for without the lock. What is for callers is carried out by
// whoever is there, in order, and never blocks. What is for the stream may block
// while the function does not read. It is sent by whoever brought the event only
// if the function has surely read all before, as its last answer shows, and by a
// goroutine otherwise.
//
// A goroutine reads the stream while the function owes something or has calls
// open, and no client holds it up: see [exchange.Limits]. That a stream has
// ended is found out by reading; a message that can't be sent has it read. What
// surely was not sent waits for the next stream.
//
// # Streamed calls
//
// Such a call lives on the goroutine of its caller, which gets one outcome at a
// time. When it has left, effects of what the function still says are carried
// out in the background.
//
// # Promises
//
// Submit never blocks. The callback of a command is called exactly once. Two
// instances of one key are never awake at once.
package replica

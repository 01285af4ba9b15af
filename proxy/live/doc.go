// SPDX-License-Identifier: Apache-2.0

// Package live holds the entity instances that are awake here. It is the shell
// around package instance, which decides: it keeps the streams to the user
// function, the timers and the locks.
//
// # How an instance runs
//
// An instance has no goroutine of its own. Whoever brings an event (a caller a
// command, a reader an answer of the function, the lane a verdict, a timer its
// end) gives it to the instance's machine under the instance's lock, and then
// carries out what the machine asks for, without the lock. If somebody else is
// already carrying things out for this instance, they are left to him, so that
// they happen in order. Nobody is kept for long: after a stint, what is left
// goes to a fresh goroutine.
//
// Nothing that is carried out blocks, but for one thing. A Send waits for a
// function that has not read what it was sent before. When it has answered it
// has read, so only the first command of a stream, which follows the replay,
// can meet this: a goroutine of its own sends it. A stream that is given up is
// cancelled under the lock, before anything else, so that a Send that waits
// comes back.
//
// A goroutine reads the stream of an instance while the function has a command
// of it, and only then. That a stream has ended meanwhile is found out when the
// next command is sent: a Send that fails has not reached the function, so that
// command runs on a fresh stream. If the stream ends after a Send, the function
// may have got the command, and its client is told.
//
// # Promises
//
// Submit never blocks. The callback of a command is called exactly once. Two
// instances of one key are never awake at once.
package live

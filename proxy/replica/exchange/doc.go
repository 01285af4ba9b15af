// SPDX-License-Identifier: Apache-2.0

// Package exchange decides what happens between one instance of a CRDT entity
// and the user function: it is the protocol cloudstate.crdt.Crdt. It has no
// clock, no lock, no goroutine and no network: a [Machine] is told what
// happened, and says what has to be done about it.
//
//	           Submit               Opened
//	┌──────┐ ─────────▶ ┌─────────┐ ───────▶ ┌──────┐
//	│ cold │    Open    │ opening │   Init   │ open │
//	└──────┘ ◀───────── └─────────┘          └──────┘
//	    ▲    OpenFailed                          │
//	    └────────────────────────────────────────┘
//	     idle, deleted: Finish; broken: Abort
//
// # Whose turn it is
//
// The function has a plain value, and the instance's [crdt.Data] is here. While
// the function has a command, or is to say what the cancellation of a call
// changes, it may change its value, so what others change is held back. When
// nothing is outstanding, one delta makes its value that of the data. So that
// others are heard at all when commands never cease, no more are sent after
// Limits.Hold until that delta was.
//
// Several commands are outstanding at once, and answered in any order.
//
// # Streamed calls
//
// The reply to a streamed command may keep the call open. The messages for it
// may come before that reply, as one library has it when the command itself has
// changed the value; they are kept until it has come. A call ends when the
// function says so, when it refuses (as a reply or later), when its client goes
// away, or when its client takes nothing for so long that it holds up the
// others: what clients have not taken is bounded, and the function is not
// listened to while one has too much.
//
// A call that ends without the function's doing is canceled there: before the
// first reply, right after that. The function may answer with a last change and
// effects, which are carried out, or not at all: after Limits.Cancel deltas flow
// again, and an answer that comes later still counts.
//
// # What the function may do wrong
//
// A broken rule ends the stream: whoever waits is told, and the next command
// begins a new one with what the data is. Rules are those of [crdt.Data.Apply];
// a reply to a command that was never given, or one that changes the value for
// one that is answered already; a stream of replies where one was asked for; an
// empty message. A second reply that changes nothing, and a message for a call
// that is over, are only reported.
//
// A Failure message with the id of a call fails that call, and nothing else.
// One without ends the stream. Its description is what clients get.
//
// A command that is not answered for Limits.Answer ends the stream too, with all
// that is open: as long as it is outstanding, nobody hears of changes.
//
// A refused command may have changed the value, as any other: the function has
// done so with its own.
//
// # Deletion
//
// The reply that deletes is delivered and the stream is ended. What the function
// had besides, and streamed calls, end with [ErrDeleted]. The next command finds
// nothing, and may create the instance again. (The reference keeps the id dead
// for ever, and leaves the streamed calls hanging.)
//
// # What is left for later
//
// A deletion by a function that has not heard yet that others have deleted and
// created the instance again deletes the new one: package crdt has no deletion
// by a view. Activation takes what is here, and asks nobody else.
package exchange

// SPDX-License-Identifier: Apache-2.0

// Package instance decides what happens to one entity instance that handles one
// command at a time. It has no clock, no lock, no goroutine and no network: a
// [Machine] is told what happened, and says what has to be done about it.
//
//	                 Submit                Loaded
//	        ┌──────┐ ───────▶ ┌─────────┐ ───────▶ ┌──────┐
//	        │ cold │   Open   │ opening │          │ open │
//	        └──────┘ ◀─────── └─────────┘          └──────┘
//	          ▲  ▲   LoadFailed                      │  │
//	  nothing │  └───────────────────────────────────┘  │ restart, stream
//	undecided │          idle long enough               │ trouble, refused
//	          │                                         ▼ write
//	          │                                   ┌──────────┐
//	          └────────────────────────────────── │ settling │
//	                                              └──────────┘
//
// # What it keeps
//
// A command is with the user function, or it is answered and undecided (its
// write, or one before it, is not durable yet), or it waits in the mailbox.
// The next command goes to the function as soon as the one before is answered,
// not when it is durable: the function has applied its own events. But no
// outcome is released before everything before it is durable, so nobody can
// see state that is lost later.
//
// If the store refuses a write, everything after it was decided on state that
// never was: those commands go back to the front of the mailbox, in order, and
// run again on a fresh stream. So does what the function never got. A command
// that the function had and did not answer is not run again: its client is
// told.
//
// A command with an idempotency key has its reply in its write, even if there is
// nothing else in it. One that comes again waits for its turn and then gets the
// same reply without the function, if the instance knows it or the store refuses
// the write because it does; then the store is asked. A command that is answered
// with the same key for another method, or by its client for another request, is
// refused.
//
// The instance is loaded again only when nothing is undecided, since a load
// reads what is stored.
package instance

// SPDX-License-Identifier: Apache-2.0

// Package lane brings the writes of many commands to the store, in groups.
//
// A lane is a chain of numbered commits of one member. There is at most one
// commit of a lane under way; what comes meanwhile is the next group. Nothing
// waits for a timer: a lone write is committed at once.
//
// # Promises
//
// Every write that joins a lane gets exactly one verdict. A nil verdict means
// that the write is durable, and so is every write of its chain before it. Nil
// verdicts come in the order in which writes joined.
//
// The number in the chain is the fence. A commit whose outcome is unknown is
// sent again, unchanged, until the outcome is known: if the first one was
// applied after all, the second finds the lane moved by one and is as good as
// applied. A lane that is gone means that the member was evicted: whatever it
// still wants to write must never land, and can't.
//
// Writes of one activation of an instance form a [Chain]. If the store refuses
// one of them, those after it are built on state that never was, so none of
// them is sent. A group in which one write is refused is sent again write by
// write, so that only the culprit pays.
//
// The rules are those of a commit in the placement protocol: one commit in
// flight, groups bounded in number and bytes, resend until definite.
package lane

// SPDX-License-Identifier: Apache-2.0

// Package crdt is the data of CRDT entities: eight types of values that many
// members may change at once, and that become equal again without asking
// anybody who was right.
//
// A [Data] is what one member holds of one instance. Its user function holds a
// plain value instead: a [View] remembers which one, so that both can be kept
// equal by deltas. Nothing here has a clock, a goroutine or a network.
//
// # Replicas
//
// [Data.Merge] is commutative, associative and idempotent. It takes whole states
// and partial ones, which [Data.Since] makes: what somebody lacks who has seen
// this and that. Any order of merges, with repetitions and with losses that are
// made good later, leads to the same state, and to the same encoding of it.
//
// A [Replica] is one member between joining and leaving. Its id is random and
// never used again, by the same process neither: two that count on under one id
// would overwrite each other.
//
// # How removal works
//
// Every change that adds something gets a dot: the replica and a running number.
// A state is a tree of dots with what they added, and a [Context], the dots that
// it has ever seen. What was seen and isn't there any more has been removed; what
// was not seen is new. So a removal takes away what its member had seen, and
// nothing else, and leaves nothing behind but the context, which is one interval
// for each replica.
//
// The whole tree of an instance, nested maps included, shares one context. So
// when a key is removed from a map, all that is below it is gone with it, and a
// value that is added under that key later begins anew. What others added below
// the key at the same time, not knowing, survives alone:
//
//   - elements of sets, entries of maps: those that were added or changed;
//   - counters: what each replica has counted is one dot, renewed whenever it
//     counts. So if a replica counted without having seen the removal, all that it
//     counted since the last removal it saw survives, and nothing of the others;
//   - registers: the writes that the removal had not seen; the highest wins;
//   - flags, votes: they are as those changes left them.
//
// An entry that is changed in any way is there again, whoever removes it at the
// same time. One key may get values of two types at the same time: both are kept
// until somebody removes the key, and the type with the lower number is shown. An
// instance that is created with two types at once has the lower one for good.
//
// # What the function says, and hears
//
// The rules are those of the table in the protocol's documentation. Where it is
// silent or harmful:
//
//   - Disabling a flag is wrong only if the function knew that it is enabled. If
//     another member enabled it meanwhile, a new flag, disabled, changes nothing.
//   - Setting a register to a value whose clock is too low is no error; the next
//     delta takes it back. It leaves no trace in the state.
//   - The clock of a first write has no predecessor and is what it is given.
//   - An increment, or a counter, over 2^63-1 is refused. Signed counters wrap
//     around, as integers do in the libraries.
//   - A change of the members is told to the holders of votes at once.
//   - Lists in deltas are sorted, so that the same change makes the same bytes.
//
// A delta that breaks the rules has no effect at all, however deep the mistake is.
//
// # Deletion
//
// A deleted instance leaves the number of its life. States of lower lives are
// ignored for ever. A function that has no value when it hears of the deletion
// finds nothing, and what it creates is the next life; one that has a value gets
// [ErrDeleted].
//
// # What is left for later
//
// Replicas that are gone for good leave an interval in each context and a number
// in each counter. To fold them, a state will have the number of its fold and the
// ids that were folded, for which the encoding has room. What they counted becomes
// the count of one replica that is made up for it, whose id is the fold's; a state
// of an older fold drops what the folded ids counted before it is merged, and sees
// the new dot instead. Contexts can only be rewritten as a whole: by a sole member
// that begins a new life with the same data.
package crdt

// SPDX-License-Identifier: Apache-2.0

// Package eventlog gives the events of event sourced entities to the methods of
// the function that consume them.
//
// # Promises
//
// A consumer (the methods of a service with the same group) is given each event of
// its log at least once, those of one instance in order, and those that were
// stored before it existed too. An event that was taken by none, or whose method
// has failed, is tried again, as an effect is, and parked with those that were
// stored together with it when it was tried too often. Later ones go on.
//
// Events of instances that were deleted are given for as long as they are stored.
//
// # How it runs
//
// A command of an entity that has consumers stores a notice for each of them with
// its events: a row of the outbox, which says from where to where they go. So
// order, pauses and what is left after a crash are the business of the outbox, and
// entities without consumers pay nothing. [Deliverer] stands before the router and
// makes calls of notices.
//
// Notices of a shard wait, after it was opened and after the function has come,
// until [Backfill] has looked at it. A consumer that is new to the shard is known by
// a mark that is missing: a row of the outbox that nobody carries out, of an
// instance of kairn.eventlog/consumers in that shard. Backfill stores for it one
// notice of all events of each instance there, then the mark, and lets the
// notices go. If it is interrupted, it begins anew. The marks of consumers that
// are gone are removed, and their notices are done with: one that comes back is
// given all events again.
//
// All of that is done by the owner of the shard, in its lanes, and what is under way
// holds up the move of a shard as what the outbox does. So it doesn't matter how many
// members a service has, and which of them knew of a consumer first.
package eventlog

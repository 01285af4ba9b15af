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
// A consumer that is new is known by a mark that is missing: a value of the entity
// kairn.eventlog/consumers, whose id is that of the consumer and its log. Before
// the function is served, [Backfill] stores for it one notice of all events of each
// instance that there is, then the mark. If it is interrupted, it begins anew.
// Marks of consumers that are gone are deleted, and so are their notices: one that
// comes back is given all events again.
package eventlog

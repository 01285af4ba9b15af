// SPDX-License-Identifier: Apache-2.0

// Package cluster makes one service of many proxy processes. Package member
// decides what a process does; this package is the shell around it: it reads the
// clock, calls the store and the peers, and tells the [Keeper] of lanes and
// instances what to do.
//
// One goroutine owns the machine and says to it what happens, one thing after the
// other. Calls of the store have goroutines of their own, so that a renewal of the
// lease never waits for a transition, nor for the renewal before it.
//
// A process that ends gives its shards away first. One that has lost the store
// keeps everything and answers nothing that it would have to read, until its lease
// is renewed or it learns that it was evicted.
//
// # What is stored
//
// One row for each service holds who its members are and which of them owns which
// shard. It changes rarely: when members come and go, and when shards move. Each
// change is one transaction, which reads the row, computes the next one, and
// writes it if nobody else has meanwhile. Everybody else only reads the row, and a
// row that is old costs a detour and nothing else.
//
// One row for each member holds when it renewed its lease, by the store's clock,
// and one for each of its lanes holds how many commits that has made. Who evicts a
// member deletes these in the transaction that takes its shards, so that from then
// on nothing of it can be committed.
package cluster

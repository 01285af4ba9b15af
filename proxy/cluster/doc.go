// SPDX-License-Identifier: Apache-2.0

// Package cluster makes one service of many proxy processes. Package member
// decides what a process does; this package is what it needs for that: the store
// where members find each other.
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

// SPDX-License-Identifier: Apache-2.0

// Package spannerstore keeps the state of services in Cloud Spanner: many
// services in one database, many instances of them anywhere.
//
// # Promises
//
// A commit that was answered with nil is durable as Spanner is. It is one call
// of Commit, for one transaction that reads nothing, however many commands are
// in it. All of it is there or nothing.
//
// Each commit takes its lane from n to n+1, by changing a row that is there only
// while the lane stands at n. So a commit may be sent any number of times, and
// counts once; and a member that was evicted, whose rows are gone, can land
// nothing, however late. When Spanner says that some row was not as expected,
// the lane is read: that says what has happened, not the error's text.
//
// Reads are strong. They give up when nothing comes for some seconds, with an
// error that wraps [entity.ErrUnavailable]. Journals are streamed.
//
// What Spanner could never take (too large, too long a key) is refused before it
// is sent, by an error that says what exceeds what. So are events and versions
// that don't follow those before: a process remembers where the instances end
// that it has read. See [ends].
//
// # Members
//
// A member lives as long as its row in Members is renewed ([Store.Renew]), by
// blind updates that wait for nothing. The clock that counts is Spanner's; the
// member counts from before it asked, on its own. Who is a member, and of what,
// is in the row of the service, which changes in transactions ([Store.Transact])
// that add and remove the rows of members and of their lanes, too. A look at it
// ([Store.Look]) is one query.
//
// # The tables
//
// Their definition is in the folder schema: numbered files, of which each only
// adds. [Migrate] applies them; [Open] refuses a database without.
//
//	Placement     Bucket Service                                   one row per service
//	Members       Bucket Service Member                            the leases
//	  Lanes       Bucket Service Member Lane N                     one row per lane: the fence
//	Instances     Bucket Service Shard Entity Key                  parents of what follows
//	  Events      Bucket Service Shard Entity Key Seq              the journal
//	  Snapshots   Bucket Service Shard Entity Key                  the last one, or a tombstone
//	  Values      Bucket Service Shard Entity Key                  with its version
//	  Replies     Bucket Service Shard Entity Key IdemKey          of commands that have a key
//	Outbox        Bucket Service Shard Entity Key Member N         what is to be sent
//
// Every key begins with a hash, of the service and the shard (of the service
// alone for the first three), so shards lie all over the key space and nothing
// that grows with time is at its front. The rows of an instance are neighbours,
// by interleaving; the outbox is a table of its own so that a shard's part of it
// is one range. There is no index.
//
// # What a command writes
//
// Once per group of commands: the lane's row is updated, deleted and inserted
// with the next number. For each event a row; for a snapshot, a value, a reply,
// an entry of the outbox one row each; and for the first event or version of an
// instance the row in Instances. Type URLs and payloads are columns, replies and
// entries are in the form of package record.
package spannerstore

// SPDX-License-Identifier: Apache-2.0

// Package keeper makes the lanes, the instances and the outbox of this process
// follow its membership: what package cluster says about shards is done to
// packages live and outbox.
//
// With each membership begin fresh lanes, which stand at 0. Shards open and
// close. One that is to move is drained: it takes nothing more, the function and
// the store finish what they have, and when the last instance has left, so does
// the outbox with what it has begun; only then the cluster is told, which gives
// the shard away. When the membership is
// over everything is dropped, and its lanes end once the store has said what
// became of their last commits; nobody is told that any more.
//
// A lane may find out that the member was evicted before the cluster does. Then
// everything is dropped at once, before any instance hears of it from its lane:
// it would be loaded again, and what it answers then would rest on a lease whose
// member is gone.
//
// # Promises
//
// What is said about a membership that is over has no effect. No command is taken
// for a shard after its Drain, and none is answered, as one that was taken under
// one membership, by what another one knows.
package keeper

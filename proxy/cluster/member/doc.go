// SPDX-License-Identifier: Apache-2.0

// Package member decides what one proxy process does as a member of its service:
// when it joins, how long it may answer, whom it evicts, which shards it serves
// and hands over. It has no clock, no goroutine, no store and no network: a
// [Machine] is told what happened, and says what has to be done about it.
//
// # Fence, lease, placement
//
// Three things are kept apart. The fence says who may write: each commit moves a
// lane of its member, and who evicts a member deletes its lanes, so that nothing
// of it can land any more. No clock has a part in it. The lease says who may
// answer without writing: [Machine.Alive], which needs only that clocks run
// about equally fast. The placement says who should own what; a wrong one costs
// time.
//
// # The lease
//
// A member renews its lease every Beat. A renewal that succeeds is good for
// Lease from just before it was sent, by the member's own clock, while others
// count from when the store took it, which is later, and wait for Margin more.
// A renewal that goes unanswered changes nothing, and the next one is sent
// anyway. A member whose lease has run out keeps everything and refuses; it goes
// on when a renewal succeeds. One that the store doesn't know any more drops
// everything and joins anew, under another id.
//
// # Owners
//
// A member owns what the newest table it knows says. Nobody but the owner gives
// a shard away, unless the owner is evicted, so a table that names it as owner is
// true however old it is. To hand a shard over, the owner stops taking commands
// for it (Drain), waits until nothing is under way ([Machine.Drained]), and only
// then sends the transition. From then on the shard is frozen: whatever the
// answer was, or if there was none, the owner serves it again only under an
// epoch greater than the one it was handed over with, because such a hand-over
// can't land any more. It makes such an epoch itself with a transition that
// reclaims the shard.
//
// There is one transition of own shards under way at a time, one join at a time,
// and every answer carries the id of the member that it was for, so that what
// is late finds nobody.
package member

// SPDX-License-Identifier: Apache-2.0

package entity

import "time"

// A Placement is the row of a service that says who its members are and which
// of them owns what, as a store keeps it. The zero Placement stands for none.
type Placement struct {
	Incarnation string // of the row: another one means that the store has lost what was there before
	Version     int64  // grows by one with every change, from 1
	NextMember  Member // the id of the next member; grows
	Table       []byte // the rest, in the encoding of package shard; must not be changed by whoever gets it
}

// A Lease says how long ago a member renewed its lease, by the store's clock.
type Lease struct {
	Member Member
	Silent time.Duration
}

// A Transition is one change of a Placement and what goes with it, all of it or
// nothing.
type Transition struct {
	Placement Placement // what the row becomes
	Joined    Member    // gets a lease and lanes that stand at 0; 0 if nobody joins
	Lanes     int       // of Joined
	Renewed   Member    // has its lease renewed; 0 if nobody has
	Gone      []Member  // lose lease and lanes, so that nothing of them can be committed any more
}

// A Sight is what a member sees of the others when it looks at the store.
type Sight struct {
	// Placement is the row; its Table is nil if the one who looks knows it.
	Placement Placement

	// Neighbour is the lease that was asked for, zero if there is none.
	Neighbour Lease
}

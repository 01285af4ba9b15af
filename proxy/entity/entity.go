// SPDX-License-Identifier: Apache-2.0

// Package entity is the vocabulary of the proxy: the names, values and errors
// that its parts use when they speak to each other. It has next to no
// behaviour and imports nothing of ours.
package entity

import (
	"strconv"
	"time"
)

// A Key names one entity instance. Keys are comparable and are used as map
// keys.
type Key struct {
	Entity string // the entity's name in the store, "shop.ShoppingCart/shopping-cart"
	ID     string // the entity key, as read from the request; may be empty
}

// String returns the key for people: the entity's name and the quoted key.
func (k Key) String() string { return k.Entity + " " + strconv.Quote(k.ID) }

// A Seq is the position of an event in the journal of one instance, or the
// version of its value, from 1. Zero is the position before the first one.
type Seq int64

// A Payload is a message that the proxy passes on without looking into it, as
// a google.protobuf.Any is. Value must not be changed by whoever gets it.
type Payload struct {
	TypeURL string
	Value   []byte
}

// An Event is one entry of a journal.
type Event struct {
	Seq Seq
	Payload
}

// A Member is one proxy process's right to write. Ids are never used again.
type Member int64

// A Position says where a lane of a member stands: N commits have been made.
type Position struct {
	Member Member
	Lane   int
	N      int64
}

// Metadata travels beside a payload, in order; names may repeat.
type Metadata []MetadataEntry

// A MetadataEntry is one name with its value. The value of a name that ends in
// -bin is bytes, any other is text.
type MetadataEntry struct {
	Name  string // lower case
	Value string
}

// A Call is one call of a method of an entity or action, from wherever.
type Call struct {
	Service  string // full name of the gRPC service
	Command  string // the method's name in it
	Payload  []byte // the request message, encoded
	Metadata Metadata
	Key      IdemKey // of the call if it is one that may come twice; else empty
	Depth    int     // how many calls have led to this one by forwards and effects

	// Deadline is when the caller stops waiting; zero if it doesn't say. A
	// call that has not reached the user function by then never does.
	Deadline time.Time

	// Done is closed when the caller has gone away; nil if it can't.
	Done <-chan struct{}
}

// An Answer is what the caller of a Call gets.
type Answer struct {
	Payload  []byte // the response message, encoded; meaningless if Err is set
	Metadata Metadata
	Err      error
}

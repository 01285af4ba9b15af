// SPDX-License-Identifier: Apache-2.0

package entity

import "time"

// An OutboxID names a row of the outbox. N is a number that the member has not
// used before. Since member ids are never used again, neither are these. The
// rows of one instance are to be sent in the order of their ids.
type OutboxID struct {
	Member Member
	N      int64
}

// Compare returns how id is ordered to other: -1, 0 or 1.
func (id OutboxID) Compare(other OutboxID) int {
	if id.Member != other.Member {
		return sign(int64(id.Member - other.Member))
	}
	return sign(id.N - other.N)
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// An OutboxKind says what is to be done about a row of the outbox. The numbers
// are stored.
type OutboxKind uint8

const (
	// SideEffect is a call whose answer doesn't matter.
	SideEffect OutboxKind = 1
	// Forward is a call whose answer is that of the command, if somebody
	// still waits for it.
	Forward OutboxKind = 2
	// EventNotice tells a consumer of the events of Source after After and up
	// to Seq, which are read from the journal. Of its target the service is
	// that of the consumer and the command its group.
	EventNotice OutboxKind = 3
	// Purge is no call: the events of Source up to Seq are to be removed.
	Purge OutboxKind = 4
	// Mark is no call, and never done: it notes that a consumer has notices of
	// all events of an entity. Of its target the service is that of the
	// consumer, the command its group, and the payload the name of the entity.
	Mark OutboxKind = 5
)

// An OutboxRow is something that a command has led to and that is still to be
// done. It is stored with what the command wrote.
type OutboxRow struct {
	ID          OutboxID
	Source      Key
	Kind        OutboxKind
	Target      Target
	Synchronous bool      // whether the answer to the command waits for the first try
	Depth       int       // how many calls have led to this one
	Seq         Seq       // see Kind
	After       Seq       // likewise
	Since       time.Time // when it was stored first, in whole milliseconds
	Attempts    int       // how often it was tried
	Due         time.Time // when to try it, in whole milliseconds; zero if at once
	Parked      bool      // whether it was given up until somebody looks at it
	Trouble     string    // why the last try failed
}

func (r *OutboxRow) size() int { return r.Target.size() + len(r.Trouble) + 48 }

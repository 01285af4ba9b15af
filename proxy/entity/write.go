// SPDX-License-Identifier: Apache-2.0

package entity

import "time"

// A Snapshot is the state of an instance after the event at Seq. The zero
// Snapshot stands for none.
type Snapshot struct {
	Seq     Seq
	Deleted bool // whether the instance was deleted then: a replay begins after it with nothing; there is no payload
	Payload
}

// A Value is the state of an instance of a value entity. Every write of it,
// also one that deletes it, makes the next version, so that no write can ever
// land on a version that it doesn't know. The zero Value stands for one that was
// never written.
type Value struct {
	Version Seq
	Exists  bool      // false if it was deleted, or has expired; the payload is meaningless then
	Expires time.Time // when it stops to exist, in whole milliseconds; zero if never
	Payload
}

// A Write is what one command adds to the store, all of it or nothing.
type Write struct {
	Key      Key
	Events   []Event     // in order, the first of them just after the last one stored
	Snapshot *Snapshot   // replaces the one stored; nil leaves that alone
	Value    *Value      // replaces the one stored, of the version before; nil leaves that alone
	Reply    *Reply      // must not be stored yet, or the write is refused with ErrRepeated
	Outbox   []OutboxRow // each replaces the one stored with its ID, if there is one; all have Key as their Source
	Sent     []OutboxID  // rows to be removed, be they there or not; none of them in Outbox
	Trim     Seq         // events up to here are removed; the snapshot stored then is not before it
}

// Empty reports whether w adds nothing.
func (w *Write) Empty() bool {
	return len(w.Events) == 0 && w.Snapshot == nil && w.Value == nil &&
		w.Reply == nil && len(w.Outbox) == 0 && len(w.Sent) == 0 && w.Trim == 0
}

// Steps returns how many positions w adds to those of its instance.
func (w *Write) Steps() Seq {
	n := Seq(len(w.Events))
	if w.Value != nil {
		n++
	}
	return n
}

// Size returns about how many bytes w takes in a store.
func (w *Write) Size() int {
	n := len(w.Key.Entity) + len(w.Key.ID)
	for i := range w.Events {
		n += w.Events[i].size()
	}
	if w.Snapshot != nil {
		n += w.Snapshot.size()
	}
	if w.Value != nil {
		n += w.Value.size()
	}
	if w.Reply != nil {
		n += w.Reply.size() + len(w.Key.ID)
	}
	for i := range w.Outbox {
		n += w.Outbox[i].size() + len(w.Key.ID)
	}
	return n + len(w.Sent)*(len(w.Key.ID)+32)
}

func (p *Payload) size() int { return len(p.TypeURL) + len(p.Value) + 16 }

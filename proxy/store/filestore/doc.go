// SPDX-License-Identifier: Apache-2.0

// Package filestore is the embedded store: a folder on the local disk, kept
// with Pebble, for one process at a time.
//
// # Promises
//
// A commit that was answered with nil survives the end of the process at any
// point and a power cut: it is one record of the write-ahead log, and it was
// synced. Of a commit that was not answered, all is there afterwards or
// nothing. A torn record at the end of the log, which nobody was told about,
// is dropped when the folder is opened.
//
// A read sees only what is durable. It waits if the instance it is for has a
// commit that isn't; that doesn't happen to those who load an instance only
// when nothing of it is undecided.
//
// A failed write or sync leaves it open what is on the disk, and a later read
// may show what is not there. So there is no going on: the function given to
// [Open] is told, once, and is expected to end the process. Should it return,
// then every later call fails, with an error that says nothing about the
// outcome. The next process to open the folder finds what was acknowledged.
// The exception is a disk that is nearly full. That is noticed beforehand, and
// commits are refused until there is room again; reads go on.
//
// # Members and lanes
//
// The lanes are in memory only: a member lives no longer than the [Store] by
// which it joined, since no other process can write to the folder. Its id
// comes from a counter on the disk and so is never used again. A new member
// evicts the one before.
//
// # The folder
//
//	LOCK     held with flock(2) by the process that has the store open; says which one
//	FORMAT   "kairn filestore 2"; written before anything else
//	data/    Pebble's files
//
// Folders have mode 0700 and files 0600. A folder whose FORMAT is not that of
// this code, or that has other things in it and no FORMAT, is left alone.
//
// # The rows
//
// Keys order as their bytes do. All rows of an instance are neighbours.
//
//	00 'm'                          the last member id, as a uvarint
//	00 'e' name                     the number of an entity, as a uvarint
//	01 entity id 00 01              the snapshot of an instance: seq (uvarint), payload
//	01 entity id 00 02 seq          an event of an instance: payload
//	01 entity id 00 03              the value of an instance: version (uvarint), expiry, payload
//	01 entity id 00 04 key          the reply of a command: expiry, record
//	02 shard entity id 00 01 member n   a row of the outbox: record
//	03 expiry key                   when the value or reply in the row key expires
//
// entity is the number in two bytes, so that long names aren't repeated in
// every row. In id each byte 00 is followed by ff; 00 and something smaller
// ends it and says what kind of row this is. seq is the number of its bytes,
// then the bytes, the highest first; member and n are written alike, shard in
// two bytes. A payload is the length of the type URL times two (uvarint), plus
// one if the usual "type.googleapis.com/" was left out in front; then the type
// URL; then the value. An expiry is in milliseconds since 1970: a uvarint, 0 for
// never, in a row, eight bytes in a key. What a record is says package record.
//
// The row of a value that was deleted or has expired stays, without a payload:
// the next version has to follow it. So does that of a snapshot that says that
// the instance was deleted.
//
// # What expires
//
// Commits take rows away that have expired, a bounded number each: the rows
// under 03 that are of the past lead to them. So nothing goes that was not due,
// and as much goes as comes. A value that has expired counts as deleted before
// that, a reply counts until it is gone.
package filestore

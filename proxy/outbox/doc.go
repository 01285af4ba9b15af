// SPDX-License-Identifier: Apache-2.0

// Package outbox carries out what commands have led to: side effects, forwards,
// and what is to be done later. Each is a row that was stored together with what
// its command wrote, so that it is done whatever happens in between.
//
// # Promises
//
// A row is tried until it was carried out, at least once: if the process ends
// after that and before the row is removed, it is tried again by the next one.
// The call has the row's id as its key, so that an event sourced or value entity
// that has had it answers without doing it again: exactly once between those. An
// action or a CRDT entity may get it twice.
//
// The rows of one source instance for one target (an instance, or a method of an
// action) are carried out one after the other, in the order of their ids. One
// that fails holds up those behind it, and no others.
//
// A target that has refused a row has carried it out. One that was away, had
// too much to do or no room to store it is tried for ever, with pauses that grow to [Config].MaxPause.
// Any other failure is tried MaxTries times. Then the row is parked, as is one
// whose target doesn't exist or whose chain of calls is too long: it stays in
// the store, and those behind it go on without it, out of their order.
//
// Whoever operates the service may have a row tried at once, also a parked one
// ([Pump.Retry]), or given up for good ([Pump.Discard]).
//
// # How it runs
//
// A Pump has no goroutine per row: whoever brings a row, an answer or the end of
// a pause tries what is next. What has been carried out is removed from the store
// in the lane of its source. There is one batch of such writes under way in each
// lane, and what comes meanwhile is the next one.
//
// A process that owns some shards of a service has the rows of these, of whichever
// member they are: it reads them when a shard is opened that may have some
// ([Pump.Open]), and has none under way when it says that it is drained
// ([Pump.Drain]), not even the word to the store that one is done.
//
// All rows that are not done are in memory, of parked ones only their ids. How many an instance may have is
// bounded, by whoever asks [Pump.Full] before it lets a command add some.
package outbox

// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync/atomic"

	"github.com/kairn-dev/kairn/proxy/stats"
)

// Stats counts what the instances of one entity do. Its zero value is ready for
// use.
type Stats struct {
	Activated  atomic.Int64 // instances brought up
	Passivated atomic.Int64 // instances given up for lack of commands
	Broken     atomic.Int64 // instances given up for trouble
	Received   atomic.Int64 // commands
	Stashed    atomic.Int64 // commands that had to wait for their turn
	Unstashed  atomic.Int64 // commands that got their turn after they had waited
	Completed  atomic.Int64 // commands with a reply or forward
	Failed     atomic.Int64 // commands with an error or a refusal
	Recalled   atomic.Int64 // commands whose reply was read from the store, since they were carried out before

	ActiveTime stats.Histogram // from activation to the end of it
	Recovery   stats.Histogram // from opening to the first command
	StashTime  stats.Histogram // from arrival to the function, of stashed commands
	Processing stats.Histogram // from the function to its answer
	Persist    stats.Histogram // from the answer of a command that writes to its release
	Total      stats.Histogram // from arrival to release

	PersistedEvents    Volume
	PersistedSnapshots Volume
	LoadedEvents       Volume
	LoadedSnapshots    Volume
	PersistedValues    Volume // deletions among them, which have no bytes
	LoadedValues       Volume
}

// A Volume counts things and their bytes.
type Volume struct {
	Count atomic.Int64
	Bytes atomic.Int64
}

func (v *Volume) add(bytes int) {
	v.Count.Add(1)
	v.Bytes.Add(int64(bytes))
}

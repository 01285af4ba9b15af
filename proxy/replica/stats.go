// SPDX-License-Identifier: Apache-2.0

package replica

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
	Completed  atomic.Int64 // commands with a reply or forward, streamed calls that ended in order
	Failed     atomic.Int64 // commands with an error or a refusal, streamed calls that ended otherwise

	ActiveTime stats.Histogram // from activation to the end of it
	Recovery   stats.Histogram // from opening to the first command
	Total      stats.Histogram // from arrival to release, of commands that are not streamed

	Exchanged
}

// Exchanged counts messages that only CRDT entities have.
type Exchanged struct {
	Open      atomic.Int64 // streamed calls that are open now
	Messages  atomic.Int64 // outcomes of streamed calls
	Cancelled atomic.Int64 // streamed calls that the function was told are over
	Deltas    atomic.Int64 // changes that the function was told
	Writes    atomic.Int64 // changes that were brought to other members
}

// SPDX-License-Identifier: Apache-2.0

package gate

import "github.com/kairn-dev/kairn/proxy/shard"

// A Door is a member's end of one stream of commands. Its zero value has seen
// none.
type Door struct {
	shards map[shard.ID]seen
}

// A seen says what has come last over a stream, for one shard.
type seen struct{ round, turn int64 }

// Takes reports whether a command of that round may be taken, which came over the
// stream after all that were asked about before. Turn is how often the member has
// begun or ceased to take commands for the shard; it must not do so before the
// command is taken, or sent back. All that come are to be asked about, those as
// well that would be sent back in any case: what follows them in the round has to
// be, too.
func (d *Door) Takes(at shard.ID, round, turn int64) bool {
	before, ok := d.shards[at]
	if ok && (round < before.round || round == before.round && turn != before.turn) {
		return false
	}
	if d.shards == nil {
		d.shards = map[shard.ID]seen{}
	}
	d.shards[at] = seen{round, turn}
	return true
}

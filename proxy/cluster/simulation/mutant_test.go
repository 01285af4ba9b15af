// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"testing"
	"time"
)

// TestMutantsAreCaught breaks one rule at a time, in a world in which that rule
// matters, and wants the checks to notice.
func TestMutantsAreCaught(t *testing.T) {
	const enough = 400 // seeds; the rarest is caught by one of 30
	for _, tt := range []struct {
		name string
		mutant
		in func(*temper)
	}{
		{"lease counted from the answer", mutant{leaseFromAck: true}, lateWorld},
		{"lease by the members' wall clocks", mutant{wallClock: true}, lateWorld},
		{"answers without a lease", mutant{noLease: true}, cutWorld},
		{"answers before what they rest on is stored", mutant{noBarrier: true}, cutWorld},
		{"shard served after it was sent away", mutant{resume: true}, movingWorld},
		{"commits without the fence", mutant{noFence: true}, writingWorld},
		{"join that is not recognized", mutant{doubleJoin: true}, lateWorld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(enough) {
				if w := play(t, seed, game{mutant: tt.mutant, in: tt.in}); len(w.bad) > 0 {
					t.Logf("seed %d: %s", seed, w.bad[0])
					return
				}
			}
			t.Errorf("%d seeds have noticed nothing", enough)
		})
	}
}

// worlds are those that TestService plays in, in turn; nil is one that the seed
// makes.
var worlds = []func(*temper){nil, nil, nil, nil, lateWorld, cutWorld, movingWorld, writingWorld}

// lateWorld is one in which requests and answers are late or lost.
func lateWorld(t *temper) { t.late, t.unanswered, t.twice = 25, 15, 10 }

// cutWorld is one in which processes lose the store, and still hear clients.
func cutWorld(t *temper) {
	t.writes, t.every, t.chaos = 12, 4*time.Second, [...]int{1, 0, 0, 0, 0, 9, 0}
}

// movingWorld is one in which shards move to and fro, and answers are missing.
func movingWorld(t *temper) {
	t.late, t.unanswered, t.every, t.keys = 12, 10, 4*time.Second, 20
	t.chaos = [...]int{0, 0, 9, 0, 1, 0, 0}
}

// writingWorld is one in which commits are on their way for long, and members are
// evicted meanwhile.
func writingWorld(t *temper) {
	t.late, t.twice, t.writes, t.every, t.keys = 15, 10, 90, 4*time.Second, 2
	t.chaos = [...]int{4, 0, 0, 0, 0, 4, 0}
}

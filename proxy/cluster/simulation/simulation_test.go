// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Int("seeds", 120, "how many seeds TestService plays")
	seed  = flag.Int64("seed", -1, "the one seed to play")
	from  = flag.Uint64("from", 0, "the first seed to play")
	tell  = flag.Bool("tell", false, "print what happens")
)

// A mutant breaks a rule of the protocol; the zero mutant breaks none.
type mutant struct {
	leaseFromAck bool // count the lease from the answer to a renewal, not from before it was sent
	wallClock    bool // let members write into the store, by their wall clocks, when they renewed
	noLease      bool // answer without looking at the lease
	noBarrier    bool // answer what wrote nothing without waiting for what was written before
	resume       bool // serve a shard again after an unanswered hand-over
	noFence      bool // commit although the lane has moved
	doubleJoin   bool // forget who sent the join before
}

// A game is what is played, but for the seed.
type game struct {
	mutant
	in   func(*temper) // what the world is like besides; nil if the seed says it all
	tell bool          // print what happens
}

// play plays the game of one seed.
func play(t *testing.T, seed uint64, g game) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed, g)
		if g.tell {
			w.trace = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
		}
		w.run()
	})
	return w
}

// worldOf returns the world that a seed of TestService is played in.
func worldOf(seed uint64) func(*temper) { return worlds[seed%uint64(len(worlds))] }

func TestService(t *testing.T) {
	if *seed >= 0 {
		if w := play(t, uint64(*seed), game{in: worldOf(uint64(*seed)), tell: *tell}); len(w.bad) > 0 {
			t.Error(w.bad)
		}
		return
	}
	var mu sync.Mutex
	total, print := map[string]int{}, uint64(0)
	t.Run("seeds", func(t *testing.T) {
		for worker := range 2 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := worker; i < *seeds; i += 2 {
					w := play(t, *from+uint64(i), game{in: worldOf(*from + uint64(i))})
					for _, bad := range w.bad {
						t.Errorf("seed %d: %s", *from+uint64(i), bad)
					}
					mu.Lock()
					for name, n := range w.stats {
						total[name] += n
					}
					print ^= w.print
					mu.Unlock()
				}
			})
		}
	})
	for _, name := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%s: %d", name, total[name])
	}
}

// TestSeedPlaysTheSameGame is what makes a seed worth printing.
func TestSeedPlaysTheSameGame(t *testing.T) {
	for seed := range uint64(5) {
		a, b := play(t, seed, game{}), play(t, seed, game{})
		if a.print != b.print || len(a.ops) != len(b.ops) {
			t.Errorf("seed %d played two games", seed)
		}
	}
}

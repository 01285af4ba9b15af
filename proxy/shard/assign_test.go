// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

// upTo returns the slots 0 to n-1.
func upTo(n int) []Slot {
	live := make([]Slot, n)
	for i := range live {
		live[i] = Slot(i)
	}
	return live
}

// loads returns how many shards each slot has, and fails if one that doesn't
// live has any.
func loads(t *testing.T, owner [Count]Slot, live []Slot) map[Slot]int {
	t.Helper()
	load := map[Slot]int{}
	for s, slot := range owner {
		if !slices.Contains(live, slot) {
			t.Fatalf("shard %d is assigned to slot %d, and %v live", s, slot, live)
		}
		load[slot]++
	}
	return load
}

func TestCompactSetsAreEven(t *testing.T) {
	for n := 1; n <= 50; n++ {
		load := loads(t, assign(upTo(n)), upTo(n))
		for slot := range Slot(n) {
			if got := load[slot]; got < Count/n || got > Count/n+1 {
				t.Errorf("of %d slots, slot %d has %d shards", n, slot, got)
			}
		}
	}
}

// TestTheLastSlotOfACompactSetMovesNobodyElses is both about joining and about
// leaving: what one does, the other undoes.
func TestTheLastSlotOfACompactSetMovesNobodyElses(t *testing.T) {
	for n := 2; n <= 50; n++ {
		with, without := assign(upTo(n)), assign(upTo(n-1))
		for s := range with {
			if with[s] != without[s] && with[s] != Slot(n-1) {
				t.Fatalf("shard %d moves from slot %d to %d when slot %d joins", s, without[s], with[s], n-1)
			}
		}
	}
}

func TestAnyLeaverOfACompactSetMovesOnlyItsOwn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := 2; n <= 50; n++ {
		with := assign(upTo(n))
		for _, gone := range []Slot{Slot(r.IntN(n)), Slot(n - 1)} {
			rest := slices.Delete(upTo(n), int(gone), int(gone)+1)
			without := assign(rest)
			for s := range with {
				if with[s] != without[s] && with[s] != gone {
					t.Fatalf("of %d, slot %d leaves, and shard %d moves from slot %d to %d", n, gone, s, with[s], without[s])
				}
			}
		}
	}
}

func TestHolesKeepLoadsWithinAQuarter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 2; n <= 50; n++ {
		for range 2 {
			live := upTo(n)
			for range 1 + r.IntN(n-1) {
				i := r.IntN(len(live))
				live = slices.Delete(live, i, i+1)
			}
			for slot, load := range loads(t, assign(live), live) {
				if load > most(len(live)) {
					t.Errorf("slot %d of %v has %d shards, %d is the limit", slot, live, load, most(len(live)))
				}
			}
		}
	}
}

// TestAssignmentIsAsStored pins who owns what: another answer after an update
// of the proxy would move half of all instances.
func TestAssignmentIsAsStored(t *testing.T) {
	for _, tt := range []struct {
		live []Slot
		want uint32
	}{
		{upTo(1), 0xefb5af2e}, {upTo(2), 0x476cb5a6}, {upTo(3), 0x7c7a40ab}, {upTo(50), 0x0b177933},
		{[]Slot{0, 3, 4}, 0x3a39fdfb}, {[]Slot{7}, 0x84331eb7},
	} {
		var b []byte
		for _, slot := range assign(tt.live) {
			b = append(b, byte(slot))
		}
		if got := crc32.ChecksumIEEE(b); got != tt.want {
			t.Errorf("assignment to %v has the sum %#08x, want %#08x", tt.live, got, tt.want)
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	for b.Loop() {
		assign(upTo(1000))
	}
}

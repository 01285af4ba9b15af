// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"cmp"
	"slices"
	"sync"
)

// A Slot is a small number that a member holds while it lives, from 0, like the
// ordinal of a StatefulSet's pod. What a member should own follows from its
// slot and not from its id, so that members who come back own what they owned.
type Slot int16

// score says how much a slot is drawn to a shard.
func score(s ID, slot Slot) uint64 { return mix(uint64(s), uint64(slot)) }

// mix returns a hash of two numbers. Stored placements depend on it.
func mix(a, b uint64) uint64 {
	x := a*0x9E3779B97F4A7C15 ^ (b+1)*0xC2B2AE3D27D4EB4F
	x ^= x >> 31
	x *= 0xBF58476D1CE4E5B9
	x ^= x >> 29
	x *= 0x94D049BB133111EB
	return x ^ x>>32
}

// few is how many slots most services have at most.
const few = 64

// compacts are the tables for few slots, each made when it is first asked for.
var compacts = func() (all [few + 1]func() [Count]Slot) {
	for n := range all {
		all[n] = sync.OnceValue(func() [Count]Slot { return compact(n) })
	}
	return all
}()

// compact says which of the slots 0 to n-1 should own each shard if all of them
// live. All shards begin at slot 0; then each slot in turn takes its even share
// from those before it, always from the fullest, there the shard that it is
// drawn to most. So a slot that is added takes shards only for itself, and
// loads differ by one at most.
func compact(n int) (owner [Count]Slot) {
	of := make([][]ID, n)
	of[0] = make([]ID, Count)
	for s := range of[0] {
		of[0][s] = ID(s)
	}
	scores, sorted := make([]uint64, Count), make([]bool, n)
	for k := 1; k < n; k++ {
		clear(sorted[:k]) // by how much k is drawn to them, most at the end
		for range Count / (k + 1) {
			from := fullest(of[:k])
			if !sorted[from] {
				sorted[from] = true
				sortByScore(of[from], Slot(k), scores)
			}
			last := len(of[from]) - 1
			s := of[from][last]
			of[from] = of[from][:last]
			of[k] = append(of[k], s)
			owner[s] = Slot(k)
		}
	}
	return owner
}

// fullest returns the first of the lists that are longest.
func fullest(of [][]ID) int {
	most := 0
	for k := range of {
		if len(of[k]) > len(of[most]) {
			most = k
		}
	}
	return most
}

// sortByScore sorts shards by how much slot is drawn to them. It uses scores as
// scratch.
func sortByScore(shards []ID, slot Slot, scores []uint64) {
	for _, s := range shards {
		scores[s] = score(s, slot)
	}
	slices.SortFunc(shards, func(a, b ID) int {
		if c := cmp.Compare(scores[a], scores[b]); c != 0 {
			return c
		}
		return cmp.Compare(b, a)
	})
}

// assign says which of the slots live, which are sorted and not empty, should
// own each shard: the one that would if none were missing, else the one that is
// drawn to it most among those that have not a quarter more than their share.
func assign(live []Slot) [Count]Slot {
	var owner [Count]Slot
	if n := int(live[len(live)-1]) + 1; n <= few {
		owner = compacts[n]()
	} else {
		owner = compact(n)
	}
	load := make(map[Slot]int, len(live))
	for _, slot := range live {
		load[slot] = 0
	}
	for _, slot := range owner {
		if _, ok := load[slot]; ok {
			load[slot]++
		}
	}
	limit := most(len(live))
	for s := range owner {
		if _, ok := load[owner[s]]; ok {
			continue
		}
		best, to := uint64(0), Slot(-1)
		for _, slot := range live {
			if h := score(ID(s), slot); load[slot] < limit && (to < 0 || h > best) {
				best, to = h, slot
			}
		}
		owner[s] = to
		load[to]++
	}
	return owner
}

// most returns how many shards one of n slots may be assigned.
func most(n int) int { return (Count*5/4 + n - 1) / n }

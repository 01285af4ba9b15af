// SPDX-License-Identifier: Apache-2.0

// Package shard says which shard an entity instance belongs to.
//
// A shard is the unit of ownership, and of neighbourhood in a store. Where
// instances lie on disk depends on the function [Of], so it never changes: a
// test holds it.
package shard

import "github.com/kairn-dev/kairn/proxy/entity"

// Count is how many shards there are.
const Count = 1024

// An ID is the number of a shard, from 0.
type ID uint16

// Of returns the shard of key. It is the 64 bit FNV-1a hash of the bytes of the
// entity's name, the byte 0 and the bytes of the id, mixed by the finalizer of
// MurmurHash3 so that the low bits depend on all of them, modulo [Count].
func Of(key entity.Key) ID {
	h := fnv1a(14695981039346656037, key.Entity)
	h *= prime // of the byte 0
	h = fnv1a(h, key.ID)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return ID(h % Count)
}

// Lane returns which of n lanes the instance key writes to.
func Lane(key entity.Key, n int) int {
	if n == 1 {
		return 0
	}
	return int(Of(key)) % n
}

const prime = 1099511628211

func fnv1a(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"cmp"
	"iter"
	"slices"
)

// A Replica is the opaque id of one member between joining and leaving.
type Replica string

// maxReplica is how long a Replica may be. It protects readers of foreign bytes.
const maxReplica = 255

// A dot names one change: the replica that made it and its number there, from 1.
type dot struct {
	by Replica
	n  uint64
}

func compareDots(a, b dot) int {
	return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.n, b.n))
}

// A dotSet is a few dots, sorted. It is never changed in place, so that states
// can share it.
type dotSet []dot

// without returns those dots that known has not seen.
func (s dotSet) without(known history) dotSet {
	if !slices.ContainsFunc(s, known.has) {
		return s
	}
	return slices.DeleteFunc(slices.Clone(s), known.has)
}

// A join is one merge under way: what both sides had seen before, and whether
// the first side has changed.
type join struct {
	mine, theirs history
	changed      bool
}

// dots returns what the dots a and b of one place become.
func (j *join) dots(a, b dotSet) dotSet {
	gone := func(d dot) bool { return j.theirs.has(d) && !slices.Contains(b, d) }
	known := func(d dot) bool { return j.mine.has(d) || slices.Contains(a, d) }
	if slices.Equal(a, b) || !slices.ContainsFunc(a, gone) && allFunc(b, known) {
		return a
	}
	j.changed = true
	merged := slices.Concat(slices.DeleteFunc(slices.Clone(a), gone), slices.DeleteFunc(slices.Clone(b), known))
	slices.SortFunc(merged, compareDots)
	return merged
}

func allFunc[E any](s []E, f func(E) bool) bool {
	return !slices.ContainsFunc(s, func(e E) bool { return !f(e) })
}

// none reports whether s yields nothing.
func none[E any](s iter.Seq[E]) bool {
	for range s {
		return false
	}
	return true
}

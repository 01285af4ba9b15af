// SPDX-License-Identifier: Apache-2.0

package crdt

import "iter"

// shares are what each replica has to say to one value: its count, its vote, its
// write. A replica's newer share takes the place of its older one.
type shares[V any] map[Replica]share[V]

type share[V any] struct {
	n     uint64 // of the dot, which is the replica's
	value V
}

// set makes v the share of the writer.
func (s *shares[V]) set(w *writer, v V) {
	if *s == nil {
		*s = shares[V]{}
	}
	(*s)[w.by] = share[V]{w.tick().n, v}
}

// join merges o into s.
func (s *shares[V]) join(o shares[V], j *join) {
	for by, mine := range *s {
		theirs, both := o[by]
		switch {
		case both && theirs.n == mine.n:
		case both && theirs.n > mine.n && !j.mine.has(dot{by, theirs.n}):
			(*s)[by] = theirs
			j.changed = true
		case j.theirs.has(dot{by, mine.n}):
			delete(*s, by)
			j.changed = true
		}
	}
	for by, theirs := range o {
		if _, both := (*s)[by]; both || j.mine.has(dot{by, theirs.n}) {
			continue
		}
		if *s == nil {
			*s = shares[V]{}
		}
		(*s)[by] = theirs
		j.changed = true
	}
}

func (s shares[V]) filtered(known history) shares[V] {
	kept := make(shares[V], len(s))
	for by, sh := range s {
		if !known.has(dot{by, sh.n}) {
			kept[by] = sh
		}
	}
	return kept
}

func (s shares[V]) dots() iter.Seq[dot] {
	return func(yield func(dot) bool) {
		for by, sh := range s {
			if !yield(dot{by, sh.n}) {
				return
			}
		}
	}
}

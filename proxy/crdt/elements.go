// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"iter"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"
)

// elements are what both sets hold: each element with the additions of it that no
// removal has seen. None has no dots.
type elements map[element]dotSet

// add adds what is in list. An element that is there already gets a new dot, so
// that it stays if somebody removes it at the same time.
func (s *elements) add(w *writer, list []*anypb.Any) {
	if *s == nil {
		*s = make(elements, len(list))
	}
	for _, a := range list {
		(*s)[elementOf(a)] = dotSet{w.tick()}
	}
}

// join merges o into s.
func (s *elements) join(o elements, j *join) {
	for e, mine := range *s {
		switch left := j.dots(mine, o[e]); {
		case len(left) == 0:
			delete(*s, e)
		case !slices.Equal(left, mine):
			(*s)[e] = left
		}
	}
	for e, theirs := range o {
		if _, both := (*s)[e]; both {
			continue
		}
		if fresh := j.dots(nil, theirs); len(fresh) > 0 {
			if *s == nil {
				*s = make(elements, len(o))
			}
			(*s)[e] = fresh
		}
	}
}

func (s elements) filtered(known history) elements {
	kept := make(elements, len(s))
	for e, dots := range s {
		if fresh := dots.without(known); len(fresh) > 0 {
			kept[e] = fresh
		}
	}
	return kept
}

func (s elements) dots() iter.Seq[dot] {
	return func(yield func(dot) bool) {
		for _, dots := range s {
			for _, d := range dots {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// all returns the elements in order.
func (s elements) all() []*anypb.Any {
	list := make([]element, 0, len(s))
	for e := range s {
		list = append(list, e)
	}
	return anys(list)
}

// compare returns what a function that knows set must add and remove.
func (s elements) compare(set map[element]struct{}) (added, removed []element) {
	for e := range s {
		if _, there := set[e]; !there {
			added = append(added, e)
		}
	}
	if len(s)-len(added) == len(set) {
		return added, nil
	}
	for e := range set {
		if _, there := s[e]; !there {
			removed = append(removed, e)
		}
	}
	return added, removed
}

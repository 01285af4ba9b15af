// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"cmp"
	"slices"
)

// A Context says what a state has seen, and in which life of the instance.
type Context struct {
	life uint64
	seen history
}

// A history is the changes of each replica that a state has seen. For a whole
// state that is one span for each, from 1 on; a partial state has gaps.
type history map[Replica][]span

// A span is the numbers from first to last. Those of a replica are sorted, and
// there is a gap between any two.
type span struct{ first, last uint64 }

func (c history) has(d dot) bool {
	spans := c[d.by]
	i := 0
	if len(spans) > 1 {
		i, _ = slices.BinarySearchFunc(spans, d.n, func(s span, n uint64) int { return cmp.Compare(s.last, n) })
	}
	return i < len(spans) && spans[i].first <= d.n && d.n <= spans[i].last
}

// next adds a dot of replica by that is not in c.
func (c history) next(by Replica) dot {
	spans := c[by]
	if len(spans) == 0 {
		c[by] = []span{{1, 1}}
		return dot{by, 1}
	}
	last := &spans[len(spans)-1].last
	*last++
	return dot{by, *last}
}

// union adds to c what is in o and reports whether that was anything.
func (c history) union(o history) bool {
	changed := false
	for by, theirs := range o {
		if mine := c[by]; !slices.Equal(mine, theirs) {
			both := joinSpans(mine, theirs)
			changed = changed || !slices.Equal(mine, both)
			c[by] = both
		}
	}
	return changed
}

func joinSpans(a, b []span) []span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	joined := all[:0]
	for _, s := range all {
		if n := len(joined); n > 0 && s.first-1 <= joined[n-1].last {
			joined[n-1].last = max(joined[n-1].last, s.last)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// minus takes dots out of c, all of which are in it.
func (c history) minus(dots []dot) {
	slices.SortFunc(dots, compareDots)
	for len(dots) > 0 {
		by := dots[0].by
		n := 1
		for n < len(dots) && dots[n].by == by {
			n++
		}
		if c[by] = cut(c[by], dots[:n]); len(c[by]) == 0 {
			delete(c, by)
		}
		dots = dots[n:]
	}
}

// cut returns spans without the numbers of dots, which are sorted.
func cut(spans []span, dots []dot) []span {
	var rest []span
	for _, s := range spans {
		for len(dots) > 0 && dots[0].n <= s.last {
			if dots[0].n > s.first {
				rest = append(rest, span{s.first, dots[0].n - 1})
			}
			s.first = dots[0].n + 1
			dots = dots[1:]
		}
		if s.first <= s.last {
			rest = append(rest, s)
		}
	}
	return rest
}

func (c history) clone() history {
	o := make(history, len(c))
	for by, spans := range c {
		o[by] = slices.Clone(spans)
	}
	return o
}

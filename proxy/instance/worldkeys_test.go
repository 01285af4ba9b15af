// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"slices"
	"strconv"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// key returns the key of command n: each third has one, which it shares with
// another one.
func key(n int) entity.IdemKey {
	if n%3 != 0 {
		return ""
	}
	return entity.EventKey("world", strconv.Itoa(n/6), "")
}

// recalled reads the reply that is to be recalled.
func (w *world) recalled(err error) {
	c := w.recall
	w.recall = nil
	r, ok := w.replies[c.Call.Key]
	w.m.Recalled(c, r, ok && err == nil, err, w.now)
}

// expire makes the store forget all replies.
func (w *world) expire() {
	for k := range w.replies {
		w.lost[k] = true
	}
	clear(w.replies)
}

// onceForEachKey checks that of all commands with one key, one at most is
// stored, and that their clients saw the same.
func (w *world) onceForEachKey() {
	stored := map[entity.IdemKey]int{}
	for _, n := range w.journal {
		if k := key(n); k != "" && !w.lost[k] {
			if stored[k]++; stored[k] > 1 {
				w.t.Fatalf("commands with key %q are stored more than once: %v", k, w.journal)
			}
		}
	}
	saw := map[entity.IdemKey][]int{}
	for n := 1; n <= w.next; n++ {
		k, seen := key(n), w.acked[n]
		if k == "" || seen == nil || w.lost[k] {
			continue
		}
		if before, ok := saw[k]; ok && !slices.Equal(before, seen) {
			w.t.Fatalf("clients of key %q saw %v and %v", k, before, seen)
		}
		saw[k] = seen
	}
}

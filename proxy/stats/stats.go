// SPDX-License-Identifier: Apache-2.0

// Package stats holds what the proxy's packages count with, so that they need
// no metrics library. The proxy's main package exports it.
package stats

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// buckets is how many buckets a Histogram has: the first holds durations up to
// 2^shift ns, each other one those up to twice the one before, the last all.
const (
	buckets = 22
	shift   = 14 // 16 microseconds
)

// A Histogram counts durations in buckets that double in width, from 16 us to
// 17 s. Its zero value is ready for use, by many goroutines.
type Histogram struct {
	count [buckets]atomic.Uint64
	sum   atomic.Int64 // nanoseconds
}

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) {
	h.count[bucket(d)].Add(1)
	h.sum.Add(int64(d))
}

// bucket returns the index of the bucket that d belongs to.
func bucket(d time.Duration) int {
	if d <= 1<<shift {
		return 0
	}
	return min(bits.Len64(uint64(d-1)>>shift), buckets-1)
}

// Read returns the number of durations observed, their sum in seconds, and for
// each bound in seconds how many were not above it.
func (h *Histogram) Read() (count uint64, sum float64, cumulative map[float64]uint64) {
	cumulative = make(map[float64]uint64, buckets-1)
	for i := range buckets {
		count += h.count[i].Load()
		if i < buckets-1 {
			cumulative[time.Duration(int64(1)<<(shift+i)).Seconds()] = count
		}
	}
	return count, time.Duration(h.sum.Load()).Seconds(), cumulative
}

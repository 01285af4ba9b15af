// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"
	"time"
)

func TestHistogramBounds(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want int
	}{
		{-time.Second, 0}, // a clock that was set back
		{0, 0},
		{1 << shift, 0},
		{1<<shift + 1, 1},
		{2 << shift, 1},
		{2<<shift + 1, 2},
		{1 << (shift + buckets - 2), buckets - 2},
		{1<<(shift+buckets-2) + 1, buckets - 1},
		{math.MaxInt64, buckets - 1},
	} {
		if got := bucket(tt.d); got != tt.want {
			t.Errorf("%v is in bucket %d, want %d", tt.d, got, tt.want)
		}
	}
}

func TestHistogramIsCumulative(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		h.Observe(d)
	}
	count, sum, cumulative := h.Read()
	if count != 4 || sum < 3601 || sum > 3602 {
		t.Errorf("count %d, sum %v", count, sum)
	}
	if len(cumulative) != buckets-1 {
		t.Errorf("%d bounds", len(cumulative))
	}
	for bound, n := range cumulative {
		want := uint64(0)
		for _, s := range []float64{1e-6, 1e-3, 1} {
			if s <= bound {
				want++
			}
		}
		if n != want {
			t.Errorf("%d up to %vs, want %d", n, bound, want)
		}
	}
}

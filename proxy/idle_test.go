// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemoryIsGivenBackOncePerStillness counts collections, which giving back
// begins with.
func TestMemoryIsGivenBackOncePerStillness(t *testing.T) {
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- giveBack(ctx, calls.Load) }()
		before := collections()
		expect := func(want uint32, after time.Duration, when string) {
			t.Helper()
			<-time.After(after)
			synctest.Wait()
			if got := collections() - before; got != want {
				t.Errorf("%s: given back %d times, want %d", when, got, want)
			}
		}
		expect(0, stillness-look, "before it has been still")
		expect(1, 2*look, "after the start")
		expect(1, time.Hour, "while it stays still")
		for range 10 {
			calls.Add(1)
			expect(1, stillness-look, "during work")
		}
		expect(2, 2*stillness, "after work")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

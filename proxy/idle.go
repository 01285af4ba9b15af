// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// stillness is how long nothing must have been called until memory is given
	// back; it is noticed after twice that at most.
	stillness = 2 * time.Second
	// effort is how many times as long as giving back has taken it is left alone.
	effort = 100
)

// giveBack gives memory back that only the past needed, each time that it has
// become still: after the start, and after work. With the collector as lazy as it
// is made here (garbage), an idle proxy would keep five times what it uses. Calls
// says how many there have been. It returns when ctx is done.
func giveBack(ctx context.Context, calls func() int64) error {
	ticker := time.NewTicker(stillness)
	defer ticker.Stop()
	given, last, next := int64(-1), int64(-1), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			now := calls()
			if start := time.Now(); now == last && now != given && start.After(next) {
				debug.FreeOSMemory()
				freeProgram()
				given, next = now, time.Now().Add(effort*time.Since(start))
			}
			last = now
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// stillness is how long nothing must have been called until memory is given
	// back. What comes next has to be mapped again, at a tenth of the CPU of its
	// first second, so that pauses of seconds are not worth it.
	stillness = 10 * time.Second
	look      = stillness / 5
	// effort is how many times as long as giving back has taken it is left alone.
	effort = 100
)

// giveBack gives memory back that only the past needed, each time that it has
// become still: after the start, and after work. With the collector as lazy as it
// is made here (garbage), an idle proxy would keep five times what it uses. Calls
// says how many there have been. It returns when ctx is done.
func giveBack(ctx context.Context, calls func() int64) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	given, last := int64(-1), calls()
	since, next := time.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if n := calls(); n != last {
				last, since = n, now
			}
			if last != given && now.Sub(since) >= stillness && now.After(next) {
				debug.FreeOSMemory()
				freeProgram()
				given, next = last, time.Now().Add(effort*time.Since(now))
			}
		}
	}
}

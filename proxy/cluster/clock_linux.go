// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock returns the time since the machine was started, also that which it has
// slept: Go's own monotonic clock leaves that out, and a lease would outlive it.
func Clock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err) // it has been there since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}

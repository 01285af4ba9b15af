// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package cluster

import "time"

var start = time.Now()

// Clock returns the time since the process was started. Sleep of the machine is
// noticed by the wall clock only.
func Clock() time.Duration { return time.Since(start) }

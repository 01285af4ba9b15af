// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"
	"strings"
)

// Where Linux says how much memory this process may have: in version 2 of
// control groups, and in version 1.
var memoryLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// unlimited is more than any machine has; version 1 says so where there is no
// limit.
const unlimited = 1 << 50

// softLimit returns how many bytes the garbage collector should try to stay
// within: four fifths of what the process may have, since the store's memory is
// not the collector's. It is 0 if nothing says.
func softLimit(files []string) int64 {
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the other version, or none
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err == nil && n > 0 && n < unlimited {
			return n / 5 * 4
		}
	}
	return 0
}

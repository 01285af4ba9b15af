// SPDX-License-Identifier: Apache-2.0

package header

import (
	"strconv"
	"time"
)

// units are those of grpc-timeout.
var units = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second,
	'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// Timeout reads a grpc-timeout: up to eight digits and a unit.
func Timeout(v string) (time.Duration, bool) {
	if len(v) < 2 || len(v) > 9 {
		return 0, false
	}
	unit, ok := units[v[len(v)-1]]
	n, err := strconv.ParseUint(v[:len(v)-1], 10, 32)
	return limited(n, unit), ok && err == nil
}

// Millis reads a connect-timeout-ms: up to ten digits.
func Millis(v string) (time.Duration, bool) {
	n, err := strconv.ParseUint(v, 10, 64)
	return limited(n, time.Millisecond), err == nil && len(v) <= 10
}

// limited returns n units, or the most there can be.
func limited(n uint64, unit time.Duration) time.Duration {
	const most = time.Duration(1<<63 - 1)
	if unit > 0 && n > uint64(most/unit) {
		return most
	}
	return time.Duration(n) * unit
}

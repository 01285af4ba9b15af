// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/stats"
)

// Stats counts what a lane does. Its zero value is ready for use.
type Stats struct {
	Commits  atomic.Int64 // groups committed
	Writes   atomic.Int64 // commands committed with them
	Bytes    atomic.Int64
	Refused  atomic.Int64 // writes that the store refused
	Resent   atomic.Int64 // commits sent again since their outcome was unknown
	Duration stats.Histogram
}

func (s *Stats) committed(writes, bytes int, d time.Duration) {
	s.Commits.Add(1)
	s.Writes.Add(int64(writes))
	s.Bytes.Add(int64(bytes))
	s.Duration.Observe(d)
}

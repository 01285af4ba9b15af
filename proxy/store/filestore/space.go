// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// How much room on the disk has to be left before anything is appended to the
// log, and after how many bytes to look again. The room is for what Pebble
// writes besides: a failure there would be the end of the process, and the
// next one could not start either.
const (
	minSpace   = 32 << 20
	spaceEvery = 1 << 20
)

// A space knows whether there is room on the disk. A commit that was refused
// for want of it has had no effect, unlike one that failed.
type space struct {
	fs      vfs.FS
	dir     string
	unknown int // bytes that may be appended before looking; only used by one at a time
	full    atomic.Bool
}

// take returns nil if there is room for n more bytes in the log.
func (s *space) take(n int) error {
	if s.unknown >= n {
		s.unknown -= n
		return nil
	}
	// Twice n: what is large is soon copied from the log into a table. A file
	// system that can't tell is taken to have room.
	usage, err := s.fs.GetDiskUsage(s.dir)
	full := err == nil && usage.AvailBytes < min(minSpace, usage.TotalBytes/8)+2*uint64(n)
	s.full.Store(full)
	if full {
		return fmt.Errorf("%d bytes are left on the disk of %s: %w", usage.AvailBytes, s.dir, entity.ErrFull)
	}
	s.unknown = spaceEvery
	return nil
}

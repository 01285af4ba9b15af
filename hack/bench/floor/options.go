// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// options are those of proxy/store/filestore, which keeps them to itself. When
// they change there, they change here: the floor must not win or lose by them.
func options() *pebble.Options {
	o := &pebble.Options{
		FS:                          vfs.Default,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		CacheSize:                   16 << 20,
		MaxOpenFiles:                256,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               32 << 20,
		Logger:                      silent{},
	}
	o.Experimental.FileCacheShards = 2
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings {
		c := pebble.DBCompressionNone
		c.Name = "Last"
		last := len(c.Levels) - 1
		c.Levels[last] = pebble.DBCompressionFastest.Levels[last]
		return c
	})
	return o
}

// silent drops what Pebble logs, but for what it can't go on after.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

func (silent) Fatalf(format string, args ...any) { pebble.DefaultLogger.Fatalf(format, args...) }

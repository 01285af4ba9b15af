// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// openPebble opens the database in dir, which it makes if need be.
func openPebble(log *slog.Logger, fs vfs.FS, dir string, broken *breaker) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil { // Pebble's way to say that it could not sync a folder
			db, err = nil, fmt.Errorf("opening the database: %v", r)
		}
	}()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{FS: fs, breaker: broken}
	d.making.Store(len(names) == 0)
	if db, err = pebble.Open(dir, pebbleOptions(log, d)); err != nil {
		return nil, err
	}
	if d.making.Swap(false) {
		if err := syncFolder(fs, dir); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// pebbleOptions are for a small process beside another one: little memory as
// long as there is little to do, and few goroutines.
func pebbleOptions(log *slog.Logger, d *disk) *pebble.Options {
	o := &pebble.Options{
		FS: d, // set, since Pebble's own choice watches each file with a goroutine
		// Never raised without a new number in FORMAT: older code can't read it then.
		FormatMajorVersion: pebble.FormatTableFormatV6,
		// Memtables begin small and grow with the load up to this. They count
		// against the cache.
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		CacheSize:                   16 << 20,
		MaxOpenFiles:                256,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       64, // rather slower reads than commits that wait
		LBaseMaxBytes:               32 << 20,
		Logger:                      pebbleLog{log: log, fatal: d.breaker.trip},
		EventListener: &pebble.EventListener{
			// A table could not be written. That is tried again and again, for
			// which Open would wait.
			BackgroundError: func(err error) {
				log.Warn("store could not write a table, tries again", "err", err.Error()) // its other text is a stack
				if !d.breaker.open.Load() {
					d.breaker.trip(fmt.Errorf("opening the store: %w", err))
				}
			},
			// Whoever reads the rotten file gets the error. Nothing else does.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				log.Error("file of the store is corrupt", "path", info.Path, "err", info.Details.Error())
			},
			WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
				log.Warn("commits wait for the disk", "reason", info.Reason)
			},
		},
	}
	o.Experimental.FileCacheShards = 2 // each has a goroutine
	for i := range o.Levels {          // most replies that are looked for aren't there
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	o.ApplyCompressionSettings(compression)
	return o
}

// compression leaves what is rewritten soon as it is. It pays in the lowest
// level, where nearly everything is in the end.
func compression() pebble.DBCompressionSettings {
	c := pebble.DBCompressionNone
	c.Name = "Last"
	last := len(c.Levels) - 1
	c.Levels[last] = pebble.DBCompressionFastest.Levels[last]
	return c
}

// A pebbleLog is Pebble's view of our log. What Pebble tells its operators is
// nothing that ours have to know.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(error)
}

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("pebble", "msg", lazy{format, args})
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Warn("pebble", "msg", lazy{format, args})
}

func (l pebbleLog) Fatalf(format string, args ...any) { l.fatal(fmt.Errorf(format, args...)) }

// A lazy is a message that is only put together if it is logged.
type lazy struct {
	format string
	args   []any
}

// LogValue implements [slog.LogValuer].
func (l lazy) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(l.format, l.args...)) }

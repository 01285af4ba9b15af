// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A breaker remembers the first failure after which nothing is certain any
// more, and tells it on.
type breaker struct {
	open  atomic.Bool // the store has been opened
	err   atomic.Pointer[error]
	fatal func(error)
}

// trip is called with any such failure. Only the first one counts.
func (b *breaker) trip(err error) {
	if b.err.CompareAndSwap(nil, &err) {
		b.fatal(err)
	}
}

// check returns an error if there was a failure.
func (b *breaker) check() error {
	if err := b.err.Load(); err != nil {
		return fmt.Errorf("store has failed before: %w", *err)
	}
	return nil
}

// A disk is the file system as Pebble gets to see it. It trips the breaker when
// an operation fails which Pebble can't go on after, and that before Pebble
// knows, whose own way to end the process is a panic. Tables are left out: one
// that can't be written is made anew from what is still in the log.
type disk struct {
	vfs.FS
	breaker *breaker

	// Pebble makes a database in its oldest format and then goes through all
	// later ones, each of which it notes in the name of an empty file and syncs
	// the folder for. While making is set those syncs are left out, for which
	// openPebble makes good: a start should not take twice the time for that.
	// After a crash in between, an empty database has any of the formats.
	making atomic.Bool
	noted  atomic.Bool // the last file made was such a note
}

// trip returns err, which is what came of doing something with name. As long as
// the store is being opened that is enough: then opening it fails.
func (d *disk) trip(err error, doing, name string) error {
	if err != nil && filepath.Ext(name) != ".sst" && d.breaker.open.Load() {
		d.breaker.trip(fmt.Errorf("%s %s: %w", doing, name, err))
	}
	return err
}

// Create implements [vfs.FS].
func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	d.noted.Store(strings.HasPrefix(d.PathBase(name), "marker.format-version."))
	f, err := d.FS.Create(name, category)
	return d.file(f, d.trip(err, "creating", name), name)
}

// ReuseForWrite implements [vfs.FS].
func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, newname, category)
	return d.file(f, d.trip(err, "reusing a file for", newname), newname)
}

// OpenDir implements [vfs.FS].
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return folder{f, d, name}, nil
}

// Rename implements [vfs.FS].
func (d *disk) Rename(oldname, newname string) error {
	return d.trip(d.FS.Rename(oldname, newname), "renaming", oldname)
}

// Unwrap implements [vfs.FS].
func (d *disk) Unwrap() vfs.FS { return d.FS }

// file returns f as Pebble gets to see it.
func (d *disk) file(f vfs.File, err error, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{f, d, name}, nil
}

// A file is open for writing.
type file struct {
	vfs.File
	disk *disk
	name string
}

// Write implements [vfs.File].
func (f *file) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.disk.trip(err, "writing", f.name)
}

// WriteAt implements [vfs.File].
func (f *file) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(p, at)
	return n, f.disk.trip(err, "writing", f.name)
}

// Sync implements [vfs.File].
func (f *file) Sync() error { return f.disk.trip(f.File.Sync(), "syncing", f.name) }

// SyncData implements [vfs.File].
func (f *file) SyncData() error { return f.disk.trip(f.File.SyncData(), "syncing", f.name) }

// SyncTo implements [vfs.File].
func (f *file) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.disk.trip(err, "syncing", f.name)
}

// Close implements [vfs.File].
func (f *file) Close() error { return f.disk.trip(f.File.Close(), "closing", f.name) }

// A folder is open to be synced.
type folder struct {
	vfs.File
	disk *disk
	name string
}

// Sync implements [vfs.File].
func (f folder) Sync() error {
	if f.disk.making.Load() && f.disk.noted.Load() {
		return nil
	}
	err := f.File.Sync()
	if err != nil { // Pebble panics, be it still opening or not
		f.disk.breaker.trip(fmt.Errorf("syncing %s: %w", f.name, err))
	}
	return err
}

// private is a file system whose new files are for their owner only.
type private struct{ vfs.FS }

// Create implements [vfs.FS].
func (p private) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Lock implements [vfs.FS].
func (p private) Lock(name string) (io.Closer, error) {
	lock, err := p.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// Unwrap implements [vfs.FS].
func (p private) Unwrap() vfs.FS { return p.FS }

// SPDX-License-Identifier: Apache-2.0

// Package reload keeps what was read from files that may change at any time:
// certificates, keys, what a mounted secret holds.
//
// Whoever asks gets what is there now. What can't be read doesn't replace what was
// there before; that is said on the log, once for each change of the files.
package reload

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// A Value is of type T and comes from files. Make it with [Load]. Its methods may
// be called by any goroutine.
type Value[T any] struct {
	log   *slog.Logger
	names []string
	read  func() (T, error)

	mu       sync.Mutex // protects what follows
	value    T
	versions []version // of the files that value was read from, or could not be read from
}

// A version tells two states of a file apart. Its zero value is that of a file
// that is not there.
type version struct {
	changed time.Time
	size    int64
}

// Load reads a value for the first time. Read makes it of the files named, and is
// called again when one of them has changed.
func Load[T any](log *slog.Logger, read func() (T, error), names ...string) (*Value[T], error) {
	v := &Value[T]{log: log, names: names, read: read}
	v.versions = v.look() // before reading: what changes meanwhile is read again
	var err error
	v.value, err = read()
	return v, err
}

// Get returns the value.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.look(); !same(now, v.versions) {
		v.versions = now // if they are wrong they are so until they change
		value, err := v.read()
		if err != nil {
			v.log.Warn("file has changed and can't be used, what was there before stays", "err", err)
		} else {
			v.value = value
		}
	}
	return v.value
}

func (v *Value[T]) look() []version {
	versions := make([]version, len(v.names))
	for i, name := range v.names {
		if info, err := os.Stat(name); err == nil {
			versions[i] = version{info.ModTime(), info.Size()}
		}
	}
	return versions
}

func same(a, b []version) bool {
	for i := range a {
		if !a[i].changed.Equal(b[i].changed) || a[i].size != b[i].size {
			return false
		}
	}
	return true
}

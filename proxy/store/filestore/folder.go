// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is in the folder.
const (
	lockName   = "LOCK"
	formatName = "FORMAT"
	dataName   = "data"
)

// format is the number of the layout that package doc describes, and magic
// what it stands behind in its file. In format 1, which no release wrote, values
// had no expiry.
const (
	format = 2
	magic  = "kairn filestore "
)

// makeFolder makes dir durably, and all above it, unless it is there.
func makeFolder(fs vfs.FS, dir string) error {
	parent := fs.PathDir(dir)
	if _, err := fs.Stat(dir); err == nil || parent == dir {
		return nil
	}
	if err := makeFolder(fs, parent); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the store's folder: %w", err)
	}
	if err := syncFolder(fs, parent); err != nil {
		return fmt.Errorf("making the store's folder: %w", err)
	}
	return nil
}

// lockFolder locks dir until the result is closed or the process is gone.
func lockFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the store's folder: %w", err)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("the store in %s is in use by %s: stop that one, or give this one another folder", dir, holder(f))
		return nil, errors.Join(err, f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking the store's folder %s: %w", dir, err), f.Close())
	}
	if err := sign(f); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the store's folder: %w", err), f.Close())
	}
	return f, nil
}

// sign writes into the lock's file who has it: a pid alone says little when
// containers share the folder.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), host), 0)
	return err
}

// holder reads from the lock's file who has it.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	pid, host, ok := strings.Cut(strings.TrimSpace(string(text)), " ")
	if err != nil || !ok {
		return "another process"
	}
	return fmt.Sprintf("process %s (on host %s)", pid, host)
}

// checkFormat returns nil if dir has a store that this code can read, which it
// makes of an empty folder.
func checkFormat(fs vfs.FS, dir string) error {
	text, err := readFile(fs, fs.PathJoin(dir, formatName))
	if errors.Is(err, os.ErrNotExist) {
		return writeFormat(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("reading the store's format: %w", err)
	}
	number, ok := strings.CutPrefix(strings.TrimSpace(string(text)), magic)
	n, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || n < 1:
		return fmt.Errorf("%s is not a store of this program: its file %s has %.40q", dir, formatName, text)
	case n > format:
		return fmt.Errorf("the store in %s has format %d, this program knows formats up to %d: use a newer version of it", dir, n, format)
	case n < format:
		return fmt.Errorf("the store in %s has format %d, which only versions before the first release wrote: give this one an empty folder", dir, n)
	}
	return nil
}

// writeFormat makes a store of dir if that is empty.
func writeFormat(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("reading the store's folder: %w", err)
	}
	for _, name := range names {
		switch name {
		case lockName, formatName + ".tmp", "lost+found":
		default:
			return fmt.Errorf("%s is not empty (there is %q) and not a store of this program: give it a folder of its own", dir, name)
		}
	}
	if err := writeFile(fs, dir, formatName, fmt.Appendf(nil, "%s%d\n", magic, format)); err != nil {
		return fmt.Errorf("writing the store's format: %w", err)
	}
	return nil
}

// readFile returns what the file has.
func readFile(fs vfs.FS, path string) (text []byte, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var b bytes.Buffer
	_, err = b.ReadFrom(io.LimitReader(f, 1024))
	return b.Bytes(), err
}

// writeFile makes a file that is there as a whole, and durably, or not at all.
func writeFile(fs vfs.FS, dir, name string, text []byte) error {
	temp := fs.PathJoin(dir, name+".tmp")
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temp, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncFolder(fs, dir)
}

func syncFolder(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"log/slog"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/kairn-dev/kairn/proxy/store/storetest"
)

// logTo returns a logger that writes to t's log.
func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// quiet is for tests in which everything goes wrong.
var quiet = slog.New(slog.DiscardHandler)

// mustOpen opens dir until the end of the test.
func mustOpen(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(logTo(t), dir, func(err error) { t.Errorf("store failed: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, s) })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return mustOpen(t, t.TempDir()) })
}

func TestStoreWithFaults(t *testing.T) {
	storetest.RunWithFaults(t, func(t *testing.T) storetest.Store { return mustOpen(t, t.TempDir()) })
}

// TestStoreThatForgets runs the suite on a store that has to look up the last
// event of nearly every key.
func TestStoreThatForgets(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		s := openOn(t, vfs.NewMem())
		s.journals = newJournals(1)
		t.Cleanup(func() { mustClose(t, s) })
		return s
	})
}

// openUnlocked does as Open does, for a file system that only this test has.
func openUnlocked(log *slog.Logger, fs vfs.FS, fatal func(error)) (*Store, error) {
	const dir = "store"
	if err := makeFolder(fs, dir); err != nil {
		return nil, err
	}
	return open(log, fs, dir, fatal)
}

// openOn opens a store on fs, which must not fail.
func openOn(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := openUnlocked(logTo(t), fs, func(err error) { t.Errorf("store failed: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestMain is also the main function of the processes that tests start.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func BenchmarkCommit(b *testing.B) { storetest.BenchmarkCommit(b, mustOpen(b, b.TempDir())) }
func BenchmarkReplay(b *testing.B) { storetest.BenchmarkReplay(b, mustOpen(b, b.TempDir())) }

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		s, err := Open(logTo(b), b.TempDir(), func(error) {})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// at returns a position of lane 0.
func at(m entity.Member, n int64) entity.Position { return entity.Position{Member: m, N: n} }

func TestForeignFoldersAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"newer format", formatName, "kairn filestore 3\n", "newer version"},
		{"older format", formatName, "kairn filestore 1\n", "empty folder"},
		{"other format", formatName, "sqlite 3\n", "not a store of this program"},
		{"empty format", formatName, "", "not a store of this program"},
		{"no number", formatName, "kairn filestore x", "not a store of this program"},
		{"something else", "go.mod", "module m", `"go.mod"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o600))
			wantError(t, openError(t, dir), dir, tt.want)
			wantError(t, openError(t, dir), tt.want) // the lock was given back
		})
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	s := mustOpen(t, dir)
	m := mustJoin(t, s)
	must(t, s.Commit(t.Context(), at(m, 0), writesOf(0, 0)))
	must(t, s.db.Flush())
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	must(t, err)
}

func TestStateSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	var last entity.Member
	for n := range int64(5) {
		s, err := Open(logTo(t), dir, func(err error) { t.Error(err) })
		must(t, err)
		if _, ok, err := s.Position(t.Context(), last, 0); ok || err != nil {
			t.Errorf("member %d of the process before has a lane, %v", last, err)
		}
		m := mustJoin(t, s)
		if m <= last {
			t.Errorf("joined as member %d after %d", m, last)
		}
		last = m
		must(t, s.Commit(t.Context(), at(m, 0), writesOf(0, n)))
		if got, err := committed(t.Context(), s, 0); got != n+1 || err != nil {
			t.Errorf("%d commits are stored, %v; want %d", got, err, n+1)
		}
		mustClose(t, s)
	}
}

func TestClosedStoreFails(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	m := mustJoin(t, s)
	for n := range int64(200) {
		must(t, s.Commit(t.Context(), at(m, n), writesOf(0, n)))
	}
	var readers sync.WaitGroup
	var started atomic.Int64
	for range 4 {
		readers.Go(func() {
			for {
				started.Add(1)
				if _, err := committed(t.Context(), s, 0); err != nil {
					if !errors.Is(err, errClosed) {
						t.Errorf("reading while it was closed: %v", err)
					}
					return
				}
			}
		})
	}
	var open []error // readers that had begun before Close and go on after it
	for _, err := range s.Events(t.Context(), double(0), 0) {
		if started.Load() >= 4 && !s.closed {
			mustClose(t, s)
		}
		if err != nil {
			open = append(open, err)
		}
	}
	if !s.closed {
		mustClose(t, s)
	}
	readers.Wait()
	if len(open) > 1 || len(open) == 1 && !errors.Is(open[0], errClosed) {
		t.Errorf("a reader that was there before: %v", open)
	}
	wantFails(t, s, m, errClosed)
}

// wantFails wants that no call works, and that none says what became of a commit.
func wantFails(t *testing.T, s *Store, m entity.Member, target error) {
	t.Helper()
	_, joinErr := s.Join(t.Context(), 1)
	commitErr := s.Commit(t.Context(), at(m, 0), writesOf(0, 0))
	_, _, positionErr := s.Position(t.Context(), m, 0)
	_, snapshotErr := s.Snapshot(t.Context(), single(0))
	_, eventsErr := count(t.Context(), s, single(0))
	_, valueErr := s.Value(t.Context(), simple(0))
	for i, err := range []error{joinErr, commitErr, positionErr, snapshotErr, eventsErr, valueErr} {
		if !errors.Is(err, target) || errors.Is(err, entity.ErrLaneMoved) || errors.Is(err, entity.ErrRefused) {
			t.Errorf("call %d: %v, want %v", i, err, target)
		}
	}
	if got := s.Metrics(); got != (Metrics{}) {
		t.Errorf("metrics are %v", got)
	}
}

// failing is a file system whose log can't be synced once on is set.
func failing(fs vfs.FS, on *atomic.Bool) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && on.Load() && filepath.Ext(op.Path) == ".log" {
			return errorfs.ErrInjected
		}
		return nil
	}))
}

func TestFailedSyncIsFatal(t *testing.T) {
	var on atomic.Bool
	told := make(chan error, 10) // the second one would be too many
	s, err := openUnlocked(quiet, failing(vfs.NewMem(), &on), func(err error) { told <- err })
	must(t, err)
	m := mustJoin(t, s)
	must(t, s.Commit(t.Context(), at(m, 0), writesOf(0, 0)))
	on.Store(true)
	err = s.Commit(t.Context(), at(m, 1), writesOf(0, 1))
	if err == nil || errors.Is(err, entity.ErrLaneMoved) || errors.Is(err, entity.ErrRefused) {
		t.Errorf("a commit that was not synced: %v", err)
	}
	on.Store(false)
	wantError(t, <-told, "syncing", ".log")
	wantFails(t, s, m, errorfs.ErrInjected)
	if err := s.Close(); err == nil {
		t.Error("closed as if nothing had happened")
	}
	if len(told) > 0 {
		t.Errorf("fatal was called again: %v", <-told)
	}
}

// TestReadsWaitForTheSync holds a sync up and looks at what can be read.
func TestReadsWaitForTheSync(t *testing.T) {
	syncing, goOn := make(chan struct{}), make(chan struct{})
	var on atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && on.CompareAndSwap(true, false) {
			close(syncing)
			<-goOn
		}
		return nil
	}))
	s := openOn(t, fs)
	defer mustClose(t, s)
	m := mustJoin(t, s)
	must(t, s.Commit(t.Context(), at(m, 0), writesOf(0, 0)))
	on.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Commit(t.Context(), at(m, 1), writesOf(0, 1)); err != nil {
			t.Error(err)
		}
	})
	<-syncing
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that whoever would wait says so
	_, snapshotErr := s.Snapshot(ctx, double(0))
	_, countErr := count(ctx, s, single(0))
	_, valueErr := s.Value(ctx, simple(0))
	_, _, positionErr := s.Position(ctx, m, 0)
	for i, err := range []error{snapshotErr, countErr, valueErr, positionErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read %d did not wait: %v", i, err)
		}
	}
	if n, err := count(t.Context(), s, single(1)); n != 0 || err != nil {
		t.Errorf("another instance: %d events, %v", n, err)
	}
	wg.Go(func() {
		if n, err := count(t.Context(), s, single(0)); n != 2 || err != nil {
			t.Errorf("%d events after the sync, %v; want 2", n, err)
		}
	})
	close(goOn)
	wg.Wait()
}

// small is a file system with little room.
type small struct {
	vfs.FS
	left *atomic.Uint64
}

func (s small) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: s.left.Load(), TotalBytes: 1 << 30}, nil
}

func TestFullDiskRefusesCommits(t *testing.T) {
	fs := small{vfs.NewMem(), new(atomic.Uint64)}
	fs.left.Store(1 << 30)
	s := openOn(t, fs)
	defer mustClose(t, s)
	m := mustJoin(t, s)
	must(t, s.Commit(t.Context(), at(m, 0), writesOf(0, 0)))
	fs.left.Store(1 << 20)
	n := int64(1)
	for ; n < 200; n++ {
		err := s.Commit(t.Context(), at(m, n), writesOf(0, n))
		if errors.Is(err, entity.ErrFull) && errors.Is(err, entity.ErrRefused) {
			break
		}
		must(t, err)
	}
	if got, err := committed(t.Context(), s, 0); got != n || err != nil || n == 200 {
		t.Errorf("%d commits are stored, %v; %d were acknowledged", got, err, n)
	}
	if !s.Metrics().DiskFull {
		t.Error("metrics don't tell that the disk is full")
	}
	fs.left.Store(1 << 30)
	must(t, s.Commit(t.Context(), at(m, n), writesOf(0, n)))
}

func TestMetrics(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	m := mustJoin(t, s)
	for n := range int64(100) {
		must(t, s.Commit(t.Context(), at(m, n), writesOf(0, n)))
	}
	must(t, s.db.Flush())
	got := s.Metrics()
	if got.DiskBytes == 0 || got.Flushes == 0 || got.MemoryBytes == 0 || got.WrittenBytes == 0 || got.DiskFull {
		t.Errorf("metrics are %+v", got)
	}
}

// TestJournalsStayBounded writes to many instances and wants few remembered.
func TestJournalsStayBounded(t *testing.T) {
	s := openOn(t, vfs.NewMem())
	defer mustClose(t, s)
	s.journals = newJournals(50)
	m := mustJoin(t, s)
	for n := range int64(300) {
		must(t, s.Commit(t.Context(), at(m, n), writesOf(int(n), 0)))
		if got := len(s.journals.young) + len(s.journals.old); got > 2*50+2 {
			t.Fatalf("%d journals are remembered", got)
		}
	}
}

func TestRowsOrderAsTheirKeysDo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 0xfe, 0xff}), 0, 6)
		a, b := string(id.Draw(rt, "a")), string(id.Draw(rt, "b"))
		rows := func(id string) []string {
			var all []string
			for _, seq := range []entity.Seq{0, 1, 255, 256, 1 << 40, 1<<63 - 1} {
				all = append(all, string(appendSeq(append(appendInstance(nil, 7, id), kindEvent), seq)))
			}
			all = append(all, string(append(appendInstance(nil, 7, id), kindValue)))
			return append([]string{string(append(appendInstance(nil, 7, id), kindSnapshot))}, all...)
		}
		ra, rb := rows(a), rows(b)
		if !slices.IsSorted(ra) {
			rt.Errorf("rows of %q are not in order: %q", a, ra)
		}
		// All rows of one are on the same side of all rows of the other.
		if want := strings.Compare(a, b); want != 0 && (strings.Compare(ra[0], rb[7]) != want || strings.Compare(ra[7], rb[0]) != want) {
			rt.Errorf("rows of %q and %q are not neighbours", a, b)
		}
		if a == b != slices.Equal(ra, rb) {
			rt.Errorf("%q and %q share rows", a, b)
		}
	})
}

func FuzzReadRows(f *testing.F) {
	p := entity.Payload{TypeURL: usualTypes + "shop.Added", Value: []byte("value")}
	f.Add(appendPayload(nil, p))
	f.Add(appendSnapshot(nil, &entity.Snapshot{Seq: 1 << 40, Payload: p}))
	f.Add(appendValue(nil, &entity.Value{Version: 300, Exists: true, Payload: p}))
	f.Add(appendValue(nil, &entity.Value{Version: 300}))
	f.Add(appendSeq(nil, 77))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := readPayload(b, newTypeURLs()); err == nil {
			again, err := readPayload(appendPayload(nil, p), newTypeURLs())
			if err != nil || again.TypeURL != p.TypeURL || string(again.Value) != string(p.Value) || payloadLen(p) != len(appendPayload(nil, p)) {
				t.Errorf("%v came back as %v, %v", p, again, err)
			}
		}
		if seq, err := readSeq(b); err == nil && seq >= 0 {
			if again, err := readSeq(appendSeq(nil, seq)); again != seq || err != nil {
				t.Errorf("%d came back as %d, %v", seq, again, err)
			}
		}
		_, _ = readSnapshot(b)
		if v, err := readValue(b); err == nil && v.Version >= 0 {
			again, err := readValue(appendValue(nil, &v))
			if err != nil || again.Version != v.Version || again.Exists != v.Exists || again.TypeURL != v.TypeURL ||
				string(again.Value) != string(v.Value) || valueLen(&v) != len(appendValue(nil, &v)) {
				t.Errorf("%v came back as %v, %v", v, again, err)
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// lanes is how many lanes the tests of crashes write on, each to three
// instances of its own.
const lanes = 3

func single(lane int) entity.Key { return entity.Key{Entity: "single", ID: fmt.Sprint(lane)} }
func double(lane int) entity.Key { return entity.Key{Entity: "double", ID: fmt.Sprint(lane)} }
func simple(lane int) entity.Key { return entity.Key{Entity: "simple", ID: fmt.Sprint(lane)} }

// value returns the value of the event at seq: mostly small, sometimes so
// large that memtables fill up and get written to tables.
func value(seq entity.Seq) []byte {
	size := 10 + int(seq%7)
	if seq%11 == 3 {
		size = 20_000
	}
	return bytes.Repeat([]byte{byte(seq)}, size)
}

func event(seq entity.Seq) entity.Event {
	return entity.Event{Seq: seq, Payload: entity.Payload{TypeURL: usualTypes + "test.E", Value: value(seq)}}
}

// version returns the value that has that version: of each seven, one says that
// it was deleted.
func version(n entity.Seq) entity.Value {
	if n%7 == 0 {
		return entity.Value{Version: n}
	}
	return entity.Value{Version: n, Exists: true, Payload: event(n).Payload}
}

// writesOf returns what commit n of a lane writes, counted from 0 over all
// members: an event to one instance, two and a snapshot to another, and a value
// to a third.
func writesOf(lane int, n int64) []entity.Write {
	seq := entity.Seq(n)
	last, value := event(2*seq+2), version(seq+1)
	return []entity.Write{
		{Key: single(lane), Events: []entity.Event{event(seq + 1)}},
		{
			Key:      double(lane),
			Events:   []entity.Event{event(2*seq + 1), last},
			Snapshot: &entity.Snapshot{Seq: last.Seq, Payload: last.Payload},
		},
		{Key: simple(lane), Value: &value},
	}
}

// committed returns how many commits of a lane are stored. It is an error if
// there is anything but the whole of these.
func committed(ctx context.Context, s *Store, lane int) (int64, error) {
	a, err := count(ctx, s, single(lane))
	if err != nil {
		return 0, err
	}
	b, err := count(ctx, s, double(lane))
	if err != nil {
		return 0, err
	}
	snap, err := s.Snapshot(ctx, double(lane))
	if err != nil {
		return 0, err
	}
	if b != 2*a || snap.Seq != entity.Seq(b) || snap.Seq > 0 && !bytes.Equal(snap.Value, value(snap.Seq)) {
		return 0, fmt.Errorf("lane %d: parts of a commit: %d events, %d events, snapshot at %d", lane, a, b, snap.Seq)
	}
	v, err := s.Value(ctx, simple(lane))
	if err != nil {
		return 0, err
	}
	if want := version(entity.Seq(a)); v.Version != want.Version || v.Exists != want.Exists || !bytes.Equal(v.Value, want.Value) {
		return 0, fmt.Errorf("lane %d: parts of a commit: %d events, version %d of the value", lane, a, v.Version)
	}
	return a, nil
}

// count returns how many events key has, all of which must be good.
func count(ctx context.Context, s *Store, key entity.Key) (n int64, err error) {
	for e, err := range s.Events(ctx, key, 0) {
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(e.Value, value(e.Seq)) {
			return 0, fmt.Errorf("event %d of %v has the wrong value", e.Seq, key)
		}
		n++
	}
	return n, nil
}

// progress is what is known of the commits of each lane. Between the two lies
// at most the one that is in flight.
type progress [lanes]struct{ begun, acked atomic.Int64 }

// write commits on a lane of m until stop is closed or a commit fails, which
// it returns. It calls done after each commit.
func (p *progress) write(ctx context.Context, s *Store, m entity.Member, lane int, stop <-chan struct{}, done func(n int64)) error {
	for n := int64(0); ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		all := p[lane].begun.Add(1)
		if err := s.Commit(ctx, entity.Position{Member: m, Lane: lane, N: n}, writesOf(lane, all-1)); err != nil {
			return err
		}
		p[lane].acked.Store(all)
		done(all)
	}
}

// check wants that just what was acknowledged is stored, and perhaps what was
// in flight. It goes on from there.
func (p *progress) check(t *testing.T, s *Store, acked, begun [lanes]int64) {
	t.Helper()
	for lane := range lanes {
		n, err := committed(t.Context(), s, lane)
		if err != nil {
			t.Fatal(err)
		}
		if n < acked[lane] || n > begun[lane] {
			t.Fatalf("lane %d: %d commits are stored, %d were acknowledged, %d begun", lane, n, acked[lane], begun[lane])
		}
		p[lane].begun.Store(n)
		p[lane].acked.Store(n)
	}
}

func (p *progress) now() (acked, begun [lanes]int64) {
	for lane := range lanes {
		acked[lane], begun[lane] = p[lane].acked.Load(), p[lane].begun.Load()
	}
	return acked, begun
}

func mustJoin(t *testing.T, s *Store) entity.Member {
	t.Helper()
	m, err := s.Join(t.Context(), lanes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPowerCuts cuts the power again and again while commits are going on. Of
// what was not synced, any part may be lost.
func TestPowerCuts(t *testing.T) {
	seed := rand.Uint64() // to be put here by hand to see a failure again
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var p progress
	var member entity.Member
	for range 6 {
		p, member = progress{}, 0
		fs := vfs.NewCrashableMem()
		for range 5 {
			fs = cutPower(t, fs, rng, &p, &member)
		}
		if p[0].acked.Load() == 0 {
			t.Error("nothing was committed")
		}
	}
}

// cutPower opens the store on fs, sometimes twice and with a power cut the
// first time, checks it, commits for a while, and returns what is left of fs
// after a power cut.
func cutPower(t *testing.T, fs *vfs.MemFS, rng *rand.Rand, p *progress, last *entity.Member) *vfs.MemFS {
	if rng.IntN(3) == 0 {
		fs = cutAtOpen(t, fs, rng)
	}
	s := openOn(t, fs)
	acked, begun := p.now()
	p.check(t, s, acked, begun)
	m := mustJoin(t, s)
	if m <= *last {
		t.Fatalf("joined as member %d after member %d", m, *last)
	}
	*last = m
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for lane := range lanes {
		wg.Go(func() {
			if err := p.write(t.Context(), s, m, lane, stop, func(int64) {}); err != nil {
				t.Errorf("lane %d: %v", lane, err)
			}
		})
	}
	for enough := p[0].acked.Load() + rng.Int64N(40); p[0].acked.Load() < enough; {
		runtime.Gosched()
	}
	acked, _ = p.now()
	after := fs.CrashClone(losing(rng))
	_, begun = p.now()
	close(stop)
	wg.Wait()
	mustClose(t, s)
	for lane := range lanes {
		p[lane].acked.Store(acked[lane])
		p[lane].begun.Store(begun[lane])
	}
	return after
}

// losing says how much of what wasn't synced outlives a power cut.
func losing(rng *rand.Rand) vfs.CrashCloneCfg {
	percent := []int{0, 0, 10, 50, 90, 100}[rng.IntN(6)]
	return vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(rng.Uint64(), 0))}
}

// cutAtOpen returns what is left of fs after a power cut while the store was
// being opened, or fs if that came to nothing.
func cutAtOpen(t *testing.T, fs *vfs.MemFS, rng *rand.Rand) *vfs.MemFS {
	var left atomic.Int64
	var after atomic.Pointer[vfs.MemFS]
	left.Store(1 + rng.Int64N(40))
	cfg := losing(rng)
	watched := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && left.Add(-1) == 0 {
			after.Store(fs.CrashClone(cfg))
		}
		return nil
	}))
	s, err := openUnlocked(logTo(t), watched, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	if after := after.Load(); after != nil {
		return after
	}
	return fs
}

// TestEveryFailure lets each operation of the file system fail, in turn: that
// one alone, and for some of them all that follow, too.
func TestEveryFailure(t *testing.T) {
	at := int64(1)
	for failAt(t, at, true) {
		at++
	}
	t.Logf("each of %d operations failed", at-1)
	for at := int64(1); failAt(t, at, false); at += 5 {
	}
}

// failAt lets the operation number at fail. It returns false if there are
// fewer.
func failAt(t *testing.T, at int64, once bool) bool {
	var ops atomic.Int64
	var failed atomic.Pointer[errorfs.Op]
	mem := vfs.NewCrashableMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpGetDiskUsage { // tried elsewhere
			return nil
		}
		if n := ops.Add(1); n == at || n > at && !once {
			failed.CompareAndSwap(nil, &op)
			return errorfs.ErrInjected
		}
		return nil
	}))
	var p progress
	err := scenario(t.Context(), fs, &p)
	op := failed.Load()
	if op == nil {
		if err != nil {
			t.Fatalf("nothing failed, yet: %v", err)
		}
		return false
	}
	undecided := p[0].begun.Load() != p[0].acked.Load()
	if undecided && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !strings.HasPrefix(err.Error(), "fatal: ") {
		t.Errorf("operation %d (kind %d of %s): a commit failed, and fatal was not called: %v", at, op.Kind, op.Path, err)
	}
	if errors.Is(err, entity.ErrRefused) || errors.Is(err, entity.ErrLaneMoved) {
		t.Errorf("operation %d (kind %d of %s): the outcome is not known, yet: %v", at, op.Kind, op.Path, err)
	}
	s := openOn(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	acked, begun := p.now()
	p.check(t, s, acked, begun)
	if t.Failed() {
		t.Fatalf("operation %d (kind %d of %s): %v", at, op.Kind, op.Path, err)
	}
	mustClose(t, s)
	return true
}

// scenario opens a store, commits and reads, and closes it, twice. It returns
// the first error, or what fatal is called with. As if that had ended the
// process, whatever has called it never goes on.
func scenario(ctx context.Context, fs vfs.FS, p *progress) error {
	end := make(chan error, 1)
	fatal := func(err error) {
		end <- fmt.Errorf("fatal: %w", err)
		select {}
	}
	go func() {
		for range 2 {
			s, err := openUnlocked(quiet, fs, fatal)
			if err != nil {
				end <- err
				return
			}
			if err := errors.Join(commitSome(ctx, s, p), s.Close()); err != nil {
				end <- err
				return
			}
		}
		end <- nil
	}()
	return <-end
}

// commitSome commits on one lane, so that everything happens in the same order
// each time, as far as Pebble lets it.
func commitSome(ctx context.Context, s *Store, p *progress) error {
	m, err := s.Join(ctx, 1)
	if err != nil {
		return err
	}
	for n := range int64(12) {
		all := p[0].begun.Add(1)
		if err := s.Commit(ctx, entity.Position{Member: m, N: n}, writesOf(0, all-1)); err != nil {
			return err
		}
		p[0].acked.Store(all)
	}
	_, err = committed(ctx, s, 0)
	return err
}

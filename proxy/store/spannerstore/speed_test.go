// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/spanner"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// What is compared: rows of 100 bytes, a group of so many to a commit, so many
// commits in a turn.
const (
	groupRows = 64
	turn      = 20
	workers   = 128
)

// A way to write. It writes some rows and says how many.
type way struct {
	name  string
	write func(context.Context) (rows int, err error)
	rows  int
	took  time.Duration
}

func (w *way) speed() float64 { return float64(w.rows) / w.took.Seconds() }

// BenchmarkAgainstBare compares commits of this package with those of a bare
// client, which writes the same rows of events. The ways take turns, so that what
// the machine does meanwhile meets them all; look at the ratios. A chain is the
// alternative to lanes: a fence row for each shard of a group.
func BenchmarkAgainstBare(b *testing.B) {
	s := open(b)
	at := join(b, s, 1)
	seqs := [7]entity.Seq{}
	next := func(i int) []entity.Write { // of the keys of one of the ways
		seqs[i]++
		writes := make([]entity.Write, workers)
		for k := range writes {
			writes[k] = event(1000*i+k, seqs[i])
			writes[k].Events[0].Value = make([]byte, 100)
		}
		return writes
	}
	for i := range seqs { // the parents
		if err := s.Commit(b.Context(), at, next(i)); err != nil {
			b.Fatal(err)
		}
		at.N++
	}
	apply := func(ctx context.Context, changes []*spanner.Mutation) error {
		_, err := s.client().Apply(ctx, changes, spanner.ApplyAtLeastOnce())
		return err
	}
	chain := int64(0)
	ways := []*way{
		{name: "bare", write: func(ctx context.Context) (int, error) {
			return turn * groupRows, times(turn, func() error { return apply(ctx, s.events(next(0)[:groupRows])) })
		}},
		{name: "lane", write: func(ctx context.Context) (int, error) {
			return turn * groupRows, times(turn, func() error {
				at.N++
				return s.Commit(ctx, entity.Position{Member: at.Member, N: at.N - 1}, next(1)[:groupRows])
			})
		}},
		{name: "chains", write: func(ctx context.Context) (int, error) {
			return turn * groupRows, times(turn, func() error {
				chain++
				return apply(ctx, append(s.chains(at.Member, chain), s.events(next(2)[:groupRows])...))
			})
		}},
		{name: "row-per-commit", write: func(ctx context.Context) (int, error) {
			return workers, together(next(3), func(w entity.Write) error { return apply(ctx, s.events([]entity.Write{w})) })
		}},
		{name: "8-lanes", write: s.throughLanes(b, 8, func() []entity.Write { return next(4) })},
		{name: "2-lanes", write: s.throughLanes(b, 2, func() []entity.Write { return next(5) })},
		{name: "1-lane", write: s.throughLanes(b, 1, func() []entity.Write { return next(6) })},
	}
	if err := apply(b.Context(), s.chains(at.Member, 0)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for _, w := range ways {
			start := time.Now()
			n, err := w.write(b.Context())
			if err != nil {
				b.Fatalf("%s: %v", w.name, err)
			}
			w.rows, w.took = w.rows+n, w.took+time.Since(start)
		}
	}
	for _, w := range ways {
		b.ReportMetric(w.speed(), w.name+"-rows/s")
	}
	b.ReportMetric(ways[1].speed()/ways[0].speed(), "lane/bare")
	b.ReportMetric(ways[2].speed()/ways[0].speed(), "chains/bare")
	for _, w := range ways[4:] {
		b.ReportMetric(w.speed()/ways[3].speed(), w.name+"/row-per-commit")
	}
}

func times(n int, do func() error) error {
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// together does something with all writes at once.
func together(writes []entity.Write, do func(entity.Write) error) error {
	failed := make(chan error, len(writes))
	var wg sync.WaitGroup
	for _, w := range writes {
		wg.Go(func() { failed <- do(w) })
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// events returns the rows of events that writes add, and nothing else.
func (s *Store) events(writes []entity.Write) []*spanner.Mutation {
	var changes []*spanner.Mutation
	for i := range writes {
		e := &writes[i].Events[0]
		changes = append(changes, spanner.Insert("Events", eventColumns, values(s.row(writes[i].Key), int64(e.Seq), e.TypeURL, e.Value)))
	}
	return changes
}

// chains returns what moves one chain for each row of a group to n, or begins
// them: lanes of their own stand for them.
func (s *Store) chains(m entity.Member, n int64) []*spanner.Mutation {
	var changes []*spanner.Mutation
	for i := range int64(groupRows) {
		if n > 0 {
			changes = append(changes, s.move(entity.Position{Member: m, Lane: int(1000 + i), N: n - 1})...)
			continue
		}
		changes = append(changes, spanner.Insert("Lanes", laneColumns, values(spanner.Key{s.home, s.cfg.Service, int64(m), 1000 + i}, n)))
	}
	return changes
}

// throughLanes returns a way of writing in which each row is somebody's who waits
// for it, as commands do.
func (s *Store) throughLanes(b *testing.B, n int, next func() []entity.Write) func(context.Context) (int, error) {
	b.Helper()
	m := join(b, s, n).Member
	lanes := make([]*lane.Lane, n)
	ctx, end := context.WithCancel(b.Context())
	b.Cleanup(end)
	for i := range lanes {
		lanes[i] = lane.New(slog.New(slog.DiscardHandler), lane.Config{
			Store: s, Member: m, Lane: i, MaxWrites: groupRows, MaxBytes: 1 << 20, Stats: &lane.Stats{},
		})
		go func() { _ = lanes[i].Run(ctx) }()
	}
	return func(context.Context) (int, error) {
		const each = 8
		for range each {
			err := together(next(), func(w entity.Write) error {
				verdict := make(chan error, 1)
				lanes[shard.Lane(w.Key, len(lanes))].Join(&lane.Chain{Verdict: func(err error) { verdict <- err }}, w)
				return <-verdict
			})
			if err != nil {
				return 0, err
			}
		}
		return each * workers, nil
	}
}

// BenchmarkReplayAgainstBare compares the replay of 100,000 events with a bare
// streaming read of their rows.
func BenchmarkReplayAgainstBare(b *testing.B) {
	const n, group = 100_000, 1000
	s := open(b)
	at := join(b, s, 1)
	for seq := entity.Seq(1); seq <= n; seq += group {
		w := entity.Write{Key: key(1)}
		for i := range entity.Seq(group) {
			w.Events = append(w.Events, entity.Event{Seq: seq + i, Payload: entity.Payload{TypeURL: "t", Value: make([]byte, 100)}})
		}
		if err := s.Commit(b.Context(), at, []entity.Write{w}); err != nil {
			b.Fatal(err)
		}
		at.N++
	}
	var bare, replay time.Duration
	for b.Loop() {
		start, got := time.Now(), 0
		err := s.client().Single().Read(b.Context(), "Events", s.row(key(1)).AsPrefix(), []string{"Seq", "Type", "Payload"}).Do(func(*spanner.Row) error {
			got++
			return nil
		})
		bare += time.Since(start)
		start = time.Now()
		for _, failed := range s.Events(b.Context(), key(1), 0) {
			if got--; failed != nil {
				b.Fatal(failed)
			}
		}
		replay += time.Since(start)
		if err != nil || got != 0 {
			b.Fatalf("%d rows are missing, %v", got, err)
		}
	}
	b.ReportMetric(float64(b.N)*n/replay.Seconds(), "events/s")
	b.ReportMetric(bare.Seconds()/replay.Seconds(), "replay/bare")
}

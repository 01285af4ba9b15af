// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/store/spannerstore/emulator"
)

// TestSpannerIsGoneAndComesBackEmpty kills the emulator under a lane and starts
// another in its place, which holds nothing: an emulator's data is gone by nature.
// While it is away nothing is known; when there are tables again, then what is
// known is that the member was evicted. The same store joins again.
func TestSpannerIsGoneAndComesBackEmpty(t *testing.T) {
	theDatabase(t)
	e, err := emulator.Start(t.Context(), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { e.Stop() }()
	t.Setenv(emulator.Variable, e.Host())
	name := create(t, e, "")
	s, err := Open(t.Context(), slog.New(slog.DiscardHandler), Config{Database: name, Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := Open(t.Context(), slog.New(slog.DiscardHandler), Config{Database: name, Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l := runLane(t, s)
	if err := l.write(1); err != nil {
		t.Fatal(err)
	}

	e.Stop()
	pending := make(chan error, 1)
	go func() { pending <- l.write(2) }()
	if _, err := s.Snapshot(t.Context(), key(2)); !errors.Is(err, entity.ErrUnavailable) { // which it says while there is none
		t.Errorf("a read without Spanner: %v", err)
	}
	if e, err = e.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(t.Context(), key(2)); !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("a read of nothing: %v", err)
	}
	select {
	case err := <-pending:
		t.Fatalf("the write has a verdict, %v, when nobody can know", err)
	default:
	}
	create(t, e, path.Base(name))
	if err := <-pending; !errors.Is(err, entity.ErrUnknownOutcome) {
		t.Errorf("the write that was under way: %v, want %v", err, entity.ErrUnknownOutcome)
	}
	if err := <-l.ran; !errors.Is(err, lane.ErrEvicted) {
		t.Errorf("the lane has ended with %v, want %v", err, lane.ErrEvicted)
	}
	if err := s.Renew(t.Context(), l.Member); !errors.Is(err, entity.ErrNoMember) {
		t.Errorf("renewal: %v, want %v", err, entity.ErrNoMember)
	}

	for { // one that does nothing but look recovers too
		if _, err := other.Look(t.Context(), entity.Placement{}, 0); err == nil {
			break
		}
	}

	l = runLane(t, s)
	if err := l.write(1); err != nil {
		t.Errorf("after it has joined again: %v", err)
	}
}

// create makes a database with the schema.
func create(t *testing.T, e *emulator.Emulator, id string) (name string) {
	t.Helper()
	name, err := e.Database(t.Context(), id)
	if err == nil {
		err = Migrate(t.Context(), name, false, io.Discard)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// A running lane writes events of one instance.
type runningLane struct {
	*lane.Lane
	ran chan error
}

// runLane joins and runs a lane until the end of the test.
func runLane(t *testing.T, s *Store) runningLane {
	t.Helper()
	m, err := tested{s, t}.Join(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	l := runningLane{lane.New(logTo(t), lane.Config{Store: s, Member: m, MaxWrites: 8, MaxBytes: 1 << 20, Stats: &lane.Stats{}}), make(chan error, 1)}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(end)
	go func() { l.ran <- l.Run(ctx) }()
	return l
}

// write returns the verdict on an event of the instance.
func (l runningLane) write(seq entity.Seq) error {
	verdict := make(chan error, 1)
	l.Join(&lane.Chain{Verdict: func(err error) { verdict <- err }}, event(1, seq))
	return <-verdict
}

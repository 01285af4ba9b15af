// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

const (
	tries  = 4
	memory = 24 * time.Hour
)

var (
	cart  = entity.Key{Entity: "cart", ID: "a"}
	other = entity.Key{Entity: "cart", ID: "b"}
)

// A rig is a pump over a real store and targets that a test plays.
type rig struct {
	t     *testing.T
	store *memstore.Store
	pump  *outbox.Pump
	stats outbox.Stats
	ready chan struct{}
	end   context.CancelFunc
	stop  context.CancelFunc // of the pump alone
	work  sync.WaitGroup
	n     int64 // commits of the lane that fills the store
	targets
}

// The targets are what a test plays.
type targets struct {
	mu     sync.Mutex // protects what follows
	got    []string   // commands, in the order in which they came
	answer map[string]error
	held   map[string]chan error // those that are answered when the test says so
	more   int                   // tries that carry out a part only
}

func newRig(t *testing.T, s *memstore.Store, changes ...func(*outbox.Config)) *rig {
	t.Helper()
	r := &rig{t: t, store: s, ready: make(chan struct{})}
	r.answer, r.held = map[string]error{}, map[string]chan error{}
	member, err := s.Join(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	l := lane.New(log, lane.Config{Store: s, Member: member, MaxWrites: 64, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
	cfg := outbox.Config{
		Rows: s, Calls: r, Lane: func(entity.Key) *lane.Lane { return l }, Member: member,
		MinPause: 100 * time.Millisecond, MaxPause: 10 * time.Second, MaxTries: tries, MaxRows: 5, Memory: memory, Stats: &r.stats,
	}
	for _, change := range changes {
		change(&cfg)
	}
	r.pump = outbox.New(log, cfg)
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	r.end = end
	r.work.Go(func() { _ = l.Run(ctx) })
	until, stop := context.WithCancel(ctx)
	r.stop = stop
	r.work.Go(func() { _ = r.pump.Run(until, r.ready) })
	return r
}

// close ends everything.
func (r *rig) close() {
	r.end()
	r.work.Wait()
}

func (r *rig) To(row *entity.OutboxRow) string { return row.Target.Service }

func (r *rig) Deliver(row *entity.OutboxRow, done func(entity.Answer)) {
	r.mu.Lock()
	name := text(row)
	r.got = append(r.got, name)
	err, held := r.answer[name], r.held[name]
	if r.more > 0 {
		r.more--
		err = outbox.ErrMore
	}
	r.mu.Unlock()
	if held == nil {
		done(entity.Answer{Err: err})
		return
	}
	r.work.Go(func() { done(entity.Answer{Err: <-held}) })
}

// row stores a row of source, for a method of the service to.
func (r *rig) row(source entity.Key, to, command string) entity.OutboxRow {
	r.t.Helper()
	row := entity.OutboxRow{
		ID: r.pump.Next(), Source: source, Kind: entity.SideEffect, Target: entity.Target{Service: to, Command: command},
		Since: time.Now(),
	}
	at := entity.Position{Member: row.ID.Member, Lane: 1, N: r.n}
	if err := r.store.Commit(r.t.Context(), at, []entity.Write{{Key: source, Outbox: []entity.OutboxRow{row}}}); err != nil {
		r.t.Fatal(err)
	}
	r.n++
	return row
}

// send stores a row and sends it.
func (r *rig) send(source entity.Key, to, command string) {
	r.pump.Send(r.row(source, to, command), nil)
}

func (r *rig) hold(commands ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range commands {
		r.held[c] = make(chan error)
	}
}

// came wants that the targets have got these commands, and nothing after them.
func (r *rig) came(want ...string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.got, want) {
		r.t.Errorf("targets have got %q, want %q", r.got, want)
	}
}

// stored wants that rows for these commands are stored, and returns them.
func (r *rig) stored(want ...string) []entity.OutboxRow {
	r.t.Helper()
	synctest.Wait()
	var rows []entity.OutboxRow
	var names []string
	for row, err := range r.store.Outbox(r.t.Context(), 0, shard.Count-1) {
		if err != nil {
			r.t.Fatal(err)
		}
		rows, names = append(rows, row), append(names, row.Target.Command)
	}
	if !slices.Equal(names, want) {
		r.t.Errorf("stored are %q, want %q", names, want)
	}
	return rows
}

// bubble runs a test on a pump that has read its empty store.
func bubble(t *testing.T, f func(*testing.T, *rig), changes ...func(*outbox.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, memstore.New(), changes...)
		close(r.ready)
		synctest.Wait()
		f(t, r)
		r.close()
	})
}

func TestRowsOfOneTargetKeepTheirOrder(t *testing.T) {
	bubble(t, func(_ *testing.T, r *rig) {
		r.hold("1", "2")
		r.send(cart, "mail", "1")
		r.send(cart, "mail", "2")
		r.send(cart, "stock", "3")
		r.send(other, "mail", "4")
		r.came("1", "3", "4")
		r.stored("1", "2")
		r.held["1"] <- nil
		r.came("1", "3", "4", "2")
		r.stored("2")
		r.held["2"] <- &entity.Refusal{Description: "no"} // which is an answer
		r.stored()
		if r.stats.Delivered.Load() != 4 || r.stats.Refused.Load() != 1 || r.stats.Rows.Load() != 0 {
			r.t.Errorf("delivered %d, refused %d, left %d", r.stats.Delivered.Load(), r.stats.Refused.Load(), r.stats.Rows.Load())
		}
	})
}

func TestFailedRowsAreTriedAgainThenParked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer["1"] = entity.ErrProtocol
		r.send(cart, "mail", "1")
		r.send(cart, "mail", "2")
		r.came("1")
		<-time.After(time.Minute)
		r.came("1", "1", "1", "1", "2")
		rows := r.stored("1")
		if !rows[0].Parked || rows[0].Attempts != tries || rows[0].Trouble == "" {
			t.Errorf("row is %+v", rows[0])
		}
		if r.stats.Parked.Load() != 1 || r.stats.Rows.Load() != 1 || r.stats.Retried.Load() != tries {
			t.Errorf("parked %d of %d, retried %d", r.stats.Parked.Load(), r.stats.Rows.Load(), r.stats.Retried.Load())
		}
	})
}

func TestWhoIsAwayIsTriedForEver(t *testing.T) {
	t.Run("away", func(t *testing.T) { isTriedForEver(t, entity.ErrUnavailable) })
	t.Run("full", func(t *testing.T) { isTriedForEver(t, entity.ErrFull) })
}

func isTriedForEver(t *testing.T, err error) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer["1"] = fmt.Errorf("for now: %w", err)
		r.send(cart, "mail", "1")
		<-time.After(time.Hour)
		r.mu.Lock()
		n := len(r.got)
		delete(r.answer, "1")
		r.mu.Unlock()
		if n < 3600/15 || n > 3600/5+20 {
			t.Errorf("tried %d times in an hour with pauses of about 10 s", n)
		}
		<-time.After(20 * time.Second)
		r.stored()
	})
}

func TestUnknownTargetsAreParkedAtOnce(t *testing.T) {
	for _, err := range []error{entity.ErrUnimplemented, entity.ErrInvalid, entity.ErrLoop} {
		bubble(t, func(t *testing.T, r *rig) {
			r.answer["1"] = err
			r.send(cart, "mail", "1")
			r.send(cart, "mail", "2")
			r.came("1", "2")
			if rows := r.stored("1"); !rows[0].Parked {
				t.Errorf("%v: row is %+v", err, rows[0])
			}
		})
	}
}

// TestFirstTryIsTold checks that who waits for a row is told once, with what came
// of the first try, or that there is none for now.
func TestFirstTryIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.answer["1"] = entity.ErrProtocol
		var told []error
		tell := func(a entity.Answer) { told = append(told, a.Err) }
		r.pump.Send(r.row(cart, "mail", "1"), tell)
		synctest.Wait()
		r.pump.Send(r.row(cart, "mail", "2"), tell) // has to wait for the one that failed
		synctest.Wait()
		if len(told) != 2 || !errors.Is(told[0], entity.ErrProtocol) || !errors.Is(told[1], entity.ErrUnknownOutcome) {
			t.Errorf("told %v", told)
		}
		<-time.After(time.Minute)
		r.stored("1")
		if len(told) != 2 {
			t.Errorf("told %v", told)
		}
	})
}

// TestRowsThatAreSentLateAreDoneOnce has rows that the pump finds in the store
// before, and after, they are sent to it.
func TestRowsThatAreSentLateAreDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, memstore.New())
		defer r.close()
		early, late := r.row(cart, "mail", "1"), r.row(cart, "mail", "2")
		r.pump.Send(early, nil)
		close(r.ready)
		r.came("1")
		r.pump.Send(late, nil)
		r.came("1", "2")
		r.stored()
	})
}

// TestRowsOutliveTheProcess has a pump end with rows undone, and the next one do
// them, before what comes to it meanwhile.
func TestRowsOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		r := newRig(t, s)
		r.hold("1")
		r.answer["3"] = entity.ErrProtocol
		close(r.ready)
		synctest.Wait()
		r.send(cart, "mail", "1")
		r.send(cart, "mail", "2")
		r.send(cart, "stock", "3")
		r.came("1", "3")
		r.stop()
		synctest.Wait()
		<-time.After(time.Hour)
		r.came("1", "3")
		close(r.held["1"]) // too late to be removed, since the lane ends as well
		r.end()
		r.work.Wait()

		next := newRig(t, s)
		next.send(cart, "mail", "4") // before the store is read, which has it too
		next.came()
		close(next.ready)
		synctest.Wait()
		got := slices.DeleteFunc(slices.Clone(next.got), func(c string) bool { return c == "3" })
		if want := []string{"1", "2", "4"}; !slices.Equal(got, want) && !slices.Equal(got, want[1:]) {
			t.Errorf("the next one has sent %q", next.got)
		}
		next.stored()
		next.close()
	})
}

func TestInstancesHaveNotTooManyRows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.hold("1")
		for range 5 {
			if r.pump.Full(cart) {
				t.Error("full too early")
			}
			r.send(cart, "mail", "1")
		}
		if !r.pump.Full(cart) || r.pump.Full(other) {
			t.Error("not full, or another one is")
		}
		for range 5 {
			synctest.Wait()
			r.held["1"] <- nil
		}
		r.stored()
		if r.pump.Full(cart) {
			t.Error("still full")
		}
	})
}

func TestPurgeWaitsForItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := entity.Write{Key: cart, Snapshot: &entity.Snapshot{Seq: 2, Deleted: true}}
		w.Events = []entity.Event{{Seq: 1}, {Seq: 2}}
		row := entity.OutboxRow{ID: r.pump.Next(), Source: cart, Kind: entity.Purge, Seq: 2, Due: time.Now().Add(time.Hour)}
		w.Outbox = []entity.OutboxRow{row}
		if err := r.store.Commit(t.Context(), entity.Position{Member: row.ID.Member, Lane: 1}, []entity.Write{w}); err != nil {
			t.Fatal(err)
		}
		r.pump.Send(row, nil)
		events := func() (n int) {
			synctest.Wait()
			for range r.store.Events(t.Context(), cart, 0) { //nolint:errcheck // of a store in memory
				n++
			}
			return n
		}
		<-time.After(time.Hour - time.Second)
		if n := events(); n != 2 {
			t.Errorf("%d events before the time", n)
		}
		<-time.After(2 * time.Second)
		if n := events(); n != 0 {
			t.Errorf("%d events are left", n)
		}
		r.stored()
	})
}

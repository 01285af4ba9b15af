// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/api/option"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/spannerstore/emulator"
	"github.com/kairn-dev/kairn/proxy/store/storetest"
)

// shared is the emulator of all tests of this package, and the database in it
// that has the schema; each test has a service of its own. nil where there is no
// emulator.
var shared struct {
	*emulator.Emulator
	database string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "3", "rapid.steps": "10"} { // each step is dozens of calls
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := emulator.Start(ctx, os.Getenv)
	if err != nil {
		if emulator.Missing(os.Stderr, "the tests of the Spanner store", err, os.Getenv) {
			return 1
		}
		return m.Run()
	}
	defer e.Stop()
	if err := os.Setenv(emulator.Variable, e.Host()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared.Emulator = e
	shared.database, err = e.Database(ctx, "")
	if err == nil {
		err = Migrate(ctx, shared.database, false, io.Discard)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// theDatabase returns the name of the database with the schema.
func theDatabase(t testing.TB) string {
	t.Helper()
	if shared.Emulator == nil {
		t.Skip(emulator.ErrMissing)
	}
	return shared.database
}

// A tested store is one whose members live side by side until the suite evicts
// them, and own nothing.
type tested struct {
	*Store
	t *testing.T
}

func (s tested) Join(ctx context.Context, lanes int) (m entity.Member, err error) {
	_, err = s.Transact(ctx, func(p entity.Placement, _ []entity.Lease) (entity.Transition, bool) {
		m = max(p.NextMember, 1)
		p.Version, p.Incarnation, p.NextMember = p.Version+1, cmp.Or(p.Incarnation, rand.Text()), m+1
		return entity.Transition{Placement: p, Joined: m, Lanes: lanes}, true
	})
	return m, err
}

func (s tested) Evict(m entity.Member) { evict(s.t, s.Store, m) }

func logTo(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// open returns a store of a service that has nothing yet.
func open(t testing.TB, options ...option.ClientOption) *Store {
	t.Helper()
	s, err := Open(t.Context(), logTo(t), Config{Database: theDatabase(t), Service: "test-" + rand.Text(), Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// another opens the service of s as another process would.
func another(t *testing.T, s *Store, options ...option.ClientOption) *Store {
	t.Helper()
	o, err := Open(t.Context(), logTo(t), Config{Database: s.cfg.Database, Service: s.cfg.Service, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// evict takes the right to write from m, as another process would.
func evict(t testing.TB, s *Store, m entity.Member) {
	t.Helper()
	if _, err := s.client().Apply(context.Background(), []*spanner.Mutation{s.remove(m)}); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return tested{open(t), t} })
}

func TestPlacement(t *testing.T) {
	storetest.Placement(t, func(t *testing.T) storetest.Shared { return open(t) })
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventlog"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/store/filestore"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
	"github.com/kairn-dev/kairn/proxy/store/spannerstore"
)

// A store is what the parts of the proxy need of one.
type store interface {
	lane.Store
	contents
	members
}

// contents are what is read of a store.
type contents interface {
	live.Journal
	outbox.Rows
	eventlog.States
}

// A leased store is one whose member has to say again and again that it lives.
type leased interface {
	// Keep does so until ctx is done. It fails if the member was evicted.
	Keep(ctx context.Context) error

	// Leave gives up the right to write, after the last commit.
	Leave(ctx context.Context) error

	// Alive reports whether nobody else can have the right to write yet, so
	// that what the member has in memory is the newest state.
	Alive() bool
}

// alive returns what says whether the member of s may answer without writing, nil
// if it always may: a folder is locked for as long as the process lives.
func alive(s store) func() bool {
	if l, ok := s.(leased); ok {
		return l.Alive
	}
	return nil
}

// A grouping says how a store wants its commits.
type grouping struct {
	lanes  int
	writes int // in one commit
	bytes  int
}

// groupings are those of the stores. The embedded one has one log, for which a
// large batch is cheap. In Spanner a commit is a round trip, so that several
// have to be under way, and what it may hold is bounded.
var groupings = map[string]grouping{
	embedded:    {lanes: 1, writes: 256, bytes: 4 << 20},
	memory:      {lanes: 1, writes: 256, bytes: 4 << 20},
	spannerName: {lanes: 8, writes: 64, bytes: 1 << 20},
}

// members is where a proxy gets the right to write.
type members interface {
	// Join makes a new member whose lanes stand at 0.
	Join(ctx context.Context, lanes int) (entity.Member, error)

	Close() error
}

// A volatile store has nothing to close.
type volatile struct{ *memstore.Store }

func (volatile) Close() error { return nil }

// openStore opens the store that cfg names. If the embedded one can't be trusted
// any more, the process ends: what is on disk decides what has happened.
func openStore(ctx context.Context, log *slog.Logger, cfg config) (store, error) {
	switch cfg.store {
	case memory:
		log.Warn("state is kept in memory and lost at the end")
		return volatile{memstore.New()}, nil
	case spannerName:
		return spannerstore.Open(ctx, log, spannerstore.Config{Database: cfg.database, Service: cfg.service, Wait: joinWait})
	}
	return filestore.Open(log, cfg.dataDir, func(err error) {
		log.Error("store can't be trusted any more, the process ends", "err", err)
		os.Exit(1)
	})
}

// keep renews the lease of a store that has one. It returns what ends that and
// gives the lease up.
func keep(ctx context.Context, fail func(error), s store) (leave func(context.Context) error) {
	l, ok := s.(leased)
	if !ok {
		return func(context.Context) error { return nil }
	}
	keeping := begin(ctx, fail, l.Keep)
	return func(ctx context.Context) error {
		return errors.Join(keeping.stop(ctx), l.Leave(ctx))
	}
}

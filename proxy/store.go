// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
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

	Close() error
}

// contents are what is read of a store.
type contents interface {
	live.Journal
	outbox.Rows
	eventlog.States
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

// An own store is one that a process shares with no other one.
type own interface {
	// Join makes a new member whose lanes stand at 0.
	Join(ctx context.Context, lanes int) (entity.Member, error)
}

// A volatile store has nothing to close.
type volatile struct{ *memstore.Store }

func (volatile) Close() error { return nil }

// An opener opens a store.
type opener func(ctx context.Context, log *slog.Logger, cfg config) (store, error)

// openStore opens the store that cfg names. If the embedded one can't be trusted
// any more, the process ends: what is on disk decides what has happened.
func openStore(ctx context.Context, log *slog.Logger, cfg config) (store, error) {
	switch cfg.store {
	case memory:
		log.Warn("state is kept in memory and lost at the end")
		return volatile{memstore.New()}, nil
	case spannerName:
		return spannerstore.Open(ctx, log, spannerstore.Config{Database: cfg.database, Service: cfg.service, UID: cfg.uid})
	}
	return filestore.Open(log, cfg.dataDir, func(err error) {
		log.Error("store can't be trusted any more, the process ends", "err", err)
		os.Exit(1)
	})
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/store/filestore"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
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
}

// lanes is how many lanes the proxy has in its store: one, since there is one
// log.
const lanes = 1

// members is where a proxy gets the right to write.
type members interface {
	// Join makes a new member whose lanes stand at 0.
	Join(ctx context.Context, lanes int) (entity.Member, error)

	Close() error
}

// A volatile store has nothing to close.
type volatile struct{ *memstore.Store }

func (volatile) Close() error { return nil }

// openStore opens the store that cfg names. If it can't be trusted any more,
// the process ends: what is on disk decides what has happened.
func openStore(log *slog.Logger, cfg config) (store, error) {
	if cfg.store == memory {
		log.Warn("state is kept in memory and lost at the end")
		return volatile{memstore.New()}, nil
	}
	return filestore.Open(log, cfg.dataDir, func(err error) {
		log.Error("store can't be trusted any more, the process ends", "err", err)
		os.Exit(1)
	})
}

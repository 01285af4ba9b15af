// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/tck/trouble"
)

// troubled is the value of [asProxy] for a proxy whose store fails on demand: the
// conformance suite has cases for that.
const troubled = "troubled"

// serveTroubled is main for such a proxy.
func serveTroubled() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, openTroubled, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

func openTroubled(ctx context.Context, log *slog.Logger, cfg config) (store, error) {
	s, err := openStore(ctx, log, cfg)
	if err != nil {
		return nil, err
	}
	return &troubledStore{store: s, own: s.(own), had: map[string]bool{}}, nil
}

// A troubledStore fails as package trouble says.
type troubledStore struct {
	store
	own

	mu  sync.Mutex // protects had
	had map[string]bool
}

// errTrouble is what nobody can draw conclusions from.
var errTrouble = errors.New("the store is in trouble")

// first reports whether what has not been asked for before.
func (s *troubledStore) first(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.had[what]
	s.had[what] = true
	return !had
}

// kept reports whether one of the writes has an event or a value with that text.
func kept(writes []entity.Write, text string) bool {
	has := func(p entity.Payload) bool { return strings.Contains(string(p.Value), text) }
	return slices.ContainsFunc(writes, func(w entity.Write) bool {
		return w.Value != nil && has(w.Value.Payload) || slices.ContainsFunc(w.Events, func(e entity.Event) bool { return has(e.Payload) })
	})
}

func (s *troubledStore) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	switch {
	case kept(writes, trouble.Refuses):
		return fmt.Errorf("on demand: %w", entity.ErrRefused)
	case kept(writes, trouble.Full):
		return fmt.Errorf("on demand: %w", entity.ErrFull)
	}
	err := s.store.Commit(ctx, at, writes)
	if kept(writes, trouble.Loses) && s.first(fmt.Sprint("commit ", at)) {
		return errTrouble
	}
	return err
}

// read returns an error the first time that an instance is to be read that can't.
func (s *troubledStore) read(key entity.Key) error {
	if strings.Contains(key.ID, trouble.Unread) && s.first(key.String()) {
		return errTrouble
	}
	return nil
}

func (s *troubledStore) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	if err := s.read(key); err != nil {
		return func(yield func(entity.Event, error) bool) { yield(entity.Event{}, err) }
	}
	return s.store.Events(ctx, key, after)
}

func (s *troubledStore) Value(ctx context.Context, key entity.Key) (entity.Value, error) {
	if err := s.read(key); err != nil {
		return entity.Value{}, err
	}
	return s.store.Value(ctx, key)
}

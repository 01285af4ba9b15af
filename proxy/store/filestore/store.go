// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// errClosed is what calls get after Close.
var errClosed = errors.New("store is closed")

// journalsLimit is the size of a generation of [journals]: some 4 MiB for
// both, with ids of usual length.
const journalsLimit = 16 << 10

// A Store is an open folder. All of its methods may be called at once.
type Store struct {
	dir    string
	lock   io.Closer // nil in tests that have no real files
	db     *pebble.DB
	space  *space
	broken *breaker

	use    sync.RWMutex // held for reading while db is used; protects closed
	closed bool

	mu sync.Mutex // protects state
	state
}

// A state is what a Store knows without looking into its files.
type state struct {
	member   entity.Member
	lanes    []laneState
	entities map[string]uint16 // numbers of entities
	journals journals
	attempts uint64    // commits that were tried
	sweepAt  time.Time // when to look for what has expired
	swept    int64     // what has expired before this, in milliseconds since 1970, was taken away by commits that are in the log
	applied  uint64    // commits that are in the log, and
	durable  uint64    // how many of them were synced
	// settled is closed when durable grows; nil if nobody waits.
	settled chan struct{}
}

// A laneState is where a lane stands.
type laneState struct {
	n      int64
	commit uint64 // its last commit, in the order of the log
}

// Open opens the store in the folder dir, which it creates if need be. It
// refuses a folder that another process has open.
//
// fatal is called when a write fails, at most once, from any goroutine, perhaps
// before Open returns. It should log the error and end the process, and must
// not call the store.
func Open(log *slog.Logger, dir string, fatal func(error)) (*Store, error) {
	fs := private{vfs.Default}
	if err := makeFolder(fs, dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(log, fs, dir, fatal)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// open opens the store in the folder dir of fs, which nobody else has open.
func open(log *slog.Logger, fs vfs.FS, dir string, fatal func(error)) (*Store, error) {
	if err := checkFormat(fs, dir); err != nil {
		return nil, err
	}
	s := &Store{
		dir:    dir,
		broken: &breaker{fatal: fatal},
		space:  &space{fs: fs, dir: dir},
		state:  state{entities: map[string]uint16{}, journals: newJournals(journalsLimit)},
	}
	var err error
	s.db, err = openPebble(log, fs, fs.PathJoin(dir, dataName), s.broken)
	if err == nil {
		err = s.load()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, err), s.closePebble())
	}
	s.broken.open.Store(true)
	return s, nil
}

// load reads what a Store always knows.
func (s *Store) load() error {
	value, closer, err := s.db.Get(memberRow)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return err
	default:
		id, _ := binary.Uvarint(value)
		s.member = entity.Member(id)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return s.loadEntities()
}

func (s *Store) loadEntities() (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: entityRows, UpperBound: []byte{spaceMeta, 'e' + 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		n, _ := binary.Uvarint(it.Value())
		s.entities[string(it.Key()[len(entityRows):])] = uint16(n)
	}
	return it.Error()
}

// Close waits for the calls that are running and closes the folder. Calls
// after it fail. It must be called once.
func (s *Store) Close() error {
	s.use.Lock()
	defer s.use.Unlock()
	s.closed = true
	err := s.closePebble()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("closing the store in %s: %w", s.dir, err)
	}
	return nil
}

// closePebble leaves a database alone that may hang or panic after a failure.
// The process is about to end anyway.
func (s *Store) closePebble() error {
	if s.db == nil || s.broken.err.Load() != nil {
		return s.broken.check()
	}
	return s.db.Close()
}

// begin says whether the store can be used. If so, s.use is held, and must be
// released in the end.
func (s *Store) begin() error {
	s.use.RLock()
	err := s.broken.check()
	if s.closed {
		err = errClosed
	}
	if err != nil {
		s.use.RUnlock()
	}
	return err
}

// await waits until the commit that pending returns is durable. It is called,
// and await returns, with s.mu held.
func (s *Store) await(ctx context.Context, pending func() uint64) error {
	for pending() > s.durable {
		if err := s.broken.check(); err != nil {
			return err
		}
		if s.settled == nil {
			s.settled = make(chan struct{})
		}
		settled := s.settled
		s.mu.Unlock()
		var err error
		select {
		case <-settled:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// settle notes that the commits up to commit are durable, or that they never
// will be if the store has failed.
func (s *Store) settle(commit uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.durable = max(s.durable, commit)
	}
	if s.settled != nil {
		close(s.settled)
		s.settled = nil
	}
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// What is bounded in time. A call that takes longer is taken for lost.
const (
	openLimit   = 30 * time.Second
	commitLimit = 10 * time.Second
	readLimit   = 5 * time.Second // for a row to come
)

// A Config says where a Store keeps what, and how it shares that with others.
type Config struct {
	Database string // projects/p/instances/i/databases/d
	Service  string // whose rows these are; a database has room for many
	UID      string // names this process to people; empty for a random one
	// Options are for the client, besides what the environment says.
	Options []option.ClientOption
}

// A Store keeps the state of one service in Cloud Spanner. Its methods may be
// called by any goroutine.
type Store struct {
	cfg     Config
	log     *slog.Logger
	conn    connection
	home    int64              // the bucket of the service's own rows
	buckets [shard.Count]int64 // those of its shards
	ends    ends
	stats   Stats

	transitions chan struct{} // has room for the one that is under way
}

// Open connects to the database, which must have the schema that this program
// knows.
func Open(ctx context.Context, log *slog.Logger, cfg Config) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s := &Store{cfg: cfg, log: log, transitions: make(chan struct{}, 1)}
	if cfg.UID == "" {
		s.cfg.UID = rand.Text()
	}
	if cfg.Service == "" {
		return nil, errors.New("open the Spanner store: the service has no name")
	}
	s.home = bucket(cfg.Service, -1)
	for i := range s.buckets {
		s.buckets[i] = bucket(cfg.Service, i)
	}
	options := append([]option.ClientOption{option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(s.stats.count))}, cfg.Options...)
	s.conn.log, s.conn.name, s.conn.options = log, cfg.Database, options
	if err := s.conn.open(ctx); err != nil {
		return nil, err
	}
	if err := check(ctx, s.client(), cfg.Database); err != nil {
		s.conn.close()
		return nil, err
	}
	return s, nil
}

// Close gives up the connection. What is under way fails.
func (s *Store) Close() error {
	s.conn.close()
	return nil
}

// client returns the client to use for the next call.
func (s *Store) client() *spanner.Client { return s.conn.current.Load() }

// bucket returns what the keys of a shard begin with; -1 stands for the service
// itself. It spreads the shards of all services over the whole of the key space,
// and is part of every row, so it can never be changed.
func bucket(service string, id int) int64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", service, id))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// row returns the key of a row of an instance, or the part of it that all its
// rows have.
func (s *Store) row(key entity.Key, more ...any) spanner.Key {
	id := shard.Of(key)
	k := make(spanner.Key, 0, 10)
	k = append(k, s.buckets[id], s.cfg.Service, int64(id), []byte(key.Entity), []byte(key.ID))
	return append(k, more...)
}

// MaxKey returns how many bytes the entity and the id of a key may have together.
func (s *Store) MaxKey() int { return maxKey - fixedKey - maxIdem - len(s.cfg.Service) }

// Stats counts what a Store asks Spanner for.
type Stats struct {
	Commits    atomic.Int64 // calls of Commit, those sent again included
	Aborted    atomic.Int64 // of these, those that met another transaction
	Failed     atomic.Int64 // of these, those that failed otherwise
	Violations atomic.Int64 // refusals for rows that were there and should not have been, which is a bug
	Reads      atomic.Int64
	BeatsLost  atomic.Int64 // renewals of the lease without an answer
}

// Stats returns the counters, which live as long as s.
func (s *Store) Stats() *Stats { return &s.stats }

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// A pair is a row as it is stored, good until the next one is asked for.
type pair struct{ key, value []byte }

// pairs returns the rows from lower to before upper. It takes some at a time, as
// a chunk of events.
func (s *Store) pairs(ctx context.Context, lower, upper []byte) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for more := true; more; {
			var some []pair
			err := s.scan(ctx, lower, upper, func(it *pebble.Iterator) (err error) {
				some, more, err = takePairs(it)
				return err
			})
			if err != nil {
				yield(pair{}, err)
				return
			}
			for _, p := range some {
				if err := ctx.Err(); err != nil {
					yield(pair{}, err)
					return
				}
				if !yield(p, nil) {
					return
				}
				lower = append(p.key, 0) // the next that there can be
			}
		}
	}
}

func takePairs(it *pebble.Iterator) (some []pair, more bool, err error) {
	size := 0
	ok := it.First()
	for ; ok && size < chunkBytes && len(some) < chunkEvents; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, false, err
		}
		some = append(some, pair{bytes.Clone(it.Key()), bytes.Clone(value)})
		size += len(it.Key()) + len(value)
	}
	return some, ok, it.Error()
}

// Instances returns the ids of the instances of the entity name of which events,
// a snapshot or a value are stored, in order.
func (s *Store) Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		number, more := s.numberOf(name)
		lower := []byte{spaceData, byte(number >> 8), byte(number)}
		upper := end(lower)
		if after != nil {
			lower = beyond(number, *after)
		}
		for more {
			var ids []string
			err := s.scan(ctx, lower, upper, func(it *pebble.Iterator) (err error) {
				ids, more, err = takeIDs(it, number)
				return err
			})
			if err != nil {
				yield("", fmt.Errorf("instances of %s: %w", name, err))
				return
			}
			for _, id := range ids {
				if err := ctx.Err(); err != nil {
					yield("", fmt.Errorf("instances of %s: %w", name, err))
					return
				}
				if !yield(id, nil) {
					return
				}
				lower = beyond(number, id)
			}
		}
	}
}

// beyond returns what is above all keys of an instance, and below those of the
// next one.
func beyond(number uint16, id string) []byte { return append(appendInstance(nil, number, id), escaped) }

// takeIDs returns the ids of some instances and whether there may be more. It
// looks at one row of each: that of a reply comes last.
func takeIDs(it *pebble.Iterator, number uint16) (ids []string, more bool, err error) {
	ok := it.First()
	for ok && len(ids) < chunkEvents {
		id, rest, err := readID(it.Key()[3:])
		if err != nil {
			return nil, false, err
		}
		if rest[0] != kindReply {
			ids = append(ids, id)
		}
		ok = it.SeekGE(beyond(number, id))
	}
	return ids, ok, it.Error()
}

// end returns what is above all that begins with prefix, which has a byte that
// isn't ff.
func end(prefix []byte) []byte {
	b := bytes.Clone(prefix)
	for i := len(b) - 1; ; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
}

// scan calls f with an iterator over the rows from lower to before upper, which
// sees all commits that were applied and nothing that isn't durable.
func (s *Store) scan(ctx context.Context, lower, upper []byte, f func(*pebble.Iterator) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.use.RUnlock()
	s.mu.Lock()
	err := s.await(ctx, func() uint64 { return s.applied })
	var it *pebble.Iterator
	if err == nil {
		it, err = s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return errors.Join(f(it), it.Close())
}

func (s *Store) numberOf(name string) (uint16, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, ok := s.entities[name]
	return number, ok
}

// names returns the names of all entities, by their numbers.
func (s *Store) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, min(len(s.entities), math.MaxUint16+1))
	for name, number := range s.entities {
		names[number] = name
	}
	return names
}

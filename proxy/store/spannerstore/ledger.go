// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"cloud.google.com/go/spanner"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/record"
)

// Reply returns what is remembered of the command idem of key, and false if that
// is nothing.
func (s *Store) Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error) {
	row, err := s.find(ctx, "Replies", s.row(key, []byte(idem)), "Reply", "Expires")
	if err != nil {
		return entity.Reply{}, false, unread("reply", key, err)
	}
	if row == nil {
		return entity.Reply{}, false, nil
	}
	var stored []byte
	var expires spanner.NullTime
	if err := row.Columns(&stored, &expires); err != nil {
		return entity.Reply{}, false, unread("reply", key, err)
	}
	r, err := record.ReadReply(stored)
	if err != nil {
		return entity.Reply{}, false, unread("reply", key, err)
	}
	r.Key, r.Expires = idem, expires.Time
	return r, true, nil
}

// Outbox yields the rows of the outbox whose sources are in the shards from
// first to last. It is one read of many ranges, in the order of the buckets.
func (s *Store) Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error] {
	return func(yield func(entity.OutboxRow, error) bool) {
		var ranges []spanner.KeySet
		for id := int(first); id <= int(last); id++ {
			ranges = append(ranges, s.shard(shard.ID(id)).AsPrefix())
		}
		err := s.scan(ctx, "Outbox", spanner.KeySets(ranges...), outboxColumns[3:], func(row *spanner.Row) (bool, error) {
			r, err := outboxRow(row)
			return err == nil && yield(r, nil), err
		})
		if err != nil {
			yield(entity.OutboxRow{}, unread("outbox", entity.Key{}, err))
		}
	}
}

func outboxRow(row *spanner.Row) (entity.OutboxRow, error) {
	var name, id, entry []byte
	var m, n int64
	if err := row.Columns(&name, &id, &m, &n, &entry); err != nil {
		return entity.OutboxRow{}, err
	}
	r, err := record.ReadRow(entry)
	r.ID = entity.OutboxID{Member: entity.Member(m), N: n}
	r.Source = entity.Key{Entity: string(name), ID: string(id)}
	return r, err
}

// Instances yields the ids of the instances of an entity, in the order of their
// shards' buckets.
func (s *Store) Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := s.scan(ctx, "Instances", s.instancesAfter(name, after), []string{"Key", "Stored"}, func(row *spanner.Row) (bool, error) {
			var id []byte
			var stored spanner.NullBool
			if err := row.Columns(&id, &stored); err != nil || !stored.Bool {
				return err == nil, err
			}
			return yield(string(id), nil), nil
		})
		if err != nil {
			yield("", unread("instances", entity.Key{Entity: name}, err))
		}
	}
}

// instancesAfter returns the keys of the instances of an entity that come after
// one; of all of them if that is nil.
func (s *Store) instancesAfter(name string, after *string) spanner.KeySet {
	shards := make([]shard.ID, shard.Count)
	for i := range shards {
		shards[i] = shard.ID(i)
	}
	slices.SortFunc(shards, func(a, b shard.ID) int { return cmp.Compare(s.buckets[a], s.buckets[b]) })
	var ranges []spanner.KeySet
	if after != nil {
		at := shard.Of(entity.Key{Entity: name, ID: *after})
		shards = shards[slices.Index(shards, at)+1:]
		rest := append(s.shard(at), []byte(name))
		ranges = append(ranges, spanner.KeyRange{Start: append(slices.Clip(rest), []byte(*after)), End: rest, Kind: spanner.OpenClosed})
	}
	for _, id := range shards {
		ranges = append(ranges, append(s.shard(id), []byte(name)).AsPrefix())
	}
	return spanner.KeySets(ranges...)
}

// shard returns what the keys of a shard begin with.
func (s *Store) shard(id shard.ID) spanner.Key {
	return spanner.Key{s.buckets[id], s.cfg.Service, int64(id)}
}

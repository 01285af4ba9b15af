// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"fmt"
	"sync"

	"cloud.google.com/go/spanner"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// maxEnds is how many instances are remembered.
const maxEnds = 1 << 17

// An end is where the journal and the value of an instance end, as far as that
// is known.
type end struct {
	snapshot, event, version  entity.Seq
	snapped, ended, versioned bool // which of them are known
}

// ends is what this process knows of where instances end: what was read when
// they were brought up, and what was committed since. It is no fence. It finds
// the mistakes of this very process, whose commits of values Spanner would take
// in any order, and costs no call: only an instance that nobody has read is
// looked up.
//
// The zero ends is ready for use.
type ends struct {
	mu  sync.Mutex // protects all
	all map[entity.Key]end
}

// learn changes what is known of key.
func (e *ends) learn(key entity.Key, change func(*end)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.all[key]
	change(&known)
	e.put(key, known)
}

// put is called with e.mu held.
func (e *ends) put(key entity.Key, known end) {
	if e.all == nil {
		e.all = map[entity.Key]end{}
	}
	if _, ok := e.all[key]; !ok && len(e.all) >= maxEnds {
		for old := range e.all { // any one
			delete(e.all, old)
			break
		}
	}
	e.all[key] = known
}

// A read may be older than what was committed meanwhile, so what is known only
// grows.

func (e *ends) snapshot(key entity.Key, seq entity.Seq) {
	e.learn(key, func(k *end) { k.snapshot, k.snapped = max(k.snapshot, seq), true })
}

// events is called when all events after one were read, of which last is the
// last; 0 if there were none.
func (e *ends) events(key entity.Key, after, last entity.Seq) {
	e.learn(key, func(k *end) {
		if k.ended || k.snapped && after <= k.snapshot {
			k.event, k.ended = max(k.event, last, k.snapshot), true
		}
	})
}

func (e *ends) version(key entity.Key, version entity.Seq) {
	e.learn(key, func(k *end) { k.version, k.versioned = max(k.version, version), true })
}

// note takes what a commit has made of some instances.
func (e *ends) note(all map[entity.Key]end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, known := range all {
		e.put(key, known)
	}
}

// forget forgets some instances.
func (e *ends) forget(all map[entity.Key]end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key := range all {
		delete(e.all, key)
	}
}

// clear forgets all: others may have written.
func (e *ends) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = nil
}

func (e *ends) of(key entity.Key) end {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[key]
}

// admit returns where writes let their instances end, or an error that wraps
// [entity.ErrRefused] if Spanner would not take them or they don't follow what
// is stored.
func (s *Store) admit(ctx context.Context, at entity.Position, writes []entity.Write) (map[entity.Key]end, error) {
	if err := s.allow(writes); err != nil {
		return nil, err
	}
	ends, err := s.complete(ctx, writes)
	if err != nil {
		return nil, err
	}
	for i := range writes {
		w := &writes[i]
		e, ok := ends[w.Key]
		if !ok {
			continue
		}
		if err := e.follow(w); err != nil {
			return nil, s.conflict(ctx, at, writes, err) // it may be this very commit that was applied
		}
		ends[w.Key] = e
	}
	return ends, repeated(writes)
}

// follow moves e on by w.
func (e *end) follow(w *entity.Write) error {
	for i := range w.Events {
		if seq := w.Events[i].Seq; seq != e.event+1 {
			return fmt.Errorf("event %d of %v doesn't follow event %d: %w", seq, w.Key, e.event, entity.ErrRefused)
		}
		e.event++
	}
	if snap := w.Snapshot; snap != nil {
		e.snapshot, e.event = max(e.snapshot, snap.Seq), max(e.event, snap.Seq)
	}
	if v := w.Value; v != nil {
		if v.Version != e.version+1 {
			return fmt.Errorf("version %d of %v doesn't follow version %d: %w", v.Version, w.Key, e.version, entity.ErrRefused)
		}
		e.version++
	}
	return nil
}

// complete returns where the instances end that writes move on. What has to be
// known for that and isn't is read, for all of them at once.
func (s *Store) complete(ctx context.Context, writes []entity.Write) (map[entity.Key]end, error) {
	ends := make(map[entity.Key]end, len(writes))
	var journals, values []entity.Key // that nobody has read
	for i := range writes {
		w := &writes[i]
		if len(w.Events) == 0 && w.Value == nil && w.Snapshot == nil {
			continue
		}
		e, ok := ends[w.Key]
		if !ok {
			e = s.ends.of(w.Key)
		}
		if !e.ended && len(w.Events) > 0 {
			journals = append(journals, w.Key)
			e.snapshot, e.event, e.snapped, e.ended = 0, 0, true, true
		}
		if !e.versioned && w.Value != nil {
			values = append(values, w.Key)
			e.version, e.versioned = 0, true
		}
		ends[w.Key] = e
	}
	if err := s.readEnds(ctx, journals, ends); err != nil {
		return nil, err
	}
	return ends, s.readVersions(ctx, values, ends)
}

// readEnds reads where journals end, into ends.
func (s *Store) readEnds(ctx context.Context, journals []entity.Key, ends map[entity.Key]end) error {
	rows := func(k entity.Key) spanner.KeySet { return s.row(k) }
	err := s.scanEach(ctx, "Snapshots", "Seq", journals, rows, func(k entity.Key, seq entity.Seq) {
		e := ends[k]
		e.snapshot, e.event = seq, seq
		ends[k] = e
	})
	if err != nil {
		return err
	}
	rows = func(k entity.Key) spanner.KeySet {
		return spanner.KeyRange{Start: s.row(k, int64(ends[k].snapshot)), End: s.row(k), Kind: spanner.OpenClosed}
	}
	return s.scanEach(ctx, "Events", "Seq", journals, rows, func(k entity.Key, seq entity.Seq) {
		e := ends[k]
		e.event = max(e.event, seq)
		ends[k] = e
	})
}

// readVersions reads which versions values have, into ends.
func (s *Store) readVersions(ctx context.Context, values []entity.Key, ends map[entity.Key]end) error {
	rows := func(k entity.Key) spanner.KeySet { return s.row(k) }
	return s.scanEach(ctx, "Values", "Version", values, rows, func(k entity.Key, version entity.Seq) {
		e := ends[k]
		e.version = version
		ends[k] = e
	})
}

// scanEach reads one column of the rows of some keys as one read, and gives each
// to found.
func (s *Store) scanEach(ctx context.Context, table, column string, keys []entity.Key,
	rows func(entity.Key) spanner.KeySet, found func(entity.Key, entity.Seq),
) error {
	if len(keys) == 0 {
		return nil
	}
	all := make([]spanner.KeySet, 0, len(keys))
	for _, k := range keys {
		all = append(all, rows(k))
	}
	err := s.scan(ctx, table, spanner.KeySets(all...), []string{"Entity", "Key", column}, func(row *spanner.Row) (bool, error) {
		var name, id []byte
		var seq int64
		if err := row.Columns(&name, &id, &seq); err != nil {
			return false, err
		}
		found(entity.Key{Entity: string(name), ID: string(id)}, entity.Seq(seq))
		return true, nil
	})
	if err != nil {
		return unread("end", keys[0], err)
	}
	return nil
}

// repeated returns an error if two of writes have the same reply.
func repeated(writes []entity.Write) error {
	type reply struct {
		key  entity.Key
		idem entity.IdemKey
	}
	var seen map[reply]bool
	for i := range writes {
		r := writes[i].Reply
		if r == nil {
			continue
		}
		if seen == nil {
			seen = make(map[reply]bool, len(writes))
		}
		k := reply{writes[i].Key, r.Key}
		if seen[k] {
			return fmt.Errorf("%s of %v: %w", r.Method, writes[i].Key, entity.ErrRepeated)
		}
		seen[k] = true
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"errors"
	"fmt"

	placementpb "github.com/kairn-dev/kairn/proto/kairn/placement/v1"
	"github.com/kairn-dev/kairn/proxy/entity"
)

// ErrGap reports that an update is to be applied to another table than the one
// that is there. Whoever watches has to ask for everything.
var ErrGap = errors.New("update is for another table")

// Since returns what somebody has to be told who knows old: what has changed
// since; everything if old is nil or of another life of the row.
func (t *Table) Since(old *Table) *placementpb.Update {
	u := &placementpb.Update{Incarnation: t.Incarnation, Version: uint64(t.Version), NextMember: uint64(t.NextMember)}
	if old == nil || old.Incarnation != t.Incarnation || old.Version > t.Version || old.Version == 0 {
		u.Table = t.message(all[:])
		return u
	}
	u.Since = uint64(old.Version)
	for s := range t.Shards {
		if t.Shards[s] != old.Shards[s] {
			u.Changed = append(u.Changed, uint32(s))
		}
	}
	u.Table = t.message(u.Changed)
	return u
}

// Apply returns the table after an update. Old may be nil if that says everything.
// It refuses what no transitions could have made of old.
func Apply(old *Table, u *placementpb.Update) (*Table, error) {
	t := New(u.GetIncarnation())
	t.Version, t.NextMember = int64(u.GetVersion()), entity.Member(u.GetNextMember())
	shards := all[:]
	if since := int64(u.GetSince()); since != 0 {
		if old == nil || old.Incarnation != t.Incarnation || old.Version != since {
			return nil, fmt.Errorf("version %d after %d of %q: %w", t.Version, since, t.Incarnation, ErrGap)
		}
		t.Shards, shards = old.Shards, u.GetChanged()
	}
	err := errors.Join(t.versions(old, u), ascending(shards))
	if err == nil {
		err = t.decode(u.GetTable(), shards)
	}
	if err == nil {
		err = t.owners()
	}
	if err != nil {
		return nil, fmt.Errorf("update to version %d: %w", t.Version, err)
	}
	return t, nil
}

// versions checks that t comes after old, if u is about the difference.
func (t *Table) versions(old *Table, u *placementpb.Update) error {
	if t.Version < 0 || t.NextMember < 1 {
		return fmt.Errorf("version %d, next member %d", t.Version, t.NextMember)
	}
	if u.GetSince() != 0 && (t.Version < old.Version || t.NextMember < old.NextMember || len(u.GetChanged()) != len(u.GetTable().GetOwners())) {
		return fmt.Errorf("version %d, next member %d, %d shards follow version %d, next member %d", t.Version, t.NextMember, len(u.GetChanged()), old.Version, old.NextMember)
	}
	return nil
}

func ascending(shards []uint32) error {
	for i, s := range shards {
		if s >= Count || i > 0 && s <= shards[i-1] {
			return fmt.Errorf("shard %d is out of order", s)
		}
	}
	return nil
}

// owners checks that all owners are members.
func (t *Table) owners() error {
	for s, o := range t.Shards {
		if _, ok := t.find(o.Owner); o.Owner != 0 && !ok {
			return fmt.Errorf("shard %d is owned by %d, who is no member", s, o.Owner)
		}
	}
	return nil
}

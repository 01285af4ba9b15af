// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"errors"
	"fmt"
	"maps"
)

// HashVersion is the version of [Of]. What is stored under one version can't be
// found under another.
const HashVersion = 1

// A Layout is what all members must agree on: how a request leads to a shard.
type Layout struct {
	Hash   int               // version of the hash; 0 if nobody has said yet
	Shards int               // how many there are
	Keys   map[string]string // of each entity: which fields make its key, of each method
}

// ErrLayout reports that a process doesn't agree with the members about how a
// request leads to its instance. It can't join.
var ErrLayout = errors.New("members see keys differently")

// NewLayout returns the layout of this build, for a function whose entities have
// the keys given.
func NewLayout(keys map[string]string) Layout {
	return Layout{Hash: HashVersion, Shards: Count, Keys: keys}
}

// agree adds what other knows to the layout of a draft. Which fields make a key
// may change only while there are no members: two that read it differently
// would take one request for two instances. The hash may never change, since
// rows are stored by it.
func (t *Table) agree(other Layout) error {
	l := t.Layout
	if l.Hash != 0 && (l.Hash != other.Hash || l.Shards != other.Shards) {
		return fmt.Errorf("hash %d into %d shards, stored is hash %d into %d: %w", other.Hash, other.Shards, l.Hash, l.Shards, ErrLayout)
	}
	keys := maps.Clone(l.Keys)
	if keys == nil {
		keys = map[string]string{}
	}
	for name, key := range other.Keys {
		if have, ok := keys[name]; ok && have != key && len(t.Members) > 0 {
			return fmt.Errorf("key of %s is made of %s, for the members of %s: %w", name, key, have, ErrLayout)
		}
		keys[name] = key
	}
	t.Layout = Layout{Hash: other.Hash, Shards: other.Shards, Keys: keys}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"strings"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A journal is what the store remembers of an instance that was written to
// not long ago.
type journal struct {
	events chain  // the last event
	value  chain  // the version of the value
	commit uint64 // the last commit that wrote to it, in the order of the log

	attempt uint64 // the last attempt to commit that touched it
}

// A chain is a position that each write moves on by one.
type chain struct {
	last   entity.Seq // unknown until somebody has looked
	staged entity.Seq // what last becomes if the attempt succeeds
}

// unknown stands for a position that nobody has looked for.
const unknown = -1

// found notes what is stored, unless that could not be found out.
func (c *chain) found(last entity.Seq, err error) {
	if err == nil {
		c.last, c.staged = last, last
	}
}

// begin notes that an attempt to commit touches j.
func (j *journal) begin(attempt uint64) {
	if j.attempt != attempt {
		j.attempt, j.events.staged, j.value.staged = attempt, j.events.last, j.value.last
	}
}

// keep notes that the attempt has succeeded, as commit.
func (j *journal) keep(commit uint64) {
	j.events.last, j.value.last, j.commit = j.events.staged, j.value.staged, commit
}

// journals are the instances that were written to not long ago. They come in
// two generations, of which the older one is dropped as a whole; what is used
// moves to the younger one. So memory is bounded and nothing is kept in order.
type journals struct {
	young, old map[entity.Key]*journal
	limit      int    // of a generation
	oldCommit  uint64 // no commit after this one wrote to one in old
}

func newJournals(limit int) journals {
	return journals{young: map[entity.Key]*journal{}, limit: limit}
}

// get returns what is known of key, nil if that is nothing.
func (c *journals) get(key entity.Key) *journal {
	if j := c.young[key]; j != nil {
		return j
	}
	j := c.old[key]
	if j != nil {
		c.put(key, j)
	}
	return j
}

// put remembers j. The id is copied: it may be a small part of a large request.
func (c *journals) put(key entity.Key, j *journal) {
	key.ID = strings.Clone(key.ID)
	c.young[key] = j
}

// trim forgets some, if there are too many. Those with a commit that isn't
// durable yet must stay, since readers have to wait for it. It must not be
// called in the middle of an attempt.
func (c *journals) trim(applied, durable uint64) {
	if len(c.young) < c.limit || c.oldCommit > durable {
		return
	}
	c.old, c.oldCommit = c.young, applied
	c.young = map[entity.Key]*journal{}
}

// SPDX-License-Identifier: Apache-2.0

// Package memstore keeps everything in memory. It is for tests, simulations
// and functions that ask for nothing durable.
//
// It keeps the same promises as the stores that write to a disk, apart from
// the one of durability, and it passes the same suite. What is committed is
// copied once, the events of a commit into one piece of memory. What was read
// is not copied: journals are never written over, so that a reader may go on
// with what it saw while others write.
//
// Replies that have expired are forgotten by later commits, a few by each.
//
// Several members may be there at once. Only [Store.Evict] and a transition take
// one away.
package memstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Store is a store in memory. All of its methods may be called at once.
type Store struct {
	mu        sync.RWMutex // protects all of the following, and the instances
	instances map[entity.Key]*instance
	types     map[string]string // each type URL once
	lanes     map[entity.Member][]int64
	members   entity.Member // the last id that was given out
	expiries  expiries
	service   service
	attempts  uint64      // commits that were tried
	touched   []*instance // by the commit that holds mu; kept for its memory
}

// An instance is what is stored of one key. The journal grows at its end and is
// cut at its front: a slice of it stays good without the lock.
type instance struct {
	key      entity.Key
	events   []entity.Event
	snapshot entity.Snapshot
	value    entity.Value
	replies  map[entity.IdemKey]entity.Reply
	outbox   []entity.OutboxRow // in order

	attempt uint64                  // the last commit that touched the instance
	staged  entity.Seq              // where the journal ends after the writes of it seen so far
	version entity.Seq              // of the value after these
	replied map[entity.IdemKey]bool // by these
}

// end returns where the journal ends.
func (in *instance) end() entity.Seq {
	end := in.snapshot.Seq
	if n := len(in.events); n > 0 {
		end = max(end, in.events[n-1].Seq)
	}
	return end
}

// New returns an empty store without members.
func New() *Store {
	return &Store{
		instances: map[entity.Key]*instance{},
		types:     map[string]string{},
		lanes:     map[entity.Member][]int64{},
		service:   service{renewed: map[entity.Member]time.Time{}},
	}
}

// Join returns a new member with that many lanes.
func (s *Store) Join(_ context.Context, lanes int) (entity.Member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members++
	s.lanes[s.members] = make([]int64, lanes)
	return s.members, nil
}

// Evict takes away the lanes of member, so that nothing of it can be
// committed any more.
func (s *Store) Evict(member entity.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lanes, member)
	delete(s.service.renewed, member)
}

// Position returns how many commits a lane has made, and false if there is no
// such lane.
func (s *Store) Position(_ context.Context, member entity.Member, lane int) (int64, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	lanes := s.lanes[member]
	if lane < 0 || lane >= len(lanes) {
		return 0, false, nil
	}
	return lanes[lane], true, nil
}

// Commit moves the lane at to at.N+1 and adds writes, all or nothing. It waits
// for nothing, so it doesn't look at its context.
func (s *Store) Commit(_ context.Context, at entity.Position, writes []entity.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lanes := s.lanes[at.Member]
	if at.Lane < 0 || at.Lane >= len(lanes) || lanes[at.Lane] != at.N {
		return fmt.Errorf("commit %d of lane %d of member %d: %w", at.N, at.Lane, at.Member, entity.ErrLaneMoved)
	}
	size, err := s.stage(writes)
	if err != nil {
		return err
	}
	s.apply(writes, size)
	lanes[at.Lane]++
	return nil
}

// stage checks writes, puts the instance of each into s.touched, and returns
// how many bytes the values of all events have. A reader sees nothing of it.
func (s *Store) stage(writes []entity.Write) (size int, err error) {
	s.attempts++
	s.touched = s.touched[:0]
	for i := range writes {
		in := s.touch(writes[i].Key)
		n, err := in.check(&writes[i])
		if err != nil {
			return 0, err
		}
		size += n
		s.touched = append(s.touched, in)
	}
	return size, nil
}

// check returns whether w follows what is stored and staged, and how many bytes
// the values of its events have.
func (in *instance) check(w *entity.Write) (size int, err error) {
	for j := range w.Events {
		if w.Events[j].Seq != in.staged+1 {
			return 0, fmt.Errorf("event %d of %v doesn't follow event %d: %w", w.Events[j].Seq, w.Key, in.staged, entity.ErrRefused)
		}
		in.staged++
		size += len(w.Events[j].Value)
	}
	if w.Snapshot != nil {
		in.staged = max(in.staged, w.Snapshot.Seq)
	}
	if v := w.Value; v != nil {
		if v.Version != in.version+1 {
			return 0, fmt.Errorf("version %d of %v doesn't follow version %d: %w", v.Version, w.Key, in.version, entity.ErrRefused)
		}
		in.version++
	}
	if w.Reply != nil {
		if _, stored := in.replies[w.Reply.Key]; stored || in.replied[w.Reply.Key] {
			return 0, fmt.Errorf("%s of %v: %w", w.Reply.Method, w.Key, entity.ErrRepeated)
		}
		if in.replied == nil {
			in.replied = map[entity.IdemKey]bool{}
		}
		in.replied[w.Reply.Key] = true
	}
	return size, nil
}

// touch returns the instance of key for the commit that is tried now. One that
// is new and stays empty because the commit is refused is as good as none.
func (s *Store) touch(key entity.Key) *instance {
	in := s.instances[key]
	if in == nil {
		in = &instance{key: entity.Key{Entity: strings.Clone(key.Entity), ID: strings.Clone(key.ID)}}
		s.instances[in.key] = in
	}
	if in.attempt != s.attempts {
		in.attempt, in.staged, in.version, in.replied = s.attempts, in.end(), in.value.Version, nil
	}
	return in
}

// apply does what stage has allowed.
func (s *Store) apply(writes []entity.Write, size int) {
	values := make([]byte, 0, size)
	for i := range writes {
		w, in := &writes[i], s.touched[i]
		in.replied = nil
		for _, e := range w.Events {
			from := len(values)
			values = append(values, e.Value...)
			e.Value = values[from:len(values):len(values)]
			e.TypeURL = s.typeURL(e.TypeURL)
			in.events = append(in.events, e)
		}
		if w.Snapshot != nil {
			in.snapshot = *w.Snapshot
			in.snapshot.TypeURL = s.typeURL(w.Snapshot.TypeURL)
			in.snapshot.Value = slices.Clone(w.Snapshot.Value)
		}
		if w.Value != nil {
			in.value = s.keep(w.Value)
		}
		if w.Reply != nil {
			s.remember(in, w.Reply)
		}
		in.send(w)
		in.trim(w.Trim)
	}
	s.forget(time.Now())
}

// trim removes the events up to seq. Readers may still have them.
func (in *instance) trim(seq entity.Seq) {
	if seq == 0 { // the first event needn't be fetched
		return
	}
	i := 0
	for i < len(in.events) && in.events[i].Seq <= seq {
		i++
	}
	if i > 0 {
		in.events = slices.Clone(in.events[i:])
	}
}

// keep returns what is kept of v.
func (s *Store) keep(v *entity.Value) entity.Value {
	kept := entity.Value{Version: v.Version, Exists: v.Exists, Expires: v.Expires}
	if v.Exists {
		kept.TypeURL, kept.Value = s.typeURL(v.TypeURL), slices.Clone(v.Value)
	}
	return kept
}

// typeURL returns the one copy of t that is kept.
func (s *Store) typeURL(t string) string {
	kept, ok := s.types[t]
	if !ok {
		kept = strings.Clone(t)
		s.types[kept] = kept
	}
	return kept
}

// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

// A store is a memstore behind a bad network, with eyes.
type store struct {
	*memstore.Store
	w      *world
	away   time.Duration // nobody is answered before that
	wanted chan *request // from lanes
	table  *shard.Table  // as it is stored
	wall   map[entity.Member]time.Duration
}

var errUnanswered = errors.New("no answer")

func newStore(w *world) *store {
	return &store{Store: memstore.New(), w: w, wanted: make(chan *request), table: shard.New(""), wall: map[entity.Member]time.Duration{}}
}

// A request is a commit, or the question where a lane stands, of a lane, which
// waits for the answer.
type request struct {
	p      *process
	at     entity.Position
	writes []entity.Write // of a commit
	commit bool
	answer chan answer
}

type answer struct {
	n   int64
	ok  bool
	err error
}

// A link is the store as the lanes of one process see it.
type link struct {
	p    *process
	dead chan struct{} // closed when it is killed
}

func (l link) Commit(_ context.Context, at entity.Position, writes []entity.Write) error {
	return l.ask(&request{at: at, writes: clone(writes), commit: true}).err
}

func (l link) Position(_ context.Context, m entity.Member, lane int) (int64, bool, error) {
	a := l.ask(&request{at: entity.Position{Member: m, Lane: lane}})
	return a.n, a.ok, a.err
}

func (l link) ask(r *request) answer {
	r.p, r.answer = l.p, make(chan answer, 1)
	select {
	case <-l.dead:
		return answer{err: dead(r)}
	default:
	}
	l.p.w.store.wanted <- r // whom the world never keeps waiting
	select {
	case a := <-r.answer:
		return a
	case <-l.dead:
		return answer{err: dead(r)}
	}
}

// dead ends the lanes of a process that is no more.
func dead(r *request) error {
	if r.commit {
		return entity.ErrLaneMoved
	}
	return nil // and no such lane
}

// clone copies what the lane may use again.
func clone(writes []entity.Write) []entity.Write {
	all := slices.Clone(writes)
	for i := range all {
		all[i].Events = slices.Clone(all[i].Events)
	}
	return all
}

// take sends a request of a lane on its way.
func (s *store) take(r *request) {
	r.p.call(func() any {
		if r.commit {
			return answer{err: s.commit(r)}
		}
		n, ok, err := s.Position(context.Background(), r.at.Member, r.at.Lane)
		return answer{n, ok, err}
	}, func(v any, err error) {
		if err != nil {
			v = answer{err: err}
		}
		r.answer <- v.(answer)
	})
}

func (s *store) commit(r *request) error {
	err := s.Commit(context.Background(), r.at, r.writes)
	if s.w.noFence && errors.Is(err, entity.ErrLaneMoved) {
		err = s.commitUnfenced(r)
	}
	for _, w := range r.writes {
		s.w.note("commit %d of lane %d of member %d adds event %d to %v: %v", r.at.N, r.at.Lane, r.at.Member, w.Events[0].Seq, w.Key.ID, err)
	}
	_, there := s.table.Member(r.at.Member)
	switch {
	case err == nil && !there && !s.w.noFence:
		s.w.fault("a commit of member %d is applied after its eviction", r.at.Member)
	case errors.Is(err, entity.ErrRefused) && !s.w.noFence:
		s.w.fault("a commit of member %d is refused: %v", r.at.Member, err)
	case errors.Is(err, entity.ErrLaneMoved):
		s.w.stats["commits fenced or repeated"]++
	case err == nil:
		s.w.stats["commits"]++
	}
	return err
}

// transact makes a transition, as package cluster does, and watches it.
func (s *store) transact(p *process, op *member.Op) (*shard.Table, entity.Member, error) {
	table, id, err := cluster.Transact(context.Background(), s.viewed(), op)
	if err == nil {
		s.watch(table, op)
	}
	if err == nil && op.Kind == member.Join {
		s.w.note("process %d joined as member %d", p.n, id)
	}
	return table, id, err
}

// change makes a transition by which nobody may be evicted.
func (s *store) change(f func(*shard.Table) *shard.Table) {
	p, err := s.Transact(context.Background(), func(p entity.Placement, _ []entity.Lease) (entity.Transition, bool) {
		before, err := shard.Decode(p)
		if err != nil {
			panic(err)
		}
		after, err := f(before).Encode()
		if err != nil {
			panic(err)
		}
		return entity.Transition{Placement: after}, after.Version != p.Version
	})
	if err != nil {
		panic(err)
	}
	if table, err := shard.Decode(p); err == nil {
		s.watch(table, &member.Op{Kind: member.Leave})
	}
}

// watch checks a transition.
func (s *store) watch(table *shard.Table, op *member.Op) {
	before := s.table
	if table.Version <= before.Version {
		return
	}
	s.table = table
	s.w.note("version %d by %v of member %d: %d members", table.Version, op.Kind, op.Member, len(table.Members))
	gone := table.Gone(before)
	for _, id := range gone {
		if op.Kind == member.Quit && id == op.Member {
			continue
		}
		s.w.stats["evictions"]++
		for _, p := range s.w.processes {
			if p.up && p.machine.ID() == id && p.machine.Alive(p.clock()) {
				s.w.fault("member %d is evicted while its lease is alive for %v more", id, p.machine.Rest(p.clock()))
			}
		}
	}
	for sh := range table.Shards {
		was, is := before.Shards[sh], table.Shards[sh]
		if is.Epoch < was.Epoch {
			s.w.fault("shard %d goes back from epoch %d to %d", sh, was.Epoch, is.Epoch)
		}
		if was.Owner != is.Owner && was.Owner != 0 && was.Owner != op.Member && !slices.Contains(gone, was.Owner) {
			s.w.fault("shard %d is taken from member %d by member %d", sh, was.Owner, op.Member)
		}
	}
	seen := map[string]bool{}
	for _, m := range table.Members {
		if seen[m.Addr] {
			s.w.fault("one process is two members, the second is %d", m.ID)
		}
		seen[m.Addr] = true
	}
}

func (s *store) renew(p *process, m entity.Member) error {
	s.wall[m] = p.w.now + p.skew()
	return s.Renew(context.Background(), m)
}

func (s *store) look(known entity.Placement, neighbour entity.Member) entity.Sight {
	sight, err := s.Look(context.Background(), known, neighbour)
	if err != nil {
		panic(err)
	}
	sight.Neighbour = s.seen(sight.Neighbour)
	return sight
}

// seen is a lease as the store's inexact clock shows it; by the mutant, as the
// clocks of the members do.
func (s *store) seen(l entity.Lease) entity.Lease {
	const inexact = 200 * time.Millisecond
	if at, ok := s.wall[l.Member]; ok && s.w.wallClock {
		l.Silent = s.w.now - at
		return l
	}
	l.Silent += s.w.upTo(2*inexact) - inexact
	return l
}

// viewed is the store for transitions.
func (s *store) viewed() cluster.Store { return viewed{s.Store, s} }

type viewed struct {
	*memstore.Store
	s *store
}

func (v viewed) Transact(ctx context.Context, decide func(entity.Placement, []entity.Lease) (entity.Transition, bool)) (entity.Placement, error) {
	return v.Store.Transact(ctx, func(p entity.Placement, all []entity.Lease) (entity.Transition, bool) {
		for i := range all {
			all[i] = v.s.seen(all[i])
		}
		return decide(p, all)
	})
}

// commitUnfenced commits as if the lane had not moved, and as a store would that
// only looks whether the rows are free: those of events that were trimmed are.
func (s *store) commitUnfenced(r *request) error {
	if n, ok, _ := s.Position(context.Background(), r.at.Member, r.at.Lane); ok && n > r.at.N {
		return entity.ErrLaneMoved // it was applied before
	}
	for _, w := range r.writes {
		snap, err := s.Snapshot(context.Background(), w.Key)
		if err != nil {
			return err
		}
		if w.Events[0].Seq <= snap.Seq {
			return nil
		}
	}
	ghost, err := s.Store.Join(context.Background(), 1)
	if err != nil {
		return err
	}
	return s.Commit(context.Background(), entity.Position{Member: ghost}, r.writes)
}

// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A Config says what the instances of a Set work with.
type Config struct {
	Journal  Journal
	Lanes    []*lane.Lane // of a member that owns every shard; nil for one that is told what it owns
	Outbox   Outbox       // nil if nothing that commands lead to is kept
	Alive    func() bool  // whether the member may answer without writing; nil if it always may
	Function Function
	Limits   instance.Limits
	Idle     time.Duration // until an instance is passivated, if its entity doesn't say
	Grace    time.Duration // for the function to end a stream that is half-closed
	Loads    int           // instances that may be brought up at once
	Report   func(string)  // tells the function what it did wrong; must not block
}

// stripes is how many parts a Set has, each with its own lock.
const stripes = 64

// A Set is the instances that are awake here. Make it with [New].
type Set struct {
	Config
	log   *slog.Logger
	began time.Time
	parts [stripes]part

	gates  [shard.Count]gate
	tenure atomic.Pointer[tenure] // never nil

	loads chan struct{} // its capacity is how many may be brought up at once

	readers   *readers
	protocols *protocols

	// work counts the instances that are awake, and while one is, the
	// goroutines that work for it; some of these outlast it.
	work sync.WaitGroup

	spare sync.Pool // of *agendas
	statistics
}

// Statistics are the counters of all entities.
type statistics struct {
	mu    sync.Mutex // protects stats
	stats map[string]*Stats
}

// A part is the instances of some shards.
type part struct {
	mu        sync.Mutex // protects what follows; taken before an instance's own
	stopped   bool
	instances map[entity.Key]*awake
	drains    map[shard.ID]*drain

	alarm alarm // wakes the instances
}

// New returns a Set in which nothing is awake.
func New(log *slog.Logger, cfg Config) *Set {
	s := &Set{
		Config: cfg,
		log:    log,
		began:  time.Now(),
		loads:  make(chan struct{}, cfg.Loads),

		protocols:  newProtocols(),
		statistics: statistics{stats: map[string]*Stats{}},
	}
	s.readers = &readers{jobs: make(chan job), end: make(chan struct{}), work: &s.work}
	for i := range s.parts {
		s.parts[i].instances = map[entity.Key]*awake{}
		s.parts[i].drains = map[shard.ID]*drain{}
	}
	s.tenure.Store(&tenure{})
	if len(cfg.Lanes) > 0 {
		s.Begin(cfg.Lanes)
		for id := range shard.ID(shard.Count) {
			s.Open(id)
		}
	}
	return s
}

// A moment is a time, as how long it was after its Set began. Each idle instance
// has some, and a [time.Time] takes three times the memory.
type moment time.Duration

func (s *Set) moment(t time.Time) moment { return moment(t.Sub(s.began)) }

// since returns how long before now m was.
func (s *Set) since(m moment, now time.Time) time.Duration { return time.Duration(s.moment(now) - m) }

// Submit gives a command to the instance id of the entity e, which must be event
// sourced or a value entity. It never blocks. cmd.Done is called exactly once,
// maybe before Submit returns.
func (s *Set) Submit(e *route.Entity, id string, cmd *instance.Command) {
	if s.protocols.of(e) == nil {
		cmd.Done(entity.Outcome{Err: fmt.Errorf("entity type %s: %w", e.Type, entity.ErrUnimplemented)})
		return
	}
	key := entity.Key{Entity: e.Name, ID: id}
	at := shard.Of(key)
	for {
		in, err := s.find(key, at, e)
		if errors.Is(err, instance.ErrMoved) && cmd.Admit != nil {
			cmd.Admit(s.gates[at].turn.Load())
		}
		if err != nil {
			cmd.Done(entity.Outcome{Err: err})
			return
		}
		if in.submit(cmd) {
			return
		}
	}
}

// find returns the instance that key has here, which may be a new one, or why
// there is none.
func (s *Set) find(key entity.Key, at shard.ID, e *route.Entity) (*awake, error) {
	p := s.part(at)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !open(s.gates[at].turn.Load()) {
		return nil, instance.ErrMoved
	}
	in := p.instances[key]
	switch {
	case in == nil && p.stopped:
		return nil, instance.ErrStopping
	case in == nil:
		in = s.newAwake(key, at, e)
		p.instances[key] = in
		s.work.Add(1)
	}
	return in, nil
}

// part returns where the instances of a shard are.
func (s *Set) part(at shard.ID) *part { return &s.parts[at%stripes] }

// forget removes in from its part if it is still of no use.
func (p *part) forget(in *awake) {
	if drained := p.remove(in); drained != nil {
		drained()
	}
}

// remove is forget; what it returns is to be called afterwards, if it is not nil.
func (p *part) remove(in *awake) (drained func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.machine.Gone() || in.dead || in.agendas != nil && in.results.len() > 0 {
		return nil // it isn't the last time that it leaves
	}
	in.dead = true
	delete(p.instances, in.key)
	in.set.work.Done()
	return p.left(in.at)
}

// statsOf returns the counters of the entity name, which live as long as s.
func (s *Set) statsOf(name string) *Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats[name]
	if st == nil {
		st = &Stats{}
		s.stats[name] = st
	}
	return st
}

// Stats returns the counters of all entities, by name.
func (s *Set) Stats() map[string]*Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.stats)
}

// Active returns how many instances are awake, by entity.
func (s *Set) Active() map[string]int {
	active := map[string]int{}
	s.each(func(in *awake) { active[in.key.Entity]++ })
	return active
}

// Passivate gives up all streams that are not in use. What has commands goes
// on.
func (s *Set) Passivate() {
	s.each(func(in *awake) { in.passivate() })
}

// Stop lets every instance finish the commands it has and passivates it.
// Commands that come later are refused. It returns when nothing is awake and
// no stream is open, or when ctx ends.
func (s *Set) Stop(ctx context.Context) error {
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		p.stopped = true
		p.mu.Unlock()
	}
	s.each(func(in *awake) { in.stop() })
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
		for i := range s.parts {
			s.parts[i].alarm.stop()
		}
		s.readers.release()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// each calls f for every instance that is awake when it is its turn.
func (s *Set) each(f func(*awake)) {
	var all []*awake
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		for _, in := range p.instances {
			all = append(all, in)
		}
		p.mu.Unlock()
		for _, in := range all {
			f(in)
		}
		clear(all)
		all = all[:0]
	}
}

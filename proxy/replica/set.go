// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A Config says what the instances of a Set work with.
type Config struct {
	Self       crdt.Replica // never used before, by this process neither
	Function   live.Function
	Replicator Replicator // nil if there is no other member
	Limits     exchange.Limits
	Idle       time.Duration // until an instance is passivated, if its entity doesn't say
	Grace      time.Duration // for the function to end a stream that is half-closed
	Report     func(string)  // tells the function what it did wrong; must not block
}

// stripes is how many parts a Set has, each with its own lock.
const stripes = 64

// A Set is this member's copies of all instances. Make it with [New].
type Set struct {
	Config
	log   *slog.Logger
	seed  maphash.Seed
	parts [stripes]part

	// work counts the instances that are awake, and while one is, the
	// goroutines that work for it; some of these outlast it.
	work    sync.WaitGroup
	readers *readers

	mu      sync.Mutex // protects what follows
	stats   map[string]*Stats
	members *crdt.Members
}

type part struct {
	mu      sync.Mutex // protects what follows; taken before an instance's own
	stopped bool
	awake   map[entity.Key]*awake
	asleep  map[entity.Key]*crdt.Data // what is not awake
}

// New returns a Set without any data.
func New(log *slog.Logger, cfg Config) *Set {
	s := &Set{
		Config: cfg, log: log, seed: maphash.MakeSeed(),
		stats: map[string]*Stats{}, members: crdt.NewMembers(cfg.Self),
	}
	s.readers = &readers{jobs: make(chan job), end: make(chan struct{}), work: &s.work}
	for i := range s.parts {
		s.parts[i].awake = map[entity.Key]*awake{}
		s.parts[i].asleep = map[entity.Key]*crdt.Data{}
	}
	return s
}

func (s *Set) part(id string) *part { return &s.parts[maphash.String(s.seed, id)%stripes] }

// Submit gives a command to the instance id of the entity e. It never blocks.
// cmd.Done is called exactly once, maybe before Submit returns.
func (s *Set) Submit(e *route.Entity, id string, cmd *instance.Command) {
	s.submit(e, id, &exchange.Call{
		Call: cmd.Call, TypeURL: cmd.TypeURL, Headers: e.Headers.Of(cmd.Call.Metadata), Arrived: cmd.Arrived, Done: cmd.Done,
	})
}

// submit gives c to an instance, and returns that; nil if there is none any
// more.
func (s *Set) submit(e *route.Entity, id string, c *exchange.Call) *awake {
	key := entity.Key{Entity: e.Name, ID: id}
	p := s.part(id)
	for {
		in := s.wake(p, key, e)
		if in == nil {
			if c.Streamed {
				c.End(instance.ErrStopping)
			} else {
				c.Done(entity.Outcome{Err: instance.ErrStopping})
			}
			return nil
		}
		if in.submit(c) {
			return in
		}
	}
}

// wake returns the instance key, which may be about to be forgotten. It is nil
// if none is to be made any more.
func (s *Set) wake(p *part, key entity.Key, e *route.Entity) *awake {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.awake[key]
	if in != nil || p.stopped {
		return in
	}
	data := p.asleep[key]
	delete(p.asleep, key)
	if data == nil {
		data = &crdt.Data{}
	}
	in = s.newAwake(key, e, p, data)
	p.awake[key] = in
	s.work.Add(1)
	return in
}

// forget lets in sleep if it is still of no use.
func (p *part) forget(in *awake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.dead || !in.idle() {
		return
	}
	in.dead = true
	delete(p.awake, in.key)
	if in.data.Kind() != 0 || in.data.Deleted() {
		p.asleep[in.key] = in.data
	}
	if in.timer != nil {
		in.timer.Stop()
	}
	in.set.work.Done()
}

// Merge brings in what another member holds of an instance, or a part of that,
// which stays as it is. If the instance is awake, its function is told.
func (s *Set) Merge(key entity.Key, change *crdt.Data) {
	p := s.part(key.ID)
	p.mu.Lock()
	in := p.awake[key]
	if in == nil {
		data := p.asleep[key]
		if data == nil {
			data = &crdt.Data{}
			p.asleep[key] = data
		}
		data.Merge(change)
		p.mu.Unlock()
		return
	}
	in.mu.Lock() // in.dead changes under p.mu
	p.mu.Unlock()
	in.machine.Merge(change, time.Now())
	in.carryOut()
}

// SetMembers says whose votes count from now on.
func (s *Set) SetMembers(m *crdt.Members) {
	s.mu.Lock()
	s.members = m
	s.mu.Unlock()
	s.each(func(in *awake) {
		in.mu.Lock()
		in.machine.SetMembers(m, time.Now())
		in.carryOut()
	})
}

// statsOf returns the counters of the entity name, which live as long as s, and
// the members.
func (s *Set) statsOf(name string) (*Stats, *crdt.Members) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats[name]
	if st == nil {
		st = &Stats{}
		s.stats[name] = st
	}
	return st, s.members
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

// Passivate gives up all streams that are not in use. What has commands or
// streamed calls goes on.
func (s *Set) Passivate() {
	s.each(func(in *awake) {
		in.mu.Lock()
		in.machine.Passivate(time.Now())
		in.carryOut()
	})
}

// Stop lets every instance finish the commands it has, ends streamed calls, and
// passivates it. Commands that come later are refused. It returns when nothing
// is awake and no stream is open, or when ctx ends.
func (s *Set) Stop(ctx context.Context) error {
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		p.stopped = true
		p.mu.Unlock()
	}
	s.each(func(in *awake) {
		in.mu.Lock()
		in.machine.Stop(time.Now())
		in.carryOut()
	})
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
		s.readers.release()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// each calls f for every instance that is awake when it is its turn.
func (s *Set) each(f func(*awake)) {
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		all := make([]*awake, 0, len(p.awake))
		for _, in := range p.awake {
			all = append(all, in)
		}
		p.mu.Unlock()
		for _, in := range all {
			f(in)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/cluster"
	"github.com/kairn-dev/kairn/proxy/cluster/member"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A process is a member of a cluster that has no instances. It tells how many
// shards it has.
type process struct {
	*cluster.Cluster
	store *Store
	quit  context.CancelFunc
	ran   chan error
	holds chan int // has room for one: the newest

	mu   sync.Mutex // protects what follows
	id   entity.Member
	owns map[shard.ID]bool
}

func (p *process) Ready(context.Context, shard.Member) error { return nil }

func (p *process) Do(o member.Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o.Do {
	case member.Begin:
		p.id = o.Member
	case member.Open, member.Resume:
		p.owns[o.Shard] = true
	case member.Drain:
		delete(p.owns, o.Shard)
		p.Drained(o.Shard, o.Turn, false)
	case member.Close:
		delete(p.owns, o.Shard)
	case member.Drop:
		clear(p.owns)
	default:
	}
	select {
	case <-p.holds:
	default:
	}
	p.holds <- len(p.owns)
}

// wait waits until the process has n shards.
func (p *process) wait(t *testing.T, n int) {
	t.Helper()
	for {
		select {
		case have := <-p.holds:
			if have == n {
				return
			}
		case err := <-p.ran:
			t.Fatalf("Run = %v", err)
		case <-t.Context().Done():
			t.Fatal("test is over")
		}
	}
}

func (p *process) member() entity.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// begin starts a process of the service of s.
func begin(t *testing.T, s *Store, name string) *process {
	t.Helper()
	ctx, quit := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &process{store: s, quit: quit, ran: make(chan error, 1), holds: make(chan int, 1), owns: map[shard.ID]bool{}}
	p.Cluster = cluster.New(logTo(t), cluster.Config{
		Settings: member.Settings{
			Lease: 6 * time.Second, Beat: 100 * time.Millisecond, Margin: 500 * time.Millisecond, Quiet: time.Millisecond,
			Moves: shard.Count, Drain: 10 * time.Second, Retry: 20 * time.Millisecond, Jitter: func(d time.Duration) time.Duration { return d },
		},
		Self:  member.Newcomer{Process: shard.Process{Nonce: name, Addr: name}, Layout: shard.NewLayout(nil), Lanes: 2, Incarnation: name},
		Store: s, Peers: p, Keeper: p, Limit: 5 * time.Second, Clock: cluster.Clock,
		Usable: func() bool { return true },
	})
	go func() { p.ran <- p.Run(ctx) }()
	return p
}

// end ends the process in order.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.quit()
	if err := <-p.ran; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// TestMembersShareTheService has three processes join a service, lose one another,
// and leave.
func TestMembersShareTheService(t *testing.T) {
	s := open(t)
	a := begin(t, s, "a")
	a.wait(t, shard.Count)
	b := begin(t, another(t, s), "b")
	a.wait(t, shard.Count/2)
	b.wait(t, shard.Count/2)
	c := begin(t, another(t, s), "c")
	c.wait(t, shard.Count/3)
	for _, p := range []*process{a, b, c} {
		if !p.Alive() {
			t.Errorf("member %d has no lease", p.member())
		}
		at := entity.Position{Member: p.member()}
		if err := p.store.Commit(t.Context(), at, []entity.Write{{Key: entity.Key{Entity: "e", ID: fmt.Sprint(at.Member)}}}); err != nil {
			t.Errorf("first commit of member %d beside others: %v", at.Member, err)
		}
	}

	first := c.member()
	evict(t, s, first) // it learns of that by its next beat, or is taken out before
	for c.member() == first {
		<-c.holds
	}
	if c.member() < first {
		t.Errorf("member %d has become member %d", first, c.member())
	}
	b.end(t)
	a.end(t)
	c.wait(t, shard.Count)
	c.end(t)
}

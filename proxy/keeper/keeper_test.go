// SPDX-License-Identifier: Apache-2.0

package keeper_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
)

const keys = 24

// bubble runs a test on a service without proxies, and checks in the end that
// what its clients saw is what is stored.
func bubble(t *testing.T, f func(t *testing.T, s *service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &service{t: t, store: memstore.New(), over: make(chan struct{}), acked: map[string]map[string]string{}, reads: map[string][]string{}}
		for k := range keys {
			s.acked[fmt.Sprint("k", k)] = map[string]string{}
		}
		f(t, s)
		for k := range keys {
			s.check(fmt.Sprint("k", k))
		}
	})
}

// add starts another proxy, and gives the service time to settle.
func (s *service) add(name string) *proxy {
	p := start(s.t, s.store, name)
	s.mu.Lock()
	s.proxies = append(s.proxies, p)
	s.mu.Unlock()
	<-time.After(10 * time.Second)
	return p
}

// load begins to call the service.
func (s *service) load() {
	for n := range 2 * keys {
		s.clients.Go(func() { s.client(n, fmt.Sprint("k", n%keys)) })
	}
}

// calm ends the load.
func (s *service) calm() {
	close(s.over)
	s.clients.Wait()
}

// counted returns how many commands had an unknown outcome.
func (s *service) counted() (sent, unknown int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.unknown
}

// stored returns the items of an instance.
func (s *service) stored(id string) []string {
	key := entity.Key{Entity: lists.Name, ID: id}
	var all []string
	snap, err := s.store.Snapshot(context.Background(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	if snap.Seq > 0 {
		all = strings.Split(string(snap.Value), ",")
	}
	for e, err := range s.store.Events(context.Background(), key, snap.Seq) {
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, string(e.Value))
	}
	return all
}

// check compares what is stored of an instance with what its clients saw.
func (s *service) check(id string) {
	journal := s.stored(id)
	if once := slices.Compact(slices.Sorted(slices.Values(journal))); len(once) != len(journal) {
		s.t.Errorf("%s: an item is stored twice: %v", id, journal)
	}
	for item, saw := range s.acked[id] {
		at := slices.Index(journal, item)
		if at < 0 || saw != strings.Join(journal[:at+1], ",") {
			s.t.Errorf("%s: the client of %s saw %s, stored is %v", id, item, saw, journal)
		}
	}
	whole := strings.Join(journal, ",") + ","
	for _, saw := range s.reads[id] {
		if saw != "" && !strings.HasPrefix(whole, saw+",") {
			s.t.Errorf("%s: a client read %s, stored is %v", id, saw, journal)
		}
	}
}

// TestPlannedMovesFailNothing has proxies come and go under load.
func TestPlannedMovesFailNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		a := s.add("a")
		s.load()
		b := s.add("b")
		c := s.add("c")
		for i, p := range []*proxy{a, b, c} {
			if n := p.set.Active()[lists.Name]; n < keys/6 || n > keys/2 {
				t.Errorf("proxy %d has %d instances of %d", i, n, keys)
			}
		}
		a.end(t)
		<-time.After(5 * time.Second)
		b.unusable.Store(true)
		<-time.After(5 * time.Second)
		if n := b.set.Active()[lists.Name]; n != 0 {
			t.Errorf("proxy whose function is unusable has %d instances", n)
		}
		b.unusable.Store(false)
		<-time.After(5 * time.Second)
		s.calm()
		b.end(t)
		c.end(t)
		sent, unknown := s.counted()
		if unknown != 0 || sent < 500 || s.bounced == 0 {
			t.Errorf("%d commands, of which %d have an unknown outcome; %d tries were sent back", sent, unknown, s.bounced)
		}
	})
}

// TestMemberThatIsCutOffLosesNothing cuts a proxy from the store for longer than
// its lease.
func TestMemberThatIsCutOffLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		a, b := s.add("a"), s.add("b")
		s.load()
		<-time.After(2 * time.Second)
		b.cut.Store(true)
		<-time.After(20 * time.Second)
		if b.Alive() {
			t.Error("it is alive")
		}
		before, unknown := s.counted()
		if unknown != 0 {
			t.Errorf("%d commands have an outcome while nobody can know it", unknown)
		}
		b.cut.Store(false)
		<-time.After(15 * time.Second)
		after, unknown := s.counted()
		if n := b.drops.Load(); n != 1 {
			t.Errorf("it has dropped everything %d times", n)
		}
		if n := b.set.Active()[lists.Name]; n < keys/4 {
			t.Errorf("it has %d instances of %d", n, keys)
		}
		if unknown == 0 || after < before+50 {
			t.Errorf("%d commands more, %d of them with an unknown outcome", after-before, unknown)
		}
		s.calm()
		a.end(t)
		b.end(t)
	})
}

// TestLaneFindsOutFirst evicts a member that has a lease by its own clock, as a
// later process of the same pod does.
func TestLaneFindsOutFirst(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		a := s.add("a")
		s.load()
		<-time.After(time.Second)
		s.store.Evict(entity.Member(a.member.Load()))
		<-time.After(15 * time.Second)
		if n := a.drops.Load(); n != 1 {
			t.Errorf("it has dropped everything %d times", n)
		}
		if _, unknown := s.counted(); unknown == 0 {
			t.Error("no command was under way: this tests nothing")
		}
		s.calm()
		a.end(t)
	})
}

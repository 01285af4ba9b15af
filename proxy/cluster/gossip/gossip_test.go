// SPDX-License-Identifier: Apache-2.0

package gossip

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

// A process is a Gossip that runs, and what it has heard.
type process struct {
	*Gossip
	stats *Stats
	stop  func()

	mu     sync.Mutex // protects what follows
	notes  []Note
	gone   []string
	keys   [][]byte
	seeds  []string
	change chan struct{} // closed when something is added
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// begin runs a process of a service that looks for others at seeds, often.
func begin(t *testing.T, service, name string, keys [][]byte, seeds ...string) *process {
	t.Helper()
	p := &process{stats: &Stats{}, keys: keys, seeds: seeds, change: make(chan struct{})}
	cfg := Config{
		Service: service, Name: name, Listen: "127.0.0.1:0", Every: 20 * time.Millisecond, Stats: p.stats,
		Seeds: func() []string { p.mu.Lock(); defer p.mu.Unlock(); return p.seeds },
		Heard: func(n Note) { p.note(func() { p.notes = append(p.notes, n) }) },
		Gone:  func(name string) { p.note(func() { p.gone = append(p.gone, name) }) },
	}
	if keys != nil {
		cfg.Keys = func() [][]byte { p.mu.Lock(); defer p.mu.Unlock(); return p.keys }
	}
	var err error
	if p.Gossip, err = Listen(slog.New(slog.DiscardHandler), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *process) note(add func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add()
	close(p.change)
	p.change = make(chan struct{})
}

// await waits until what p has heard is as it should be.
func (p *process) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for {
		p.mu.Lock()
		ok, change := is(), p.change
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-t.Context().Done():
			t.Fatalf("%s never happened", what)
		}
	}
}

// meet waits until p knows as many members.
func (p *process) meet(t *testing.T, names ...string) {
	t.Helper()
	poll(t, func() bool { return slices.Equal(p.Members(), names) })
}

// poll waits for what nobody tells of.
func poll(t *testing.T, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal("never happened")
		}
	}
}

func TestMembersFindEachOtherAndTellWhatTheyKnow(t *testing.T) {
	a := begin(t, "carts", "a", [][]byte{key(1)})
	a.Tell(Note{"x", 1}) // before anybody is there
	b := begin(t, "carts", "b", [][]byte{key(1)}, a.Addr())
	c := begin(t, "carts", "c", [][]byte{key(1)}, b.Addr())
	for _, p := range []*process{a, b, c} {
		p.meet(t, "a", "b", "c")
	}
	b.await(t, "what was told before", func() bool { return slices.Contains(b.notes, Note{"x", 1}) })
	c.Tell(Note{"x", 2})
	for _, p := range []*process{a, b} {
		p.await(t, "what was told later", func() bool { return slices.Contains(p.notes, Note{"x", 2}) })
	}
	c.stop()
	for _, p := range []*process{a, b} {
		p.await(t, "the end of c", func() bool { return slices.Contains(p.gone, "c") })
		p.meet(t, "a", "b")
	}
	if a.stats.Members.Load() != 2 || a.stats.Refused.Load() != 0 {
		t.Errorf("%d members, %d refused", a.stats.Members.Load(), a.stats.Refused.Load())
	}
}

// TestGroupsThatDoNotKnowEachOtherBecomeOne has two groups, as a partition leaves
// them, and then a way between them.
func TestGroupsThatDoNotKnowEachOtherBecomeOne(t *testing.T) {
	a := begin(t, "carts", "a", nil)
	b := begin(t, "carts", "b", nil, a.Addr())
	c := begin(t, "carts", "c", nil)
	d := begin(t, "carts", "d", nil, c.Addr())
	b.meet(t, "a", "b")
	d.meet(t, "c", "d")
	d.mu.Lock()
	d.seeds = []string{"127.0.0.1:1", a.Addr(), c.Addr(), d.Addr()} // as the placement says, somebody long gone among them
	d.mu.Unlock()
	for _, p := range []*process{a, b, c, d} {
		p.meet(t, "a", "b", "c", "d")
	}
}

func TestStrangersAreRefusedAndCounted(t *testing.T) {
	a := begin(t, "carts", "a", [][]byte{key(1)})
	for name, stranger := range map[string]*process{
		"another service": begin(t, "orders", "b", [][]byte{key(1)}, a.Addr()),
		"another key":     begin(t, "carts", "c", [][]byte{key(2)}, a.Addr()),
		"no key":          begin(t, "carts", "d", nil, a.Addr()),
	} {
		before := a.stats.Refused.Load()
		poll(t, func() bool { return a.stats.Refused.Load() > before+1 })
		if got := a.Members(); len(got) != 1 {
			t.Errorf("%s: members %q", name, got)
		}
		stranger.stop()
	}
}

// TestKeysMayTurn changes the key in three steps, in which two processes always
// have one in common.
func TestKeysMayTurn(t *testing.T) {
	a := begin(t, "carts", "a", [][]byte{key(1)})
	b := begin(t, "carts", "b", [][]byte{key(1)}, a.Addr())
	a.meet(t, "a", "b")
	version := int64(0)
	for _, keys := range [][][]byte{{key(1), key(2)}, {key(2), key(1)}, {key(2)}} {
		for _, p := range []*process{a, b} {
			p.mu.Lock()
			p.keys = keys
			p.mu.Unlock()
			poll(t, func() bool { return slices.EqualFunc(p.keyring.GetKeys(), keys, bytes.Equal) })
			version++
			a.Tell(Note{"x", version})
			b.await(t, "a note", func() bool { return slices.Contains(b.notes, Note{"x", version}) })
		}
	}
	old := begin(t, "carts", "old", [][]byte{key(1)}, a.Addr())
	poll(t, func() bool { return a.stats.Refused.Load() > 0 })
	if got := a.Members(); len(got) != 2 {
		t.Errorf("members %q with the key of before", got)
	}
	old.stop()
}

func TestWhatCannotBeListenedOn(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no port":    {Service: "carts", Name: "a", Listen: "127.0.0.1"},
		"no service": {Name: "a", Listen: "127.0.0.1:0"},
		"no keys":    {Service: "carts", Name: "a", Listen: "127.0.0.1:0", Keys: func() [][]byte { return nil }},
		"short key":  {Service: "carts", Name: "a", Listen: "127.0.0.1:0", Keys: func() [][]byte { return [][]byte{{1}} }},
	} {
		cfg.Stats = &Stats{}
		if _, err := Listen(slog.New(slog.DiscardHandler), cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A history is what the clients of the instances saw, and what they sent.
type history struct {
	mu    sync.Mutex // protects what follows
	acked map[string]map[string]string
	sent  int
	errs  map[string]int
}

func (h *history) note(id, item string, o entity.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent++
	if o.Err != nil {
		h.errs[o.Err.Error()]++
		return
	}
	if h.acked[id] == nil {
		h.acked[id] = map[string]string{}
	}
	h.acked[id][item] = string(o.Reply.Value)
}

// check compares the history of one instance with its journal: each client saw
// the journal up to its own item, so that acknowledged items are there once, in
// one order that all agree on; and what was not acknowledged is not there. (No
// outcome is unknown here: nobody evicts the member.)
func (h *history) check(t *testing.T, id string, journal []string) {
	t.Helper()
	for item, saw := range h.acked[id] {
		at := slices.Index(journal, item)
		if at < 0 {
			t.Errorf("%s: %s was acknowledged and is lost", id, item)
			continue
		}
		if want := strings.Join(journal[:at+1], ","); saw != want {
			t.Errorf("%s: the client of %s saw %s, stored is %s", id, item, saw, want)
		}
	}
	if n := len(h.acked[id]); n != len(journal) {
		t.Errorf("%s: %d items were acknowledged, %d are stored", id, n, len(journal))
	}
	next := map[string]int{} // of each client
	for _, item := range journal {
		var client string
		var n int
		if _, err := fmt.Sscanf(item, "c%1s-%d", &client, &n); err != nil {
			t.Fatal(err)
		}
		if n < next[client] {
			t.Errorf("%s: %s is stored after a later one of its client", id, item)
		}
		next[client] = n
	}
}

// faulty plays a function with faults in all places where there can be any.
func faulty(s *livetest.Stream, rng *rand.Rand) {
	list := &livetest.List{Snapshots: 7}
	for {
		m, err := s.Next()
		if err != nil {
			s.End(nil)
			return
		}
		fault := rng.IntN(60)
		if m.GetCommand() == nil {
			fault *= 40 // a replay is long
		}
		out, err := list.Take(m)
		switch {
		case err != nil:
			panic(err)
		case fault == 0:
			s.End(fmt.Errorf("test: %w", entity.ErrProtocol))
			return
		case out == nil:
			continue
		}
		id := out.GetReply().GetCommandId()
		switch fault {
		case 1:
			out = livetest.Failure(id, "test")
		case 2:
			out = livetest.Refusal(id, "test", true)
		case 3:
			out.GetReply().CommandId++
		case 4:
			if s.Send(out) == nil {
				s.End(nil)
			}
			return
		case 5, 6:
			runtime.Gosched()
		}
		if s.Send(out) != nil {
			return
		}
	}
}

// A shaky store refuses some commits, and loses the answers of others.
type shaky struct {
	*store
	mu  sync.Mutex // protects rng
	rng *rand.Rand
}

var errLost = errors.New("answer lost")

func (s *shaky) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	s.mu.Lock()
	fault := s.rng.IntN(200)
	s.mu.Unlock()
	switch fault {
	case 0:
		return errLost
	case 1, 2, 3:
		return fmt.Errorf("test says so: %w", entity.ErrRefused)
	}
	err := s.store.Commit(ctx, at, writes)
	if fault == 4 && err == nil {
		return errLost
	}
	return err
}

// TestHistoryUnderFaults has many clients, few instances and faults everywhere,
// and compares what the clients saw with what is stored at the end.
func TestHistoryUnderFaults(t *testing.T) {
	t.Run("events", func(t *testing.T) { historyUnderFaults(t, lists, false, faulty, (*rig).stored) })
	t.Run("values", func(t *testing.T) { historyUnderFaults(t, values, false, faultyValue, (*rig).storedItems) })
	t.Run("events while shards move", func(t *testing.T) { historyUnderFaults(t, lists, true, faulty, (*rig).stored) })
}

func historyUnderFaults(t *testing.T, e *route.Entity, moving bool, faulty func(*livetest.Stream, *rand.Rand), stored func(*rig, string) []string) {
	const clients, commands, keys = 8, 150, 3
	for seed := range uint64(4) {
		r := newRig(t, func(cfg *live.Config) {
			cfg.Idle = 2 * time.Millisecond
			cfg.Limits.Mailbox = 6
			cfg.Limits.Undecided = 4
			cfg.Lanes[0].Store = &shaky{store: cfg.Journal.(*store), rng: rand.New(rand.NewPCG(seed, 0))}
		})
		var streams atomic.Uint64
		var function sync.WaitGroup
		r.fn.Opened = func(s *livetest.Stream) {
			rng := rand.New(rand.NewPCG(seed, 1+streams.Add(1)))
			function.Go(func() { faulty(s, rng) })
		}
		h := &history{acked: map[string]map[string]string{}, errs: map[string]int{}}
		var work sync.WaitGroup
		for client := range clients {
			work.Go(func() { r.client(e, h, client, commands, keys, rand.New(rand.NewPCG(seed, 1_000_000+uint64(client)))) })
		}
		stop := func() {}
		if moving {
			stop = r.move(e, keys)
		}
		work.Wait()
		stop()
		r.close()
		function.Wait()
		acked := 0
		for k := range keys {
			id := fmt.Sprint("k", k)
			h.check(t, id, stored(r, id))
			acked += len(h.acked[id])
		}
		if h.sent != clients*commands || acked < h.sent/40 { // while the function is away commands fail fast, and many in the time of one
			t.Errorf("seed %d: %d commands, %d acknowledged, errors %v", seed, h.sent, acked, h.errs)
		}
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// client sends commands, some of them without waiting for the one before.
func (r *rig) client(e *route.Entity, h *history, client, commands, keys int, rng *rand.Rand) {
	var open []func()
	for n := range commands {
		id, item := fmt.Sprint("k", rng.IntN(keys)), fmt.Sprintf("c%d-%d", client, n)
		c := r.submitTo(e, id, item)
		open = append(open, func() { h.note(id, item, <-c.out) })
		if rng.IntN(3) > 0 {
			for _, wait := range open {
				wait()
			}
			open = nil
		}
		switch rng.IntN(100) {
		case 0:
			r.set.Passivate()
		case 1:
			r.fn.Leave()
			runtime.Gosched()
			r.fn.Return()
		}
	}
	for _, wait := range open {
		wait()
	}
}

// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proxy/crdt"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/replica"
)

// TestManyAtOnce has callers come, follow and go while the function counts, ends
// its streams at any time and is passivated. All that was answered must be in
// the state.
func TestManyAtOnce(t *testing.T) {
	fn := &function{streams: make(chan *stream, 10_000)}
	set := replica.New(slog.New(slog.DiscardHandler), replica.Config{
		Self: "self", Function: fn, Limits: limits(), Idle: time.Millisecond, Grace: time.Second, Report: func(string) {},
	})
	ctx, end := context.WithCancel(t.Context())
	var functions, callers sync.WaitGroup
	functions.Go(func() {
		for {
			select {
			case s := <-fn.streams:
				functions.Go(func() { serve(ctx, s) })
			case <-ctx.Done():
				return
			}
		}
	})
	ids := []string{"a", "b", "c"}
	var added [3]atomic.Int64
	for range 8 {
		callers.Go(func() {
			for range 200 {
				i := rand.IntN(len(ids))
				if rand.IntN(4) == 0 {
					follow(ctx, set, ids[i])
				} else if add(set, ids[i]) == nil {
					added[i].Add(1)
				}
			}
		})
	}
	callers.Wait()
	if err := set.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	end()
	functions.Wait()
	for i, id := range ids {
		_, state := set.Asleep(key(id)).Open(crdt.NewMembers("self"))
		if n := int64(state.GetGcounter().GetIncrement()); n < added[i].Load() { // canceled calls add, too
			t.Errorf("%s is %d, %d were answered", id, n, added[i].Load())
		}
	}
	done := set.Stats()[counters.Name]
	if n := done.Open.Load(); n != 0 {
		t.Errorf("%d streamed calls are open", n)
	}
	if r, all := done.Received.Load(), done.Completed.Load()+done.Failed.Load(); r != all {
		t.Errorf("%d commands came, %d have an outcome", r, all)
	}
}

func add(set *replica.Set, id string) error {
	out := make(chan entity.Outcome, 1)
	set.Submit(counters, id, &instance.Command{
		Call: entity.Call{Command: "Add"}, Arrived: time.Now(), Done: func(o entity.Outcome) { out <- o },
	})
	return (<-out).Err
}

// follow opens a streamed call for a moment.
func follow(ctx context.Context, set *replica.Set, id string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	// However it ends.
	_ = set.Stream(ctx, monitor, id, entity.Call{Command: "Monitor", Done: ctx.Done()}, func(o entity.Outcome) error {
		if n++; n == 2 {
			cancel()
		}
		return o.Err
	})
}

// serve is a function that counts, and now and then ends its stream.
func serve(ctx context.Context, s *stream) {
	f := side{stream: s}
	var open []int64
	say := func(m *out) {
		data, err := proto.Marshal(m)
		if err != nil {
			panic(err)
		}
		select {
		case s.out <- data:
		case <-s.canceled:
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.canceled:
			return
		case <-s.half:
			f.end(io.EOF)
			return
		case m := <-s.in:
			switch c := m.GetCommand(); {
			case rand.IntN(50) == 0:
				f.end(io.EOF)
				return
			case c.GetStreamed():
				say(streamedReply(c.GetId(), text("0")))
				open = append(open, c.GetId())
				say(message(c.GetId(), text("1"), false))
			case c != nil:
				say(reply(c.GetId(), "x", update(count(1))))
				for _, id := range open {
					say(message(id, text("x"), false))
				}
			case m.GetStreamCancelled() != nil:
				say(cancelled(m.GetStreamCancelled().GetId(), update(count(1))))
			}
		}
	}
}

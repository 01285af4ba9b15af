// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
)

// calls counts what goes over the network.
type calls struct{ unary, streamed atomic.Int64 }

func (c *calls) options() []option.ClientOption {
	return []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			c.unary.Add(1)
			return invoke(ctx, method, req, reply, cc, opts...)
		})),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			c.streamed.Add(1)
			return streamer(ctx, desc, cc, method, opts...)
		})),
	}
}

// join returns a position at which s can commit.
func join(t testing.TB, s *Store, lanes int) entity.Position {
	t.Helper()
	m, err := tested{s, nil}.Join(t.Context(), lanes)
	if err != nil {
		t.Fatal(err)
	}
	return entity.Position{Member: m}
}

func key(i int) entity.Key { return entity.Key{Entity: "shop.Cart/cart", ID: fmt.Sprint("user-", i)} }

// event returns a write of one event of key i.
func event(i int, seq entity.Seq) entity.Write {
	return entity.Write{Key: key(i), Events: []entity.Event{{Seq: seq, Payload: entity.Payload{TypeURL: "t", Value: []byte("value")}}}}
}

// bringUp reads what a proxy reads before it writes.
func bringUp(t testing.TB, s *Store, key entity.Key) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Events(t.Context(), key, snap.Seq) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAGroupIsOneCall(t *testing.T) {
	var n calls
	s := open(t, n.options()...)
	at := join(t, s, 1)
	for i := range 64 {
		bringUp(t, s, key(i))
	}
	const groups = 10
	unary, streamed := n.unary.Load(), n.streamed.Load()
	for seq := entity.Seq(1); seq <= groups; seq++ {
		var writes []entity.Write
		for i := range 64 {
			writes = append(writes, event(i, seq))
		}
		if err := s.Commit(t.Context(), at, writes); err != nil {
			t.Fatal(err)
		}
		at.N++
	}
	if u, st := n.unary.Load()-unary, n.streamed.Load()-streamed; u != groups || st != 0 {
		t.Errorf("%d groups took %d calls and %d streams", groups, u, st)
	}
	if got := s.stats.Commits.Load() - s.stats.Aborted.Load(); got < groups {
		t.Errorf("counted %d commits", got)
	}
}

func TestWhatSpannerCanNotTakeIsRefused(t *testing.T) {
	s := open(t)
	at := join(t, s, 1)
	big := entity.Payload{TypeURL: "t", Value: make([]byte, maxCell+1)}
	many := event(1, 1)
	for seq := entity.Seq(2); seq < 12_000; seq++ {
		many.Events = append(many.Events, entity.Event{Seq: seq})
	}
	large := entity.Write{Key: key(1)}
	for seq := entity.Seq(1); seq <= 11; seq++ {
		large.Events = append(large.Events, entity.Event{Seq: seq, Payload: entity.Payload{Value: big.Value[:maxCell]}})
	}
	for _, tt := range []struct {
		write entity.Write
		want  string
	}{
		{entity.Write{Key: key(1), Events: []entity.Event{{Seq: 1, Payload: big}}}, "event of 10485761 bytes, and Spanner takes 10485760"},
		{entity.Write{Key: key(1), Snapshot: &entity.Snapshot{Payload: big}}, "snapshot of 10485761 bytes"},
		{entity.Write{Key: key(1), Value: &entity.Value{Version: 1, Payload: big}}, "value of 10485761 bytes"},
		{entity.Write{Key: entity.Key{Entity: "e", ID: strings.Repeat("x", maxKey)}, Trim: 1}, "entity and key of 8193 bytes"},
		{entity.Write{Key: key(1), Reply: &entity.Reply{Key: entity.IdemKey(strings.Repeat("x", 3000))}}, "idempotency key of 3000 bytes"},
		{entity.Write{Key: key(1), Events: []entity.Event{{Seq: 1, Payload: entity.Payload{TypeURL: "\xff"}}}}, "is not UTF-8"},
		{many, "columns in one commit, and Spanner takes 80000"},
		{large, "bytes in one commit, and Spanner takes 104857600"},
	} {
		err := s.Commit(t.Context(), at, []entity.Write{event(2, 1), tt.write})
		if !errors.Is(err, entity.ErrRefused) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 400 {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	if n, ok, err := s.Position(t.Context(), at.Member, 0); n != 0 || !ok || err != nil {
		t.Errorf("lane stands at %d, %v, %v", n, ok, err)
	}
	longest := entity.Write{Key: entity.Key{ID: strings.Repeat("x", s.MaxKey())}, Events: event(1, 1).Events}
	longest.Reply = &entity.Reply{Key: entity.IdemKey(strings.Repeat("x", maxIdem))}
	if err := s.Commit(t.Context(), at, []entity.Write{longest}); err != nil {
		t.Errorf("the longest key that is allowed: %v", err)
	}
}

// TestAnAppliedCommitIsNotRefused sends a commit again that was applied, by a
// process that doesn't know. The rows are there then, but it is the lane that
// says why.
func TestAnAppliedCommitIsNotRefused(t *testing.T) {
	s := open(t)
	at := join(t, s, 1)
	write := event(1, 1)
	write.Reply = &entity.Reply{Key: entity.ClientKey("a")}
	if err := s.Commit(t.Context(), at, []entity.Write{write}); err != nil {
		t.Fatal(err)
	}
	for _, forget := range []bool{false, true} {
		if forget {
			s.ends.clear()
		}
		if err := s.Commit(t.Context(), at, []entity.Write{write}); !errors.Is(err, entity.ErrLaneMoved) {
			t.Fatalf("sent again: %v, want %v", err, entity.ErrLaneMoved)
		}
	}
	at.N++
	if err := s.Commit(t.Context(), at, []entity.Write{event(1, 2)}); err != nil {
		t.Fatal(err)
	}
}

// TestStrangersAreLookedUpTogether commits to instances that nobody has read: a
// read for each table, however many there are.
func TestStrangersAreLookedUpTogether(t *testing.T) {
	n := &calls{}
	s := open(t, n.options()...)
	at := join(t, s, 1)
	var first, second []entity.Write
	for i := range 40 {
		first = append(first, snapshotted(event(i, 1), 1), valued(100+i, 1))
		second = append(second, event(i, 2), valued(100+i, 2))
	}
	for i, writes := range [][]entity.Write{first, second} {
		s.ends.clear()
		n.streamed.Store(0)
		if err := s.Commit(t.Context(), at, writes); err != nil {
			t.Fatal(err)
		}
		at.N++
		if got := n.streamed.Load(); got != 3 {
			t.Errorf("commit %d: %d reads, want 3", i, got)
		}
	}
}

func snapshotted(w entity.Write, seq entity.Seq) entity.Write {
	w.Snapshot = &entity.Snapshot{Seq: seq}
	return w
}

func valued(i int, version entity.Seq) entity.Write {
	return entity.Write{Key: key(i), Value: &entity.Value{Version: version, Exists: true}}
}

// TestTooLargeAnEventHarmsItselfOnly has one between others of its group. It gets
// an error that says what is too large; the others are stored, and 1 MiB is fine.
func TestTooLargeAnEventHarmsItselfOnly(t *testing.T) {
	s := open(t)
	l := lane.New(logTo(t), lane.Config{Store: s, Member: join(t, s, 1).Member, MaxWrites: 64, MaxBytes: 64 << 20, Stats: &lane.Stats{}})
	verdicts := make(chan error, 3)
	for i, size := range []int{1 << 20, maxCell + 1, 1 << 20} {
		w := event(i, 1)
		w.Events[0].Value = make([]byte, size)
		l.Join(&lane.Chain{Verdict: func(err error) { verdicts <- err }}, w)
	}
	ctx, end := context.WithCancel(t.Context())
	end() // when all that has joined is done
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		err := <-verdicts
		if i != 1 && err != nil || i == 1 && (!errors.Is(err, entity.ErrRefused) || !strings.Contains(err.Error(), "event of 10485761 bytes")) {
			t.Errorf("verdict %d: %v", i, err)
		}
		n := 0
		for e, err := range s.Events(t.Context(), key(i), 0) {
			if n++; err != nil || len(e.Value) != 1<<20 {
				t.Errorf("instance %d: event of %d bytes, %v", i, len(e.Value), err)
			}
		}
		if n != 1-i%2 {
			t.Errorf("instance %d has %d events", i, n)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/store/storetest"
)

// troubled opens the service of s over a network that, once it is open, loses
// requests and answers of commits and brings some commits twice, lets some wait for
// others, and breaks off what is read.
func troubled(t *testing.T, s *Store, seed uint64) *Store {
	t.Helper()
	n := &network{rnd: rand.New(rand.NewPCG(seed, 0))}
	far := another(t, s,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(n.unary)),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(n.stream)))
	n.bad.Store(true)
	return far
}

// What troubled calls end with. The library tries again what was cut, and not what
// was lost.
var (
	errLost = status.Error(codes.DeadlineExceeded, "lost on the way")
	errCut  = status.Error(codes.Unavailable, "connection was cut")
)

type network struct {
	bad atomic.Bool // whether there is any trouble
	mu  sync.Mutex  // protects rnd
	rnd *rand.Rand
}

func (n *network) chance(of int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rnd.IntN(of)
}

func (n *network) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	call := func() error { return invoke(ctx, method, req, reply, cc, opts...) }
	if method != commitMethod || !n.bad.Load() {
		return call()
	}
	switch n.chance(10) {
	case 0, 1: // before
		return errLost
	case 2, 3: // after
		return errors.Join(errLost, call())
	case 4, 5: // twice, of which the second is heard
		if err := call(); err != nil {
			return err
		}
	case 6:
		_ = call()
		return errCut
	case 7:
		<-time.After(time.Duration(n.chance(int(5 * time.Millisecond))))
	}
	return call()
}

func (n *network) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !n.bad.Load() {
		return open(ctx, desc, cc, method, opts...)
	}
	switch n.chance(40) {
	case 0:
		return nil, errLost
	case 1:
		return nil, errCut
	}
	fate := n.chance(20)
	if fate > 1 {
		return open(ctx, desc, cc, method, opts...)
	}
	ctx, cancel := context.WithCancel(ctx)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &broken{s, cancel, n.chance(3), []error{errLost, errCut}[fate]}, nil
}

// A broken stream ends after some messages.
type broken struct {
	grpc.ClientStream
	cancel context.CancelFunc
	left   int
	err    error
}

func (b *broken) RecvMsg(m any) error {
	if b.left--; b.left >= 0 {
		return b.ClientStream.RecvMsg(m)
	}
	b.cancel()
	for b.ClientStream.RecvMsg(m) == nil { // until it has ended
	}
	return b.err
}

// A behind store is one behind a troubled network. Its members come and go
// by another way: how a join finds itself again is tested elsewhere.
type behind struct {
	tested
	direct tested
}

func (b behind) Join(ctx context.Context, lanes int) (entity.Member, error) {
	b.ends.clear()
	return b.direct.Join(ctx, lanes)
}

func (b behind) Evict(m entity.Member) { b.direct.Evict(m) }

func TestStoreWithFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	storetest.RunWithFaults(t, func(t *testing.T) storetest.Store {
		direct := open(t)
		return behind{tested{troubled(t, direct, seed), t}, tested{direct, t}}
	})
}

// TestEveryWriteCountsOnceWhateverIsLost runs lanes over a network that loses
// two of five commits or their answers.
func TestEveryWriteCountsOnceWhateverIsLost(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := open(t)
	at := join(t, s, 2)
	bad := troubled(t, s, seed)
	const events = 30
	ctx, end := context.WithCancel(t.Context())
	var running, waiting sync.WaitGroup
	var lanes [2]*lane.Lane
	for i := range lanes {
		lanes[i] = lane.New(slog.New(slog.DiscardHandler), lane.Config{Store: bad, Member: at.Member, Lane: i, MaxWrites: 8, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
		running.Go(func() {
			if err := lanes[i].Run(ctx); err != nil {
				t.Errorf("lane %d: %v", i, err)
			}
		})
		chain := &lane.Chain{Verdict: func(err error) {
			if err != nil {
				t.Errorf("verdict of lane %d: %v", i, err)
			}
			waiting.Done()
		}}
		for seq := entity.Seq(1); seq <= events; seq++ {
			waiting.Add(1)
			lanes[i].Join(chain, event(i, seq))
		}
	}
	waiting.Wait()
	end()
	running.Wait()
	for i := range lanes {
		n := 0
		for e, err := range s.Events(t.Context(), key(i), 0) {
			if n++; err != nil || e.Seq != entity.Seq(n) {
				t.Fatalf("event %d of %d: %v", n, e.Seq, err)
			}
		}
		if n != events {
			t.Errorf("instance %d has %d events, want %d", i, n, events)
		}
	}
}

// TestARefusalIsSure loses the answer of a commit, and then the reads that would
// tell that it was applied: it must not be called refused.
func TestARefusalIsSure(t *testing.T) {
	s := open(t)
	at := join(t, s, 1)
	var lost, reads atomic.Bool
	far := another(t, s,
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if method == commitMethod && lost.Load() {
				return errLost
			}
			return err
		})),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			if reads.Load() {
				return nil, errLost
			}
			return open(ctx, desc, cc, method, opts...)
		})))
	lost.Store(true)
	if err := far.Commit(t.Context(), at, []entity.Write{event(1, 1)}); err == nil || errors.Is(err, entity.ErrRefused) {
		t.Fatalf("commit whose answer was lost: %v", err)
	}
	bringUp(t, far, key(1)) // so that the event is known not to follow
	reads.Store(true)
	if err := far.Commit(t.Context(), at, []entity.Write{event(1, 1)}); err == nil || errors.Is(err, entity.ErrRefused) {
		t.Errorf("sent again without a look at the lane: %v", err)
	}
	reads.Store(false)
	if err := far.Commit(t.Context(), at, []entity.Write{event(1, 1)}); !errors.Is(err, entity.ErrLaneMoved) {
		t.Errorf("sent again: %v, want %v", err, entity.ErrLaneMoved)
	}
}

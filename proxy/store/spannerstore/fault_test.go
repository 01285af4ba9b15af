// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
)

// troubled is a network that loses requests and answers of commits and brings
// some commits twice.
func troubled(rnd *rand.Rand) option.ClientOption {
	var mu sync.Mutex // protects rnd
	lost := status.Error(codes.DeadlineExceeded, "lost on the way")
	return option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if method != commitMethod {
				return invoke(ctx, method, req, reply, cc, opts...)
			}
			mu.Lock()
			fate := rnd.IntN(5)
			mu.Unlock()
			switch fate {
			case 0: // before
				return lost
			case 1: // after
				return errors.Join(lost, invoke(ctx, method, req, reply, cc, opts...))
			case 2: // twice, of which the second is heard
				if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
					return err
				}
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
}

// TestEveryWriteCountsOnceWhateverIsLost runs lanes over a network that loses
// two of five commits or their answers.
func TestEveryWriteCountsOnceWhateverIsLost(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := open(t)
	at := join(t, s, 2)
	bad := another(t, s, 0, troubled(rand.New(rand.NewPCG(seed, 0))))
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

// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// How often things are killed, and under which load.
const (
	rounds  = 200
	carts   = 4
	clients = 8
)

// TestKilledUnderLoad kills the proxy, the function, or both with SIGKILL at a
// random moment of a load, starts what was killed and reads everything.
func TestKilledUnderLoad(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "samples/shoppingcart")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=embedded", "DATA_DIR=" + dir}}
	t.Cleanup(s.Kill)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	conn := begin(t, s)
	total := 0
	for round := range rounds {
		h := newHistory()
		conn = killOnce(t, s, conn, rnd, h, round)
		readAll(t, conn, h, round)
		h.check(t)
		total += h.acknowledged()
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if total < rounds {
		t.Errorf("only %d changes were acknowledged in %d rounds: there was no load to speak of", total, rounds)
	}
	t.Logf("%d acknowledged changes in %d rounds", total, rounds)
}

func begin(t *testing.T, s *stage.Stage) *grpc.ClientConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func cartName(round, cart int) string { return fmt.Sprintf("round-%d-cart-%d", round, cart) }

// killOnce puts load on the carts of this round, kills something after some
// calls, and returns a connection to what is there then.
func killOnce(t *testing.T, s *stage.Stage, conn *grpc.ClientConn, rnd *rand.Rand, h *history, round int) *grpc.ClientConn {
	t.Helper()
	return interrupt(t, s, conn, rnd, rnd.IntN(300), func(ctx context.Context, client int, r *rand.Rand, answered chan<- struct{}) {
		load(ctx, conn, r, h, round, client, answered)
	})
}

// interrupt has clients, each of which says when it was answered, until ctx ends.
// After so many answers it kills the function or everything, and returns a
// connection to what is there then.
func interrupt(t *testing.T, s *stage.Stage, conn *grpc.ClientConn, rnd *rand.Rand, after int,
	client func(ctx context.Context, i int, r *rand.Rand, answered chan<- struct{}),
) *grpc.ClientConn {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan struct{})
	var wg sync.WaitGroup
	for i := range clients {
		r := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		wg.Go(func() { client(ctx, i, r, answered) })
	}
	for range after {
		<-answered
	}
	killFunction := rnd.IntN(4) == 0
	if killFunction {
		if err := s.KillFunction(); err != nil {
			t.Fatal(err)
		}
	} else {
		s.Kill()
	}
	cancel()
	go func() { wg.Wait(); close(answered) }()
	for range answered { // the last ones
	}
	if killFunction {
		return conn
	}
	return begin(t, s)
}

// load changes and shows carts until ctx ends.
func load(ctx context.Context, conn *grpc.ClientConn, rnd *rand.Rand, h *history, round, client int, calls chan<- struct{}) {
	to := shop.NewShoppingCartClient(conn)
	for n := 0; ctx.Err() == nil; n++ {
		o := op{cart: cartName(round, rnd.IntN(carts))}
		if rnd.IntN(3) > 0 {
			o.add = fmt.Sprintf("%d.%d", client, n)
		}
		call := time.Now()
		products, err := carryOut(ctx, to, o)
		h.record(client, o, call, products, err == nil)
		calls <- struct{}{}
		client += clients // porcupine wants one call at a time of a client, and this one has no answer maybe
	}
}

func carryOut(ctx context.Context, to shop.ShoppingCartClient, o op) (string, error) {
	if o.add != "" {
		_, err := to.AddItem(ctx, &shop.AddItemRequest{UserId: o.cart, ProductId: o.add, Quantity: 1})
		return "", err
	}
	cart, err := to.GetCart(ctx, &shop.GetCartRequest{UserId: o.cart})
	var b strings.Builder
	for _, item := range cart.GetItems() {
		for range item.GetQuantity() { // more than one if a change was applied twice
			b.WriteString(item.GetProductId() + " ")
		}
	}
	return b.String(), err
}

// readAll shows every cart of the round, after everything else.
func readAll(t *testing.T, conn *grpc.ClientConn, h *history, round int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	to := shop.NewShoppingCartClient(conn)
	for cart := range carts {
		o := op{cart: cartName(round, cart)}
		for {
			call := time.Now()
			products, err := carryOut(ctx, to, o)
			if err == nil {
				h.record(-1-cart, o, call, products, true)
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("round %d: %s can't be read: %v", round, o.cart, err)
			}
		}
	}
}

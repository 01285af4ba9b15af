// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

const (
	onceRounds = 25 // how often things are killed while commands with keys are under way
	deafCarts  = 30 // which nobody hears of at first
)

// An order is a command with a key of its own, which its client sends until it is
// acknowledged.
type order struct {
	key       string
	cart, too string
}

// A ledger says which orders are still to be acknowledged, and what all orders
// together have put into each cart.
type ledger struct {
	mu   sync.Mutex // protects what follows
	n    int
	open []order
	want map[string]int64
}

// take returns an order that somebody has tried before, or a new one.
func (l *ledger) take(rnd *rand.Rand) order {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.open); n > 0 {
		o := l.open[n-1]
		l.open = l.open[:n-1]
		return o
	}
	l.n++
	o := order{key: fmt.Sprint("order-", l.n), cart: fmt.Sprint("cart-", rnd.IntN(carts))}
	l.want[o.cart]++
	if rnd.IntN(3) == 0 {
		o.too = fmt.Sprint("other-", rnd.IntN(carts))
		l.want[o.too]++
	}
	return o
}

func (l *ledger) giveBack(o order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, o)
}

func (l *ledger) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// place sends an order, now and then twice at once.
func (l *ledger) place(ctx context.Context, conn *grpc.ClientConn, rnd *rand.Rand, o order) {
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", o.key)
	request := &shop.AddItemRequest{UserId: o.cart, ProductId: "p", Name: o.too, Quantity: 1}
	to := shop.NewShoppingCartClient(conn)
	var twice sync.WaitGroup
	if rnd.IntN(4) == 0 {
		twice.Go(func() { _, _ = to.AddItem(ctx, request) })
	}
	if _, err := to.AddItem(ctx, request); err != nil {
		l.giveBack(o)
	}
	twice.Wait()
}

// TestEverythingHappensOnce kills the proxy, or the function, under a load of
// commands with keys that lead to side effects, forwards and events that are
// consumed. In the end each has happened exactly once: what is in the carts and in
// the accounts is what was ordered, not one more or less.
func TestEverythingHappensOnce(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "hack/crash/till")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=embedded", "DATA_DIR=" + t.TempDir(), "PASSIVATION_TIMEOUT=200ms"}}
	t.Cleanup(s.Kill)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	l := &ledger{want: map[string]int64{}}
	conn := begin(t, s)
	for range onceRounds {
		conn = orderAndKill(t, s, conn, rnd, l)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for l.left() > 0 && ctx.Err() == nil {
		l.place(ctx, conn, rnd, l.take(rnd))
	}
	for name, want := range l.want {
		wantTotals(ctx, t, conn, name, want)
	}
	t.Logf("%d orders in %d rounds", l.n, onceRounds)
	if l.n < 10*onceRounds {
		t.Errorf("only %d orders: there was no load to speak of", l.n)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// orderAndKill has clients place orders until something is killed, and returns a
// connection to what is there then.
func orderAndKill(t *testing.T, s *stage.Stage, conn *grpc.ClientConn, rnd *rand.Rand, l *ledger) *grpc.ClientConn {
	t.Helper()
	return interrupt(t, s, conn, rnd, 30+rnd.IntN(100), func(ctx context.Context, _ int, r *rand.Rand, answered chan<- struct{}) {
		for ctx.Err() == nil {
			l.place(ctx, conn, r, l.take(r))
			answered <- struct{}{}
		}
	})
}

// wantTotals waits until the accounts have what was put into the cart, and wants
// that to be what was ordered.
func wantTotals(ctx context.Context, t *testing.T, conn *grpc.ClientConn, name string, want int64) {
	t.Helper()
	var is totals
	var err error
	for ctx.Err() == nil {
		if is, err = totalsOf(ctx, conn, name); err == nil && is.cart >= want && is.account >= want && is.told >= want {
			break
		}
		<-time.After(20 * time.Millisecond) // effects that failed are tried after a pause
	}
	if is != (totals{want, want, want}) {
		t.Errorf("%s: ordered %d, have %+v, %v", name, want, is, err)
	}
}

// totals are what is in a cart, in its account, and in the account of its events.
type totals struct{ cart, account, told int64 }

func totalsOf(ctx context.Context, conn *grpc.ClientConn, name string) (is totals, err error) {
	cart, err := shop.NewShoppingCartClient(conn).GetCart(ctx, &shop.GetCartRequest{UserId: name})
	if err != nil {
		return is, err
	}
	is.cart = int64(cart.GetItems()[0].GetQuantity())
	for of, cents := range map[string]*int64{name: &is.account, "told-" + name: &is.told} {
		balance, err := bank.NewAccountsClient(conn).GetBalance(ctx, &bank.GetBalanceRequest{AccountId: of})
		if err != nil {
			return is, err
		}
		*cents = balance.GetCents()
	}
	return is, nil
}

// TestNewConsumerIsToldOfWhatWasThere has a function that nobody tells of its
// events. When one comes that hears of them, the proxy is killed while it begins.
func TestNewConsumerIsToldOfWhatWasThere(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "hack/crash/till")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=embedded", "DATA_DIR=" + t.TempDir()}}
	t.Cleanup(s.Kill)
	t.Setenv("TILL_DEAF", "1")
	conn := begin(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	add := func(n int) {
		t.Helper()
		for i := range deafCarts * n {
			request := &shop.AddItemRequest{UserId: fmt.Sprint("cart-", i%deafCarts), ProductId: "p", Quantity: 1}
			if _, err := shop.NewShoppingCartClient(conn).AddItem(ctx, request); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(2)
	s.Kill()
	t.Setenv("TILL_DEAF", "")
	for range 2 {
		conn = begin(t, s)
		add(1)
		s.Kill()
	}
	conn = begin(t, s)
	for i := range deafCarts {
		wantTotals(ctx, t, conn, fmt.Sprint("cart-", i), 4)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

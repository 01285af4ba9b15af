// SPDX-License-Identifier: Apache-2.0

// Demo shows what Kairn is for: it runs the shopping cart behind the proxy,
// kills both in the middle of a load, starts them again and checks that every
// acknowledged change is there. Run it with: make run.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// How much load there is, and for how long.
const (
	carts   = 20
	clients = 16
	before  = 1500 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := newAccount(os.Stdout)
	if err := run(ctx, out); err != nil {
		out.failed(err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out *account) error {
	dir, err := os.MkdirTemp("", "kairn-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in a folder for such things

	out.title("Kairn: a shopping cart without a line of database code, killed and back")
	out.begin("build the proxy and the cart")
	programs, err := stage.Build(ctx, dir, nil, "proxy", "samples/shoppingcart")
	if err != nil {
		return err
	}
	out.done("ready")

	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"STORE=embedded", "DATA_DIR=" + dir + "/data"}}
	defer s.Kill()
	conn, err := start(ctx, out, s, "start both, with a fresh folder")
	if err != nil {
		return err
	}
	if err := hello(ctx, out, conn); err != nil {
		return err
	}

	load := newLoad(carts, clients)
	out.begin("%d clients change %d carts; then SIGKILL for the proxy and the function", clients, carts)
	load.run(ctx, conn, before, s.Kill)
	out.done("%d changes acknowledged, %d cut off on their way", load.acknowledged(), load.unknown())
	if load.acknowledged() == 0 {
		return fmt.Errorf("no change was acknowledged; the last error: %w", load.lastError())
	}

	if conn, err = start(ctx, out, s, "start both again, on the same folder"); err != nil {
		return err
	}
	out.begin("compare every cart with what its clients were told")
	if err := load.compare(ctx, conn); err != nil {
		return err
	}
	out.done("%d carts, %d acknowledged changes: all there, none twice", carts, load.acknowledged())

	out.begin("stop both in order")
	if err := s.Stop(); err != nil {
		return err
	}
	out.done("nothing is left running")
	out.closing("Next: README.md says how to run the proxy by hand, and how to write a function.")
	return nil
}

func start(ctx context.Context, out *account, s *stage.Stage, what string) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out.begin("%s", what)
	conn, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	out.done("serving at %s", conn.Target()[len("passthrough:///"):])
	return conn, nil
}

// hello does by hand what the load does many times.
func hello(ctx context.Context, out *account, conn *grpc.ClientConn) error {
	client := shop.NewShoppingCartClient(conn)
	out.begin("add 3 apples and 1 loaf of bread to alice's cart, and take the bread out")
	for _, in := range []*shop.AddItemRequest{
		{UserId: "alice", ProductId: "apple", Name: "Apple", Quantity: 3},
		{UserId: "alice", ProductId: "bread", Name: "Bread", Quantity: 1},
	} {
		if _, err := client.AddItem(ctx, in); err != nil {
			return err
		}
	}
	if _, err := client.RemoveItem(ctx, &shop.RemoveItemRequest{UserId: "alice", ProductId: "bread"}); err != nil {
		return err
	}
	cart, err := client.GetCart(ctx, &shop.GetCartRequest{UserId: "alice"})
	if err != nil {
		return err
	}
	var items []string
	for _, i := range cart.GetItems() {
		items = append(items, fmt.Sprintf("%d x %s", i.GetQuantity(), i.GetName()))
	}
	out.done("in the cart: %s", strings.Join(items, ", "))
	return nil
}

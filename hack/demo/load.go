// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// A load is clients that change carts and remember what they were told. Each
// client has a product of its own in every cart, so that it alone knows how
// many there must be.
type load struct {
	carts   int
	clients []*client
}

// A client sends one change at a time.
type client struct {
	product  string
	quantity []int32 // by cart, of what was acknowledged
	acked    int
	pending  int   // the cart of a change without an answer, or -1
	after    int32 // its quantity, if the change was carried out
	err      error // the last one
}

func newLoad(carts, clients int) *load {
	l := &load{carts: carts}
	for i := range clients {
		l.clients = append(l.clients, &client{
			product:  fmt.Sprintf("product-%d", i),
			quantity: make([]int32, carts),
			pending:  -1,
		})
	}
	return l
}

func user(cart int) string { return fmt.Sprintf("user-%d", cart) }

// run lets all clients change carts, calls kill after some time, and returns
// when no client gets an answer any more.
func (l *load) run(ctx context.Context, conn *grpc.ClientConn, d time.Duration, kill func()) {
	var wg sync.WaitGroup
	for _, c := range l.clients {
		wg.Go(func() { c.run(ctx, shop.NewShoppingCartClient(conn)) })
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	kill()
	wg.Wait()
}

// run changes carts until a change fails.
func (c *client) run(ctx context.Context, to shop.ShoppingCartClient) {
	for {
		cart := rand.IntN(len(c.quantity))
		now := c.quantity[cart]
		if now > 0 && rand.IntN(4) == 0 {
			c.after = 0
			_, c.err = to.RemoveItem(ctx, &shop.RemoveItemRequest{UserId: user(cart), ProductId: c.product})
		} else {
			more := 1 + rand.Int32N(5)
			c.after = now + more
			_, c.err = to.AddItem(ctx, &shop.AddItemRequest{UserId: user(cart), ProductId: c.product, Name: c.product, Quantity: more})
		}
		if c.err != nil {
			c.pending = cart
			return
		}
		c.quantity[cart] = c.after
		c.acked++
	}
}

func (l *load) acknowledged() int {
	n := 0
	for _, c := range l.clients {
		n += c.acked
	}
	return n
}

func (l *load) unknown() int {
	n := 0
	for _, c := range l.clients {
		if c.pending >= 0 {
			n++
		}
	}
	return n
}

func (l *load) lastError() error { return l.clients[0].err }

// compare reads all carts and reports each quantity that can't be right.
func (l *load) compare(ctx context.Context, conn *grpc.ClientConn) error {
	var errs []error
	for cart := range l.carts {
		got, err := shop.NewShoppingCartClient(conn).GetCart(ctx, &shop.GetCartRequest{UserId: user(cart)})
		if err != nil {
			return err
		}
		quantity := map[string]int32{}
		for _, i := range got.GetItems() {
			quantity[i.GetProductId()] = i.GetQuantity()
		}
		for _, c := range l.clients {
			errs = append(errs, c.check(cart, quantity[c.product]))
		}
	}
	return errors.Join(errs...)
}

// check reports a quantity that is neither what was acknowledged nor what the
// change without an answer would have made of it.
func (c *client) check(cart int, got int32) error {
	if got == c.quantity[cart] || cart == c.pending && got == c.after {
		return nil
	}
	return fmt.Errorf("%s has %d of %s, acknowledged were %d", user(cart), got, c.product, c.quantity[cart])
}

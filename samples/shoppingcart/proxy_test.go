// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// TestBehindTheProxy runs the sample as its README says: as a process, with the
// proxy beside it, and both are restarted in between.
func TestBehindTheProxy(t *testing.T) {
	programs, err := stage.Build(t.Context(), t.TempDir(), nil, "proxy", "samples/shoppingcart")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: programs[0], Function: programs[1], Env: []string{"DATA_DIR=" + t.TempDir()}}
	t.Cleanup(s.Kill)

	carts := shop.NewShoppingCartClient(startBoth(t, s))
	add := func(product string, quantity int32) error {
		_, err := carts.AddItem(t.Context(), &shop.AddItemRequest{UserId: "alice", ProductId: product, Name: strings.ToUpper(product), Quantity: quantity})
		return err
	}
	for _, product := range []string{"apple", "bread", "apple"} {
		if err := add(product, 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := carts.RemoveItem(t.Context(), &shop.RemoveItemRequest{UserId: "alice", ProductId: "bread"}); err != nil {
		t.Fatal(err)
	}
	if err := add("pear", -1); status.Code(err) != codes.Unknown || !strings.Contains(err.Error(), "must be positive") {
		t.Errorf("a wrong quantity: %v", err)
	}
	want := &shop.Cart{Items: []*shop.LineItem{{ProductId: "apple", Name: "APPLE", Quantity: 4}}}
	showsCart(t, carts, want)

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	carts = shop.NewShoppingCartClient(startBoth(t, s))
	showsCart(t, carts, want)
	for range 120 { // more than a snapshot's worth
		if err := add("apple", 1); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill()
	carts = shop.NewShoppingCartClient(startBoth(t, s))
	want.Items[0].Quantity = 124
	showsCart(t, carts, want)
}

func startBoth(t *testing.T, s *stage.Stage) *grpc.ClientConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func showsCart(t *testing.T, carts shop.ShoppingCartClient, want *shop.Cart) {
	t.Helper()
	got, err := carts.GetCart(t.Context(), &shop.GetCartRequest{UserId: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("the cart is %v, want %v", got, want)
	}
}

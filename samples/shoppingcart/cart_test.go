// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

func TestACartHoldsWhatWasAddedAndNotRemoved(t *testing.T) {
	proxy := sdktest.New(t, carts())
	client := shop.NewShoppingCartClient(proxy)
	add(t, client, "ann", "tea", 2)
	add(t, client, "ann", "cup", 1)
	add(t, client, "ann", "tea", 3)
	if _, err := client.RemoveItem(t.Context(), &shop.RemoveItemRequest{UserId: "ann", ProductId: "cup"}); err != nil {
		t.Fatal(err)
	}
	wantCart(t, client, "ann", "tea 5")
	wantCart(t, client, "bob", "")

	proxy.Passivate()
	wantCart(t, client, "ann", "tea 5")
	if n := len(proxy.Events("shopping-cart", "ann")); n != 4 {
		t.Errorf("%d events stored, want 4", n)
	}
}

func TestACommandEmitsWhatHappened(t *testing.T) {
	proxy := sdktest.New(t, carts())
	client := shop.NewShoppingCartClient(proxy)
	add(t, client, "ann", "tea", 2)
	got := proxy.Events("shopping-cart", "ann")
	want := &shop.ItemAdded{Item: &shop.LineItem{ProductId: "tea", Name: "some tea", Quantity: 2}}
	if len(got) != 1 || !proto.Equal(got[0], want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestACartRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(context.Context, shop.ShoppingCartClient) error
		want string
	}{
		{"nothing", addOf("tea", 0), `the quantity of "tea" must be positive, not 0`},
		{"less than nothing", addOf("tea", -1), `the quantity of "tea" must be positive, not -1`},
		{"a product without an id", addOf("", 1), "the product id is missing"},
		{"more than it can count", addOf("tea", math.MaxInt32), `no cart holds that many of "tea"`},
		{"to give what it hasn't", func(ctx context.Context, c shop.ShoppingCartClient) error {
			_, err := c.RemoveItem(ctx, &shop.RemoveItemRequest{UserId: "ann", ProductId: "cup"})
			return err
		}, `there is no "cup" in the cart`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := shop.NewShoppingCartClient(sdktest.New(t, carts()))
			add(t, client, "ann", "tea", 1)
			err := tt.call(t.Context(), client)
			if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			wantCart(t, client, "ann", "tea 1")
		})
	}
}

func TestASnapshotIsWorthTheEventsBeforeIt(t *testing.T) {
	proxy := sdktest.New(t, carts())
	client := shop.NewShoppingCartClient(proxy)
	for i := range 120 {
		add(t, client, "ann", []string{"tea", "cup"}[i%2], 1)
	}
	if _, events := proxy.Snapshot("shopping-cart", "ann"); events != 100 {
		t.Errorf("snapshot after %d events, want 100", events)
	}
	proxy.Passivate()
	wantCart(t, client, "ann", "tea 60, cup 60")
}

func add(t *testing.T, client shop.ShoppingCartClient, user, product string, quantity int32) {
	t.Helper()
	_, err := client.AddItem(t.Context(), &shop.AddItemRequest{
		UserId: user, ProductId: product, Name: "some " + product, Quantity: quantity,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addOf(product string, quantity int32) func(context.Context, shop.ShoppingCartClient) error {
	return func(ctx context.Context, c shop.ShoppingCartClient) error {
		_, err := c.AddItem(ctx, &shop.AddItemRequest{UserId: "ann", ProductId: product, Quantity: quantity})
		return err
	}
}

func wantCart(t *testing.T, client shop.ShoppingCartClient, user, want string) {
	t.Helper()
	cart, err := client.GetCart(t.Context(), &shop.GetCartRequest{UserId: user})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for i, item := range cart.GetItems() {
		if i > 0 {
			got += ", "
		}
		got += fmt.Sprintf("%s %d", item.GetProductId(), item.GetQuantity())
	}
	if got != want {
		t.Errorf("the cart of %s has %q, want %q", user, got, want)
	}
}

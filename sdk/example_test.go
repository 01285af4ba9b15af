// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Basket only knows how many there are of each product.
type Basket struct {
	shop.UnimplementedShoppingCartServer
	quantities map[string]int32
}

// AddItem is a command: it decides, and emits what it has decided.
func (b *Basket) AddItem(ctx context.Context, in *shop.AddItemRequest) (*emptypb.Empty, error) {
	if in.GetQuantity() <= 0 {
		return nil, errors.New("how many?")
	}
	sdk.Emit(ctx, &shop.ItemAdded{Item: &shop.LineItem{ProductId: in.GetProductId(), Quantity: in.GetQuantity()}})
	return &emptypb.Empty{}, nil
}

// GetCart is a command that only looks.
func (b *Basket) GetCart(context.Context, *shop.GetCartRequest) (*shop.Cart, error) {
	return b.cart(), nil
}

func (b *Basket) cart() *shop.Cart {
	cart := &shop.Cart{}
	for product, n := range b.quantities {
		cart.Items = append(cart.Items, &shop.LineItem{ProductId: product, Quantity: n})
	}
	return cart
}

// itemAdded is an event handler: it changes the state.
func (b *Basket) itemAdded(e *shop.ItemAdded) {
	b.quantities[e.GetItem().GetProductId()] += e.GetItem().GetQuantity()
}

func baskets() sdk.EventSourced[*Basket] {
	return sdk.EventSourced[*Basket]{
		Service:       &shop.ShoppingCart_ServiceDesc,
		PersistenceID: "basket",
		New:           func(string) *Basket { return &Basket{quantities: map[string]int32{}} },
		Events:        []sdk.EventHandler[*Basket]{sdk.On((*Basket).itemAdded)},
	}
}

func ExampleServe() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := sdk.Serve(ctx, baskets()); err != nil {
		fmt.Println(err)
	}
}

func ExampleEventSourced() {
	// Behind a proxy, this would be sdk.Serve(ctx, baskets()).
	proxy, err := sdktest.Open(nil, baskets())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), shop.NewShoppingCartClient(proxy)

	_, err = client.AddItem(ctx, &shop.AddItemRequest{UserId: "ann", ProductId: "tea", Quantity: 2})
	fmt.Println("add 2:", err)
	_, err = client.AddItem(ctx, &shop.AddItemRequest{UserId: "ann", ProductId: "tea", Quantity: 0})
	fmt.Println("add 0:", err)

	proxy.Passivate() // the next command finds a new Basket with the event replayed
	cart, err := client.GetCart(ctx, &shop.GetCartRequest{UserId: "ann"})
	fmt.Println("get:", cart.GetItems()[0].GetQuantity(), err)
	// Output:
	// add 2: <nil>
	// add 0: rpc error: code = Unknown desc = how many?
	// get: 2 <nil>
}

func ExampleNewServer() {
	_, err := sdk.NewServer(nil, sdk.EventSourced[*Basket]{
		Service: &shop.ShoppingCart_ServiceDesc,
		New:     func(string) *Basket { return &Basket{} },
	})
	fmt.Println(err)
	// Output:
	// entity shop.ShoppingCart: PersistenceID is missing
	// entity shop.ShoppingCart: there are no event handlers: list them in Events, each made with sdk.On
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
)

// carts describes the entity.
func carts() sdk.EventSourced[*Cart] {
	return sdk.EventSourced[*Cart]{
		Service:       &shop.ShoppingCart_ServiceDesc,
		PersistenceID: "shopping-cart",
		New:           func(string) *Cart { return &Cart{} },
		Events: []sdk.EventHandler[*Cart]{
			sdk.On((*Cart).itemAdded),
			sdk.On((*Cart).itemRemoved),
		},
		Snapshots: sdk.Snapshots((*Cart).snapshot, (*Cart).restore),
	}
}

// A Cart is the cart of one user. Commands look at it and emit events; only
// the event handlers change it.
type Cart struct {
	shop.UnimplementedShoppingCartServer
	items []*shop.LineItem // in the order in which they were first added
}

// AddItem puts a quantity of a product into the cart.
func (c *Cart) AddItem(ctx context.Context, in *shop.AddItemRequest) (*emptypb.Empty, error) {
	switch {
	case in.GetProductId() == "":
		return nil, errors.New("the product id is missing")
	case in.GetQuantity() <= 0:
		return nil, fmt.Errorf("the quantity of %q must be positive, not %d", in.GetProductId(), in.GetQuantity())
	case int64(c.quantity(in.GetProductId()))+int64(in.GetQuantity()) > math.MaxInt32:
		return nil, fmt.Errorf("no cart holds that many of %q", in.GetProductId())
	}
	sdk.Emit(ctx, &shop.ItemAdded{Item: &shop.LineItem{
		ProductId: in.GetProductId(),
		Name:      in.GetName(),
		Quantity:  in.GetQuantity(),
	}})
	return &emptypb.Empty{}, nil
}

// RemoveItem takes a product out of the cart.
func (c *Cart) RemoveItem(ctx context.Context, in *shop.RemoveItemRequest) (*emptypb.Empty, error) {
	if c.find(in.GetProductId()) < 0 {
		return nil, fmt.Errorf("there is no %q in the cart", in.GetProductId())
	}
	sdk.Emit(ctx, &shop.ItemRemoved{ProductId: in.GetProductId()})
	return &emptypb.Empty{}, nil
}

// GetCart shows the cart.
func (c *Cart) GetCart(context.Context, *shop.GetCartRequest) (*shop.Cart, error) {
	return &shop.Cart{Items: c.items}, nil
}

func (c *Cart) itemAdded(e *shop.ItemAdded) {
	if i := c.find(e.GetItem().GetProductId()); i >= 0 {
		c.items[i].Quantity += e.GetItem().GetQuantity()
		return
	}
	// A copy: the event is what happened, and the item goes on changing.
	c.items = append(c.items, proto.CloneOf(e.GetItem()))
}

func (c *Cart) itemRemoved(e *shop.ItemRemoved) {
	c.items = slices.DeleteFunc(c.items, func(i *shop.LineItem) bool { return i.GetProductId() == e.GetProductId() })
}

func (c *Cart) snapshot() *shop.Cart { return &shop.Cart{Items: c.items} }

func (c *Cart) restore(s *shop.Cart) { c.items = s.GetItems() }

// find returns the index of a product among the items, or -1.
func (c *Cart) find(productID string) int {
	return slices.IndexFunc(c.items, func(i *shop.LineItem) bool { return i.GetProductId() == productID })
}

func (c *Cart) quantity(productID string) int32 {
	if i := c.find(productID); i >= 0 {
		return c.items[i].GetQuantity()
	}
	return 0
}

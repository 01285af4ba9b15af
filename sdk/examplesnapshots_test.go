// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// restore brings a new state to where a snapshot was taken.
func (b *Basket) restore(cart *shop.Cart) {
	for _, item := range cart.GetItems() {
		b.quantities[item.GetProductId()] = item.GetQuantity()
	}
}

func ExampleSnapshots() {
	entity := baskets()
	// What is taken has to hold all that the events have made of the state.
	entity.Snapshots = sdk.Snapshots((*Basket).cart, (*Basket).restore)
	entity.SnapshotEvery = 2
	entity.PassivateAfter = time.Minute // without a command, the proxy gives the Basket up
	proxy, err := sdktest.Open(nil, entity)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), shop.NewShoppingCartClient(proxy)
	for range 3 {
		if _, err := client.AddItem(ctx, &shop.AddItemRequest{UserId: "ann", ProductId: "tea", Quantity: 2}); err != nil {
			fmt.Println(err)
		}
	}
	_, contains := proxy.Snapshot("basket", "ann")
	fmt.Println("events in the snapshot:", contains)

	proxy.Passivate() // what the minute does; now the snapshot is restored, and one event replayed
	cart, err := client.GetCart(ctx, &shop.GetCartRequest{UserId: "ann"})
	fmt.Println("get:", cart.GetItems()[0].GetQuantity(), err)
	// Output:
	// events in the snapshot: 2
	// get: 6 <nil>
}

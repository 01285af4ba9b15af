// SPDX-License-Identifier: Apache-2.0

// Till is a user function whose commands lead to others. What is put into a cart
// is paid into the account of the same name, by a side effect, and, if the item
// says so, put into a second cart too, by a forward. Besides, it hears of its own
// events, and pays for each into an account called told- and the name of the cart.
// So all that was ever asked of it can be counted in three places. With TILL_DEAF=1
// it doesn't hear.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/hack/crash/till/tally"
	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	entities := []sdk.Entity{carts(), accounts(), sdk.Action{Service: &tally.Tally_ServiceDesc, Server: teller{}}}
	if os.Getenv("TILL_DEAF") == "1" {
		entities = entities[:2]
	}
	if err := sdk.Serve(ctx, entities...); err != nil {
		slog.Error("till", "error", err)
		os.Exit(1)
	}
}

func carts() sdk.EventSourced[*cart] {
	return sdk.EventSourced[*cart]{
		Service: &shop.ShoppingCart_ServiceDesc, PersistenceID: "cart",
		New:    func(string) *cart { return &cart{} },
		Events: []sdk.EventHandler[*cart]{sdk.On((*cart).added)},
	}
}

// A cart counts what was put into it.
type cart struct {
	shop.UnimplementedShoppingCartServer
	total int32
}

func (c *cart) added(e *shop.ItemAdded) { c.total += e.GetItem().GetQuantity() }

// AddItem puts something into the cart, and into the one that is named by its
// name if it has one.
func (c *cart) AddItem(ctx context.Context, in *shop.AddItemRequest) (*emptypb.Empty, error) {
	sdk.Emit(ctx, &shop.ItemAdded{Item: &shop.LineItem{ProductId: in.GetProductId(), Quantity: in.GetQuantity()}})
	sdk.Effect(ctx, bank.Accounts_Deposit_FullMethodName, &bank.DepositRequest{AccountId: in.GetUserId(), Cents: int64(in.GetQuantity())})
	if too := in.GetName(); too != "" {
		return sdk.Forward[*emptypb.Empty](ctx, shop.ShoppingCart_AddItem_FullMethodName,
			&shop.AddItemRequest{UserId: too, ProductId: in.GetProductId(), Quantity: in.GetQuantity()})
	}
	return &emptypb.Empty{}, nil
}

// GetCart shows how much was put into the cart.
func (c *cart) GetCart(context.Context, *shop.GetCartRequest) (*shop.Cart, error) {
	return &shop.Cart{Items: []*shop.LineItem{{ProductId: "all", Quantity: c.total}}}, nil
}

func accounts() sdk.ValueEntity[*account] {
	return sdk.ValueEntity[*account]{
		Service: &bank.Accounts_ServiceDesc, PersistenceID: "account",
		New:   func(string) *account { return &account{} },
		State: sdk.State((*account).set),
	}
}

type account struct {
	bank.UnimplementedAccountsServer
	cents int64
}

func (a *account) set(to *bank.Account) { a.cents = to.GetCents() }

// Deposit puts money into the account.
func (a *account) Deposit(ctx context.Context, in *bank.DepositRequest) (*bank.Balance, error) {
	sdk.Update(ctx, &bank.Account{Cents: a.cents + in.GetCents()})
	return &bank.Balance{Cents: a.cents}, nil
}

// GetBalance shows what is in the account.
func (a *account) GetBalance(context.Context, *bank.GetBalanceRequest) (*bank.Balance, error) {
	return &bank.Balance{Cents: a.cents}, nil
}

// A teller hears of what was put into carts.
type teller struct{ tally.UnimplementedTallyServer }

// Added lets the account of the cart answer, which notices if it has answered before.
func (teller) Added(ctx context.Context, in *shop.ItemAdded) (*bank.Balance, error) {
	of, _ := sdk.OriginOf(ctx)
	return sdk.Forward[*bank.Balance](ctx, bank.Accounts_Deposit_FullMethodName,
		&bank.DepositRequest{AccountId: "told-" + of.Instance, Cents: int64(in.GetItem().GetQuantity())})
}

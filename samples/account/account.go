// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/sdk"
)

// accounts describes the entity.
func accounts() sdk.ValueEntity[*Account] {
	return sdk.ValueEntity[*Account]{
		Service:       &bank.Accounts_ServiceDesc,
		PersistenceID: "account",
		New:           func(string) *Account { return &Account{} },
		State:         sdk.State((*Account).set),
	}
}

// An Account is one account. Commands look at it and say what it is to be;
// only set changes it.
type Account struct {
	bank.UnimplementedAccountsServer
	cents    int64
	bookings int64
}

func (a *Account) set(to *bank.Account) { a.cents, a.bookings = to.GetCents(), to.GetBookings() }

// Deposit puts money into the account.
func (a *Account) Deposit(ctx context.Context, in *bank.DepositRequest) (*bank.Balance, error) {
	switch {
	case in.GetCents() <= 0:
		return nil, fmt.Errorf("a deposit must be positive, not %d", in.GetCents())
	case in.GetCents() > math.MaxInt64-a.cents:
		return nil, errors.New("no account holds that much")
	}
	return a.book(ctx, in.GetCents()), nil
}

// Withdraw takes money out of the account.
func (a *Account) Withdraw(ctx context.Context, in *bank.WithdrawRequest) (*bank.Balance, error) {
	switch {
	case in.GetCents() <= 0:
		return nil, fmt.Errorf("a withdrawal must be positive, not %d", in.GetCents())
	case in.GetCents() > a.cents:
		return nil, fmt.Errorf("there are only %d in the account", a.cents)
	}
	return a.book(ctx, -in.GetCents()), nil
}

func (a *Account) book(ctx context.Context, cents int64) *bank.Balance {
	sdk.Update(ctx, &bank.Account{Cents: a.cents + cents, Bookings: a.bookings + 1})
	return &bank.Balance{Cents: a.cents}
}

// GetBalance shows what is in the account.
func (a *Account) GetBalance(context.Context, *bank.GetBalanceRequest) (*bank.Balance, error) {
	return &bank.Balance{Cents: a.cents}, nil
}

// Close deletes the account.
func (a *Account) Close(ctx context.Context, _ *bank.CloseRequest) (*emptypb.Empty, error) {
	if a.cents > 0 {
		return nil, fmt.Errorf("there are still %d in the account", a.cents)
	}
	sdk.Delete(ctx)
	return &emptypb.Empty{}, nil
}

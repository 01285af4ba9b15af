// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

func TestAnAccountHoldsWhatWasPutInAndNotTakenOut(t *testing.T) {
	proxy := sdktest.New(t, accounts())
	client := bank.NewAccountsClient(proxy)
	for _, book := range []func(context.Context, bank.AccountsClient) error{deposit(500), withdraw(120), deposit(30)} {
		if err := book(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, client, 410)
	proxy.Passivate()
	holds(t, client, 410)
	if got, want := proxy.Value("account", "ann"), (&bank.Account{Cents: 410, Bookings: 3}); !proto.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func TestAnAccountRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(context.Context, bank.AccountsClient) error
		want string
	}{
		{"a deposit of nothing", deposit(0), "a deposit must be positive, not 0"},
		{"more than it can count", deposit(math.MaxInt64), "no account holds that much"},
		{"a withdrawal of less than nothing", withdraw(-5), "a withdrawal must be positive, not -5"},
		{"to give what it hasn't", withdraw(101), "there are only 100 in the account"},
		{"to be closed with money in it", closeIt, "there are still 100 in the account"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := bank.NewAccountsClient(sdktest.New(t, accounts()))
			if err := deposit(100)(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			err := tt.call(t.Context(), client)
			if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != tt.want {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			holds(t, client, 100)
		})
	}
}

func TestAClosedAccountBeginsAnew(t *testing.T) {
	proxy := sdktest.New(t, accounts())
	client := bank.NewAccountsClient(proxy)
	for _, call := range []func(context.Context, bank.AccountsClient) error{deposit(5), withdraw(5), closeIt} {
		if err := call(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	if got := proxy.Value("account", "ann"); got != nil {
		t.Errorf("stored %v", got)
	}
	holds(t, client, 0)
	if err := deposit(7)(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if got, want := proxy.Value("account", "ann"), (&bank.Account{Cents: 7, Bookings: 1}); !proto.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func deposit(cents int64) func(context.Context, bank.AccountsClient) error {
	return func(ctx context.Context, c bank.AccountsClient) error {
		_, err := c.Deposit(ctx, &bank.DepositRequest{AccountId: "ann", Cents: cents})
		return err
	}
}

func withdraw(cents int64) func(context.Context, bank.AccountsClient) error {
	return func(ctx context.Context, c bank.AccountsClient) error {
		_, err := c.Withdraw(ctx, &bank.WithdrawRequest{AccountId: "ann", Cents: cents})
		return err
	}
}

func closeIt(ctx context.Context, c bank.AccountsClient) error {
	_, err := c.Close(ctx, &bank.CloseRequest{AccountId: "ann"})
	return err
}

func holds(t *testing.T, client bank.AccountsClient, want int64) {
	t.Helper()
	got, err := client.GetBalance(t.Context(), &bank.GetBalanceRequest{AccountId: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetCents() != want {
		t.Errorf("there are %d in the account, want %d", got.GetCents(), want)
	}
}

// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Wallet is a Purse that can be taken from, for a fee.
type Wallet struct{ Purse }

// Withdraw has the fee paid to another instance, and lets GetBalance answer. Both
// happen once what is left has been stored.
func (w *Wallet) Withdraw(ctx context.Context, in *bank.WithdrawRequest) (*bank.Balance, error) {
	sdk.Update(ctx, &bank.Account{Cents: w.cents - in.GetCents() - 1})
	fee := &bank.DepositRequest{AccountId: "house", Cents: 1}
	sdk.Effect(ctx, bank.Accounts_Deposit_FullMethodName, fee, sdk.Synchronous())
	return sdk.Forward[*bank.Balance](ctx, bank.Accounts_GetBalance_FullMethodName,
		&bank.GetBalanceRequest{AccountId: in.GetAccountId()})
}

func wallets() sdk.ValueEntity[*Wallet] {
	return sdk.ValueEntity[*Wallet]{
		Service:       &bank.Accounts_ServiceDesc,
		PersistenceID: "wallet",
		New:           func(string) *Wallet { return &Wallet{} },
		State:         sdk.State(func(w *Wallet, to *bank.Account) { w.set(to) }),
	}
}

func ExampleForward() {
	proxy, err := sdktest.Open(nil, wallets())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), bank.NewAccountsClient(proxy)

	_, err = client.Deposit(ctx, &bank.DepositRequest{AccountId: "ann", Cents: 700})
	fmt.Println("deposit 700:", err)
	left, err := client.Withdraw(ctx, &bank.WithdrawRequest{AccountId: "ann", Cents: 200})
	fmt.Println("withdraw 200:", left.GetCents(), err) // as GetBalance says
	// Output:
	// deposit 700: <nil>
	// withdraw 200: 499 <nil>
}

func ExampleEffect() {
	proxy, err := sdktest.Open(nil, wallets())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), bank.NewAccountsClient(proxy)

	_, err = client.Withdraw(ctx, &bank.WithdrawRequest{AccountId: "ann", Cents: 200})
	fmt.Println("withdraw 200:", err)
	house, err := client.GetBalance(ctx, &bank.GetBalanceRequest{AccountId: "house"})
	fmt.Println("house:", house.GetCents(), err)
	for _, s := range proxy.Sent() {
		fmt.Printf("%s forward=%t synchronous=%t\n", s.Method, s.Forward, s.Synchronous)
	}
	// Output:
	// withdraw 200: <nil>
	// house: 1 <nil>
	// /bank.Accounts/Deposit forward=false synchronous=true
	// /bank.Accounts/GetBalance forward=true synchronous=false
}

// A Porter goes by the metadata of a request, and says so in that of the reply.
type Porter struct {
	greet.UnimplementedGreeterServer
}

// Greet reads and sets metadata as any gRPC server does.
func (Porter) Greet(ctx context.Context, in *greet.GreetRequest) (*greet.Greeting, error) {
	text := "Hello, " + in.GetName()
	md, _ := metadata.FromIncomingContext(ctx)
	for _, title := range md.Get("title") {
		text = "Hello, " + title + " " + in.GetName()
	}
	return &greet.Greeting{Text: text}, grpc.SetHeader(ctx, metadata.Pairs("door", "front"))
}

func Example_metadata() {
	proxy, err := sdktest.Open(nil, sdk.Action{Service: &greet.Greeter_ServiceDesc, Server: Porter{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()

	ctx := metadata.AppendToOutgoingContext(context.Background(), "title", "Dr.")
	var header metadata.MD
	greeting, err := greet.NewGreeterClient(proxy).Greet(ctx, &greet.GreetRequest{Name: "Ann"}, grpc.Header(&header))
	fmt.Println(greeting.GetText(), err)
	fmt.Println("door:", header.Get("door"))
	// Output:
	// Hello, Dr. Ann <nil>
	// door: [front]
}

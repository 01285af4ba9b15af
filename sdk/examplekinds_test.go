// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Purse knows how much is in it.
type Purse struct {
	bank.UnimplementedAccountsServer
	cents int64
}

// set changes the state.
func (p *Purse) set(to *bank.Account) { p.cents = to.GetCents() }

// Deposit is a command: it decides, and says what the state is to be.
func (p *Purse) Deposit(ctx context.Context, in *bank.DepositRequest) (*bank.Balance, error) {
	sdk.Update(ctx, &bank.Account{Cents: p.cents + in.GetCents()})
	if p.cents > 1000 {
		return nil, errors.New("too heavy") // nothing is stored, and the state is what it was
	}
	return &bank.Balance{Cents: p.cents}, nil
}

// GetBalance is a command that only looks.
func (p *Purse) GetBalance(context.Context, *bank.GetBalanceRequest) (*bank.Balance, error) {
	return &bank.Balance{Cents: p.cents}, nil
}

func ExampleValueEntity() {
	// Behind a proxy, this would be sdk.Serve(ctx, sdk.ValueEntity...).
	proxy, err := sdktest.Open(nil, sdk.ValueEntity[*Purse]{
		Service:       &bank.Accounts_ServiceDesc,
		PersistenceID: "purse",
		New:           func(string) *Purse { return &Purse{} },
		State:         sdk.State((*Purse).set),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), bank.NewAccountsClient(proxy)

	_, err = client.Deposit(ctx, &bank.DepositRequest{AccountId: "ann", Cents: 700})
	fmt.Println("deposit 700:", err)
	_, err = client.Deposit(ctx, &bank.DepositRequest{AccountId: "ann", Cents: 700})
	fmt.Println("deposit 700:", err)

	proxy.Passivate() // the next command finds a new Purse, with what is stored
	balance, err := client.GetBalance(ctx, &bank.GetBalanceRequest{AccountId: "ann"})
	fmt.Println("balance:", balance.GetCents(), err)
	// Output:
	// deposit 700: <nil>
	// deposit 700: rpc error: code = Unknown desc = too heavy
	// balance: 700 <nil>
}

// A Doorman greets all who come, and has the accounts know of each of them.
type Doorman struct {
	greet.UnimplementedGreeterServer
}

// GreetInAllLanguages is a method with many replies, one of them that of another
// command.
func (Doorman) GreetInAllLanguages(in *greet.GreetRequest, stream grpc.ServerStreamingServer[greet.Greeting]) error {
	sdk.Effect(stream.Context(), bank.Accounts_Deposit_FullMethodName, &bank.DepositRequest{AccountId: in.GetName(), Cents: 1})
	if err := stream.Send(&greet.Greeting{Text: "Hello, " + in.GetName()}); err != nil {
		return err
	}
	return sdk.SendForward(stream.Context(), greet.Greeter_Greet_FullMethodName, in)
}

// Greet is a method with one reply.
func (Doorman) Greet(_ context.Context, in *greet.GreetRequest) (*greet.Greeting, error) {
	return &greet.Greeting{Text: "Bonjour, " + in.GetName()}, nil
}

func ExampleAction() {
	proxy, err := sdktest.Open(nil, sdk.Action{Service: &greet.Greeter_ServiceDesc, Server: Doorman{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	stream, err := greet.NewGreeterClient(proxy).GreetInAllLanguages(context.Background(), &greet.GreetRequest{Name: "Ann"})
	for err == nil {
		var greeting *greet.Greeting
		if greeting, err = stream.Recv(); err == nil {
			fmt.Println(greeting.GetText())
		}
	}
	fmt.Println(err)
	for _, s := range proxy.Sent() {
		fmt.Println("sent:", s.Method)
	}
	// Output:
	// Hello, Ann
	// Bonjour, Ann
	// EOF
	// sent: /bank.Accounts/Deposit
	// sent: /greet.Greeter/Greet
}

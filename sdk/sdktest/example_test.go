// SPDX-License-Identifier: Apache-2.0

package sdktest_test

import (
	"context"
	"fmt"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Jar is filled, and never emptied.
type Jar struct {
	bank.UnimplementedAccountsServer
	cents int64
}

func (j *Jar) set(to *bank.Account) { j.cents = to.GetCents() }

// Deposit stores what there is then.
func (j *Jar) Deposit(ctx context.Context, in *bank.DepositRequest) (*bank.Balance, error) {
	sdk.Update(ctx, &bank.Account{Cents: j.cents + in.GetCents()})
	return &bank.Balance{Cents: j.cents}, nil
}

func ExampleOpen() {
	// In a test, this would be sdktest.New(t, ...), which closes it too.
	proxy, err := sdktest.Open(nil, sdk.ValueEntity[*Jar]{
		Service:       &bank.Accounts_ServiceDesc,
		PersistenceID: "jar",
		New:           func(string) *Jar { return &Jar{} },
		State:         sdk.State((*Jar).set),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	client := bank.NewAccountsClient(proxy)
	for range 2 {
		balance, err := client.Deposit(context.Background(), &bank.DepositRequest{AccountId: "ann", Cents: 5})
		fmt.Println("reply:", balance.GetCents(), err)
		proxy.Passivate() // the next command finds a new Jar, with what is stored
	}
	stored := proxy.Value("jar", "ann").(*bank.Account)
	fmt.Println("stored:", stored.GetCents())
	// Output:
	// reply: 5 <nil>
	// reply: 10 <nil>
	// stored: 10
}

// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"

	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/chat/chat"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Forum has data of several types: who has been there, how often each has said
// something, and what was said last.
type Forum struct {
	chat.UnimplementedRoomsServer
	guests sdk.GSet[string]
	said   sdk.ORMap[string, *sdk.GCounter]
	last   sdk.LWWRegister[*chat.Line]
}

// data puts the data together, under names that stay.
func (f *Forum) data() sdk.Data {
	return sdk.Fields(map[string]sdk.Data{"guests": &f.guests, "said": &f.said, "last": &f.last})
}

// Say changes data in place. Here, all others have it before the client is
// answered.
func (f *Forum) Say(ctx context.Context, in *chat.SayRequest) (*chat.Room, error) {
	sdk.Consistently(ctx, sdk.WriteAll)
	f.guests.Add(in.GetGuest())
	f.said.Add(in.GetGuest()).Increment(1) // the entry is there from now on
	f.last.Set(&chat.Line{Guest: in.GetGuest(), Text: in.GetText()})
	return f.room(), nil
}

// Look shows it.
func (f *Forum) Look(context.Context, *chat.LookRequest) (*chat.Room, error) { return f.room(), nil }

func (f *Forum) room() *chat.Room {
	room := &chat.Room{}
	for guest, times := range f.said.All() {
		room.Guests = append(room.Guests, fmt.Sprintf("%s has spoken %d times", guest, times.Value()))
	}
	if line := f.last.Value(); line != nil {
		room.Lines = []*chat.Line{line}
	}
	return room
}

func ExampleFields() {
	proxy, err := sdktest.Open(nil, sdk.CRDT[*Forum]{
		Service: &chat.Rooms_ServiceDesc,
		New:     func(string) *Forum { return &Forum{} },
		Data:    (*Forum).data,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), chat.NewRoomsClient(proxy)
	for _, text := range []string{"Good evening.", "Anybody here?"} {
		if _, err := client.Say(ctx, &chat.SayRequest{Room: "attic", Guest: "ann", Text: text}); err != nil {
			fmt.Println(err)
		}
	}
	proxy.Passivate() // the next command finds a new Forum, with the same data
	room, err := client.Look(ctx, &chat.LookRequest{Room: "attic"})
	fmt.Println(room.GetGuests(), room.GetLines()[0].GetText(), err)
	// Output:
	// [ann has spoken 2 times] Anybody here? <nil>
}

// A Stash can be emptied, after which there is nothing of it.
type Stash struct{ Purse }

// Withdraw takes all, whatever was asked for.
func (s *Stash) Withdraw(ctx context.Context, _ *bank.WithdrawRequest) (*bank.Balance, error) {
	cents := s.cents
	sdk.Delete(ctx) // what is stored; the next command finds a new Stash
	return &bank.Balance{Cents: cents}, nil
}

func ExampleDelete() {
	proxy, err := sdktest.Open(nil, sdk.ValueEntity[*Stash]{
		Service:       &bank.Accounts_ServiceDesc,
		PersistenceID: "stash",
		New:           func(string) *Stash { return &Stash{} },
		State:         sdk.State(func(s *Stash, to *bank.Account) { s.set(to) }),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	ctx, client := context.Background(), bank.NewAccountsClient(proxy)
	_, err = client.Deposit(ctx, &bank.DepositRequest{AccountId: "ann", Cents: 700})
	fmt.Println("deposit 700:", err)
	all, err := client.Withdraw(ctx, &bank.WithdrawRequest{AccountId: "ann"})
	fmt.Println("withdraw:", all.GetCents(), err)
	left, err := client.GetBalance(ctx, &bank.GetBalanceRequest{AccountId: "ann"})
	fmt.Println("balance:", left.GetCents(), err)
	fmt.Println("stored:", proxy.Value("stash", "ann"))
	// Output:
	// deposit 700: <nil>
	// withdraw: 700 <nil>
	// balance: 0 <nil>
	// stored: <nil>
}

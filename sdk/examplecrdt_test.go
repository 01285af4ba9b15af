// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/chat/chat"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A Lobby knows who is in it.
type Lobby struct {
	chat.UnimplementedRoomsServer
	guests sdk.ORSet[string]
}

// Enter is a streamed command: it says now, whenever the data has changed, and
// when the client has gone, what is to be done.
func (l *Lobby) Enter(in *chat.EnterRequest, stream grpc.ServerStreamingServer[chat.Room]) error {
	l.guests.Add(in.GetGuest())
	sdk.OnCancel(stream.Context(), func(context.Context) { l.guests.Remove(in.GetGuest()) })
	sdk.OnChange(stream.Context(), func(context.Context) (*chat.Room, error) { return l.room(), nil })
	return stream.Send(l.room())
}

// Look is a command like any other.
func (l *Lobby) Look(context.Context, *chat.LookRequest) (*chat.Room, error) { return l.room(), nil }

func (l *Lobby) room() *chat.Room { return &chat.Room{Guests: slices.Sorted(l.guests.All())} }

func ExampleCRDT() {
	// Behind a proxy, this would be sdk.Serve(ctx, sdk.CRDT...).
	proxy, err := sdktest.Open(nil, sdk.CRDT[*Lobby]{
		Service: &chat.Rooms_ServiceDesc,
		New:     func(string) *Lobby { return &Lobby{} },
		Data:    func(l *Lobby) sdk.Data { return &l.guests },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	client := chat.NewRoomsClient(proxy)
	ann, err := client.Enter(context.Background(), &chat.EnterRequest{Room: "lobby", Guest: "ann"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	bob, err := client.Enter(ctx, &chat.EnterRequest{Room: "lobby", Guest: "bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func(name string, s grpc.ServerStreamingClient[chat.Room]) {
		room, err := s.Recv()
		fmt.Println(name, "sees", room.GetGuests(), err)
	}
	show("ann", ann)
	show("bob", bob)
	show("ann", ann)
	leave()
	show("ann", ann)
	// Output:
	// ann sees [ann] <nil>
	// bob sees [ann bob] <nil>
	// ann sees [ann bob] <nil>
	// ann sees [ann] <nil>
}

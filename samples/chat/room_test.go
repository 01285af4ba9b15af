// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/samples/chat/chat"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

func TestThoseInTheRoomSeeWhatHappens(t *testing.T) {
	seeWhatHappens(t, chat.NewRoomsClient(sdktest.New(t, rooms())))
}

func seeWhatHappens(t *testing.T, client chat.RoomsClient) {
	t.Helper()
	ann, _ := enters(t, client, "ann")
	sees(t, ann, guests("ann"))
	bob, bobLeaves := enters(t, client, "bob")
	sees(t, bob, guests("ann", "bob"))
	sees(t, ann, guests("ann", "bob"))

	said := guests("ann", "bob")
	said.Lines = []*chat.Line{{Guest: "bob", Text: "Hello"}}
	if _, err := client.Say(t.Context(), &chat.SayRequest{Room: "kitchen", Guest: "bob", Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	sees(t, ann, said)
	sees(t, bob, said)

	bobLeaves()
	said.Guests = []string{"ann"}
	sees(t, ann, said)
	if _, err := bob.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("bob, who has gone, got the error %v", err)
	}
}

func TestAGuestWhoIsThereTwiceLeavesTwice(t *testing.T) {
	client := chat.NewRoomsClient(sdktest.New(t, rooms()))
	watch, _ := enters(t, client, "eve")
	sees(t, watch, guests("eve"))
	first, firstLeaves := enters(t, client, "ann")
	sees(t, first, guests("ann", "eve"))
	sees(t, watch, guests("ann", "eve"))
	second, secondLeaves := enters(t, client, "ann")
	sees(t, second, guests("ann", "eve"))
	sees(t, watch, guests("ann", "eve"))
	firstLeaves()
	sees(t, watch, guests("ann", "eve"))
	secondLeaves()
	sees(t, watch, guests("eve"))
}

func TestARoomRefuses(t *testing.T) {
	client := chat.NewRoomsClient(sdktest.New(t, rooms()))
	_, err := client.Say(t.Context(), &chat.SayRequest{Room: "kitchen", Guest: "bob", Text: "Hello"})
	refused(t, err, "bob is not in the room")
	nobody, _ := enters(t, client, " ")
	_, err = nobody.Recv()
	refused(t, err, "who is entering?")
	got, err := client.Look(t.Context(), &chat.LookRequest{Room: "kitchen"})
	if err != nil || !proto.Equal(got, &chat.Room{}) {
		t.Errorf("the room has %v in it, %v", got, err)
	}
}

func TestARoomIsTheSameAfterwards(t *testing.T) {
	proxy := sdktest.New(t, rooms())
	client := chat.NewRoomsClient(proxy)
	ann, annLeaves := enters(t, client, "ann")
	sees(t, ann, guests("ann"))
	want, err := client.Say(t.Context(), &chat.SayRequest{Room: "kitchen", Guest: "ann", Text: "Bye"})
	if err != nil {
		t.Fatal(err)
	}
	eve, eveLeaves := enters(t, client, "eve")
	sees(t, eve, &chat.Room{Guests: []string{"ann", "eve"}, Lines: want.GetLines()})
	annLeaves()
	sees(t, eve, &chat.Room{Guests: []string{"eve"}, Lines: want.GetLines()})
	eveLeaves()
	proxy.Close() // waits until eve has left
	got, err := client.Look(t.Context(), &chat.LookRequest{Room: "kitchen"})
	if err != nil || !proto.Equal(got, &chat.Room{Lines: want.GetLines()}) {
		t.Errorf("the room has %v in it, %v", got, err)
	}
}

func enters(t *testing.T, client chat.RoomsClient, guest string) (grpc.ServerStreamingClient[chat.Room], context.CancelFunc) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	stream, err := client.Enter(ctx, &chat.EnterRequest{Room: "kitchen", Guest: guest})
	if err != nil {
		t.Fatal(err)
	}
	return stream, leave
}

func guests(names ...string) *chat.Room { return &chat.Room{Guests: names} }

func sees(t *testing.T, guest grpc.ServerStreamingClient[chat.Room], want *chat.Room) {
	t.Helper()
	got, err := guest.Recv()
	if err != nil || !proto.Equal(got, want) {
		t.Fatalf("the guest sees %v, %v; want %v", got, err, want)
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

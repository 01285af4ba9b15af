// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/samples/chat/chat"
	"github.com/kairn-dev/kairn/sdk"
)

// rooms describes the entity.
func rooms() sdk.CRDT[*Room] {
	return sdk.CRDT[*Room]{
		Service: &chat.Rooms_ServiceDesc,
		New:     func(string) *Room { return &Room{} },
		Data: func(r *Room) sdk.Data {
			return sdk.Fields(map[string]sdk.Data{"guests": &r.guests, "lines": &r.lines})
		},
	}
}

// A Room is one room, as this function knows it. Others may have the same room.
type Room struct {
	chat.UnimplementedRoomsServer
	guests sdk.ORMap[string, *sdk.PNCounter]           // how often each of them is here
	lines  sdk.ORMap[string, *sdk.LWWRegister[string]] // what each of them said last
}

// Enter shows the room for as long as the guest stays.
func (r *Room) Enter(in *chat.EnterRequest, stream grpc.ServerStreamingServer[chat.Room]) error {
	guest := strings.TrimSpace(in.GetGuest())
	if guest == "" {
		return errors.New("who is entering?")
	}
	r.guests.Add(guest).Add(1)
	sdk.OnCancel(stream.Context(), func(context.Context) { r.guests.Add(guest).Add(-1) })
	sdk.OnChange(stream.Context(), func(context.Context) (*chat.Room, error) { return r.look(), nil })
	return stream.Send(r.look())
}

// Say lets all in the room hear something.
func (r *Room) Say(_ context.Context, in *chat.SayRequest) (*chat.Room, error) {
	if n, ok := r.guests.Get(in.GetGuest()); !ok || n.Value() <= 0 {
		return nil, fmt.Errorf("%s is not in the room", in.GetGuest())
	}
	r.lines.Add(in.GetGuest()).Set(in.GetText())
	return r.look(), nil
}

// Look shows the room.
func (r *Room) Look(context.Context, *chat.LookRequest) (*chat.Room, error) { return r.look(), nil }

func (r *Room) look() *chat.Room {
	out := &chat.Room{}
	for guest, n := range r.guests.All() {
		if n.Value() > 0 {
			out.Guests = append(out.Guests, guest)
		}
	}
	for guest, text := range r.lines.All() {
		out.Lines = append(out.Lines, &chat.Line{Guest: guest, Text: text.Value()})
	}
	slices.Sort(out.Guests)
	slices.SortFunc(out.Lines, func(a, b *chat.Line) int { return strings.Compare(a.GetGuest(), b.GetGuest()) })
	return out
}

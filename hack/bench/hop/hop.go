// SPDX-License-Identifier: Apache-2.0

// Package hop is the least that a proxy on grpc-go can do with a call that needs
// no state: pass its messages on as bytes, to the same method of the function
// and back. It is what the speed of actions is measured against.
//
// Left out: the function's protocol, which wraps each message; forwards and side
// effects, metadata, deadlines, limits, discovery, metrics.
package hop

import (
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
)

// both is for a call whose messages go both ways.
var both = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// Handler passes all calls on to conn, which carries bytes, as the
// server must: see package raw. Calls of methods with a name that ends in streamed are streams, others have
// one message and one reply.
func Handler(conn grpc.ClientConnInterface, streamed string) grpc.StreamHandler {
	return func(_ any, from grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(from)
		if strings.HasSuffix(method, streamed) {
			return stream(conn, method, from)
		}
		var msg, reply []byte
		if err := from.RecvMsg(&msg); err != nil {
			return err
		}
		if err := conn.Invoke(from.Context(), method, &msg, &reply); err != nil {
			return err
		}
		return from.SendMsg(&reply)
	}
}

func stream(conn grpc.ClientConnInterface, method string, from grpc.ServerStream) error {
	to, err := conn.NewStream(from.Context(), both, method)
	if err != nil {
		return err
	}
	go func() {
		// Whatever goes wrong, the other direction ends with its reason.
		_ = pass(from.RecvMsg, to.SendMsg)
		_ = to.CloseSend()
	}()
	return pass(to.RecvMsg, from.SendMsg)
}

// pass passes messages on until there are no more.
func pass(recv, send func(any) error) error {
	for {
		var msg []byte
		switch err := recv(&msg); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := send(&msg); err != nil {
			return err
		}
	}
}

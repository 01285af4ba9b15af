// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"google.golang.org/grpc"
)

// ownServices are the services of the proxy itself, for calls that don't come through
// grpc-go: what carries a call out, by its path.
type ownServices map[string]func(grpc.ServerStream) error

// RegisterService is what generated code calls.
func (o ownServices) RegisterService(d *grpc.ServiceDesc, impl any) {
	for _, m := range d.Methods {
		o["/"+d.ServiceName+"/"+m.MethodName] = func(stream grpc.ServerStream) error {
			receive := func(request any) error { return stream.RecvMsg(request) }
			reply, err := m.Handler(impl, stream.Context(), receive, nil)
			if err != nil {
				return err
			}
			return stream.SendMsg(reply)
		}
	}
	for _, m := range d.Streams {
		o["/"+d.ServiceName+"/"+m.StreamName] = func(stream grpc.ServerStream) error {
			return m.Handler(impl, stream)
		}
	}
}

var _ grpc.ServiceRegistrar = ownServices(nil)

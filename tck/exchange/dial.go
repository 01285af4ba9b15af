// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Record returns what makes a connection record its calls in the log.
func Record(l *Log, link Link) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, in, out any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			c := l.Open(link, method)
			c.Say(Caller, in.(proto.Message))
			err := invoke(ctx, method, in, out, cc, opts...)
			if err != nil {
				c.End(Callee, err)
				return err
			}
			c.Say(Callee, out.(proto.Message))
			return nil
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, desc, cc, method, opts...)
			if err != nil {
				return nil, err
			}
			return &recorded{ClientStream: s, call: l.Open(link, method)}, nil
		}),
	}
}

// A recorded stream records what goes through it.
type recorded struct {
	grpc.ClientStream
	call *Call
}

func (s *recorded) SendMsg(m any) error {
	s.call.Say(Caller, m.(proto.Message))
	return s.ClientStream.SendMsg(m)
}

func (s *recorded) CloseSend() error {
	s.call.End(Caller, nil)
	return s.ClientStream.CloseSend()
}

func (s *recorded) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	switch {
	case err == nil:
		s.call.Say(Callee, m.(proto.Message))
	case errors.Is(err, io.EOF):
		s.call.End(Callee, nil)
	default:
		s.call.End(Callee, err)
	}
	return err
}

// SPDX-License-Identifier: Apache-2.0

// Package userfunc opens streams to the user function, and calls it, over
// grpc-go.
//
// Messages are not decoded by grpc-go: what is sent appends itself to a pooled
// buffer, what is received reads itself from one. Anything that can do so will
// do, so that this package knows no protocol.
package userfunc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
)

// A Function is the user function behind a connection.
type Function struct {
	Conn grpc.ClientConnInterface

	asked sync.Pool // of *asking
}

// An asking is what a call tells grpc-go to do, to be used again and again.
type asking struct {
	to      peer.Peer // known once there is a connection to send on
	options [2]grpc.CallOption
}

func newAsking() *asking {
	a := &asking{}
	a.options = [...]grpc.CallOption{ownCodec[0], grpc.Peer(&a.to)}
	return a
}

// What all streams have in common.
var (
	both     = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	ownCodec = []grpc.CallOption{grpc.ForceCodecV2(codec{})}
)

// Open opens a stream of method. It fails at once while the function is away.
// The stream ends with ctx.
func (f *Function) Open(ctx context.Context, method string) (live.Stream, error) {
	s, err := f.Conn.NewStream(ctx, both, method, ownCodec...)
	if err != nil {
		return nil, explain(err)
	}
	return stream{s}, nil
}

// Call calls method with one message and reads its one answer into out. It fails
// at once while the function is away, with an error that wraps
// [entity.ErrUnavailable]; if the function may have got the message by then,
// the error wraps [entity.ErrUnknownOutcome] too.
func (f *Function) Call(ctx context.Context, method string, in live.Marshaler, out live.Unmarshaler) error {
	a, _ := f.asked.Get().(*asking)
	if a == nil {
		a = newAsking()
	}
	err := f.Conn.Invoke(ctx, method, in, out, a.options[:]...)
	sent := a.to.Addr != nil
	a.to = peer.Peer{}
	f.asked.Put(a) // once the call has ended, nothing of it is looked at
	if err == nil {
		return nil
	}
	err = explain(err)
	if sent && errors.Is(err, entity.ErrUnavailable) {
		return fmt.Errorf("%w: %w", entity.ErrUnknownOutcome, err)
	}
	return err
}

type stream struct{ grpc.ClientStream }

func (s stream) Send(m live.Marshaler) error {
	err := s.SendMsg(m)
	if errors.Is(err, io.EOF) {
		return err // the reason comes with Recv
	}
	return explain(err)
}

func (s stream) Recv(m live.Unmarshaler) error {
	err := s.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return err
	}
	return explain(err)
}

// explain says in our words what grpc-go says of a stream.
func explain(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	switch st.Code() {
	case codes.Unavailable, codes.Canceled:
		return fmt.Errorf("user function: %s: %w", st.Message(), entity.ErrUnavailable)
	default:
		own := &entity.Status{Code: uint32(st.Code()), Description: st.Message()}
		return fmt.Errorf("user function ended the stream: %v: %w: %w", st.Code(), own, entity.ErrProtocol)
	}
}

// codec lets messages write and read themselves.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Name is what the content type says after application/grpc+.
func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m := v.(live.Marshaler)
	size := m.SizeWire()
	if mem.IsBelowBufferPoolingThreshold(size) {
		return mem.BufferSlice{mem.SliceBuffer(m.AppendWire(make([]byte, 0, size)))}, nil
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(size)
	*buf = m.AppendWire((*buf)[:0])
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	return v.(live.Unmarshaler).UnmarshalWire(buf.ReadOnlyData())
}

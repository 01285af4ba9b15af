// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// BenchmarkCommand measures the library alone: one command with one event,
// from its bytes to those of the answer, without gRPC.
func BenchmarkCommand(b *testing.B) {
	server, err := sdk.NewServer(nil, probes(func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
		sdk.Emit(ctx, &tck.Persisted{})
		return &tck.Response{Message: "done"}, nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	s := &benchStream{b: b, next: encode(b, &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{
		Init: &cloudstate.EventSourcedInit{ServiceName: modelService, EntityId: "one"},
	}})}
	command := encode(b, &cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{
		Command: &cloudstate.Command{EntityId: "one", Id: 1, Name: "Process", Payload: packed(b, &tck.Request{Id: "one"})},
	}})
	s.more = func() []byte {
		if b.Loop() {
			return command
		}
		return nil
	}
	b.ReportAllocs()
	server.Register(s)
	if err := s.handle(); err != nil {
		b.Fatal(err)
	}
}

// A benchStream is a stream of one message that never changes.
type benchStream struct {
	grpc.ServerStream
	b      *testing.B
	next   []byte
	more   func() []byte
	buf    []byte
	handle func() error
}

func (s *benchStream) RegisterService(_ *grpc.ServiceDesc, impl any) {
	if es, ok := impl.(cloudstate.EventSourcedServer); ok {
		s.handle = func() error {
			return es.Handle(&grpc.GenericServerStream[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]{ServerStream: s})
		}
	}
}

func (s *benchStream) Context() context.Context { return s.b.Context() }

func (s *benchStream) RecvMsg(m any) error {
	if s.next == nil {
		return io.EOF
	}
	err := proto.Unmarshal(s.next, m.(proto.Message))
	s.next = s.more()
	return err
}

func (s *benchStream) SendMsg(m any) (err error) {
	s.buf, err = proto.MarshalOptions{}.MarshalAppend(s.buf[:0], m.(proto.Message))
	return err
}

func encode(b *testing.B, m proto.Message) []byte {
	b.Helper()
	bytes, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

// BenchmarkRoundTrip is a command over a real connection.
func BenchmarkRoundTrip(b *testing.B) {
	w := serve(b, models()...).activate(b, "")
	for b.Loop() {
		if _, err := w.try(); err != nil {
			b.Fatal(err)
		}
	}
}

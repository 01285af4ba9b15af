// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// Streams is a client that has streams to a user function open and nothing
// else: the least memory that an active instance takes in a proxy on grpc-go.
// No goroutine waits for what the function might say.
type Streams struct {
	conn    *grpc.ClientConn
	payload *anypb.Any
	open    []cloudstate.EventSourced_HandleClient
}

// A StreamsJob says what to open.
type StreamsJob struct {
	Streams  int
	Commands int // to send on each
}

// NewStreams returns a client of the function at addr.
func NewStreams(addr string) (*Streams, error) {
	payload, err := anypb.New(&benchpb.Request{Id: "k", Payload: make([]byte, 100)})
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return &Streams{conn: conn, payload: payload}, err
}

// Open opens streams and leaves them idle.
func (s *Streams) Open(ctx context.Context, job StreamsJob) error {
	for range job.Streams {
		stream, err := cloudstate.NewEventSourcedClient(s.conn).Handle(ctx)
		if err != nil {
			return err
		}
		id := fmt.Sprintf("stream-%06d", len(s.open))
		if err := s.exchange(stream, id, job.Commands); err != nil {
			return fmt.Errorf("stream of %s: %w", id, err)
		}
		s.open = append(s.open, stream)
	}
	return nil
}

func (s *Streams) exchange(stream cloudstate.EventSourced_HandleClient, id string, commands int) error {
	init := &cloudstate.EventSourcedInit{ServiceName: benchpb.Bench_ServiceDesc.ServiceName, EntityId: id}
	if err := stream.Send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{Init: init}}); err != nil {
		return err
	}
	for n := range commands {
		command := &cloudstate.Command{EntityId: id, Id: int64(n + 1), Name: "Do", Payload: s.payload}
		if err := stream.Send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: command}}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the streams with their connection.
func (s *Streams) Close() error { return s.conn.Close() }

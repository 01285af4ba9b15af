// SPDX-License-Identifier: Apache-2.0

package userfunc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/eventsourced"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/userfunc"
)

// A server is a user function whose streams are played by handle.
type server struct {
	cloudstate.UnimplementedEventSourcedServer
	handle func(cloudstate.EventSourced_HandleServer) error
}

func (s *server) Handle(stream cloudstate.EventSourced_HandleServer) error { return s.handle(stream) }

// start returns a Function whose streams are played by handle, and the server.
func start(t *testing.T, handle func(cloudstate.EventSourced_HandleServer) error) (*userfunc.Function, *grpc.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	cloudstate.RegisterEventSourcedServer(g, &server{handle: handle})
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &userfunc.Function{Conn: conn}, g
}

func open(t *testing.T, f *userfunc.Function) (live.Stream, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, err := f.Open(ctx, eventsourced.Method)
	if err != nil {
		t.Fatal(err)
	}
	return s, cancel
}

// TestExchange sends messages of sizes on both sides of what is pooled, and
// gets them back.
func TestExchange(t *testing.T) {
	f, _ := start(t, func(s cloudstate.EventSourced_HandleServer) error {
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			c := m.GetCommand()
			err = s.Send(&cloudstate.EventSourcedStreamOut{Message: &cloudstate.EventSourcedStreamOut_Reply{
				Reply: &cloudstate.EventSourcedReply{CommandId: c.GetId(), Events: []*anypb.Any{c.GetPayload(), c.GetPayload()}},
			}})
			if err != nil {
				return err
			}
		}
	})
	s, _ := open(t, f)
	for i, size := range []int{0, 1, 500, 1023, 1024, 5000, 70_000, 1 << 20} {
		value := bytes.Repeat([]byte{byte(i + 1)}, size)
		payload := entity.Payload{TypeURL: "type.googleapis.com/test.Text", Value: bytes.Clone(value)}
		if err := s.Send(&eventsourced.Command{Instance: "a", ID: int64(i + 1), Name: "Append", Payload: payload}); err != nil {
			t.Fatal(err)
		}
		var msg eventsourced.Message
		if err := s.Recv(&msg); err != nil {
			t.Fatal(err)
		}
		if msg.CommandID != int64(i+1) || len(msg.Events) != 2 || !bytes.Equal(msg.Events[1].Value, value) {
			t.Errorf("%d bytes: got %d events for command %d", size, len(msg.Events), msg.CommandID)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.Recv(&eventsourced.Message{}); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want the end", err)
	}
	if err := s.Send(&eventsourced.Command{}); err == nil {
		t.Error("sent after CloseSend")
	}
}

func TestHowStreamsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		end  error
		want error
	}{
		"in order":       {nil, io.EOF},
		"with an error":  {status.Error(codes.Internal, "it broke"), entity.ErrProtocol},
		"not served":     {status.Error(codes.Unimplemented, "no"), entity.ErrProtocol},
		"as unavailable": {status.Error(codes.Unavailable, "going away"), entity.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := start(t, func(cloudstate.EventSourced_HandleServer) error { return tt.end })
			s, _ := open(t, f)
			if err := s.Recv(&eventsourced.Message{}); !errors.Is(err, tt.want) {
				t.Errorf("Recv: error %v, want %v", err, tt.want)
			}
			if err := s.Send(&eventsourced.Command{ID: 1}); !errors.Is(err, io.EOF) {
				t.Errorf("Send: error %v, want %v", err, io.EOF)
			}
			if err := s.Recv(&eventsourced.Message{}); !errors.Is(err, tt.want) {
				t.Errorf("Recv once more: error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestFunctionThatIsAway(t *testing.T) {
	f, g := start(t, nil)
	g.Stop()
	if s, err := f.Open(t.Context(), eventsourced.Method); !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("opened %v, error %v, want %v", s, err, entity.ErrUnavailable)
	}
}

func TestFunctionThatDies(t *testing.T) {
	began := make(chan struct{})
	f, g := start(t, func(s cloudstate.EventSourced_HandleServer) error {
		close(began)
		<-s.Context().Done()
		return nil
	})
	s, _ := open(t, f)
	<-began
	go g.Stop()
	if err := s.Recv(&eventsourced.Message{}); !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, entity.ErrUnavailable)
	}
}

// TestStreamThatIsGivenUp checks that a Send that waits for a function that
// does not read ends with the stream's context.
func TestStreamThatIsGivenUp(t *testing.T) {
	f, _ := start(t, func(s cloudstate.EventSourced_HandleServer) error {
		<-s.Context().Done()
		return nil
	})
	s, cancel := open(t, f)
	sent := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		big := &eventsourced.Replay{Event: entity.Event{Seq: 1, Payload: entity.Payload{Value: make([]byte, 1<<20)}}}
		var err error
		for n := 0; err == nil; n++ {
			if n == 1 {
				close(sent)
			}
			if n > 1000 {
				err = errors.New("a thousand megabytes were taken by a function that does not read")
				break
			}
			err = s.Send(big)
		}
		ended <- err
	}()
	<-sent
	cancel()
	if err := <-ended; err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("Send: error %v", err)
	}
	if err := s.Recv(&eventsourced.Message{}); !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("Recv: error %v, want %v", err, entity.ErrUnavailable)
	}
}

// An unreadable message refuses all data.
type unreadable struct{}

func (unreadable) UnmarshalWire([]byte) error { return errors.New("not what I expected") }

func TestMessageThatCannotBeRead(t *testing.T) {
	f, _ := start(t, func(s cloudstate.EventSourced_HandleServer) error {
		if err := s.Send(&cloudstate.EventSourcedStreamOut{}); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	})
	s, _ := open(t, f)
	if err := s.Recv(unreadable{}); !errors.Is(err, entity.ErrProtocol) {
		t.Errorf("error %v, want %v", err, entity.ErrProtocol)
	}
}

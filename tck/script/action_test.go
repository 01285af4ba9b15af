// SPDX-License-Identifier: Apache-2.0

package script_test

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/script"
)

func TestCallsOfActionsOfAllShapesDoWhatTheyAreTold(t *testing.T) {
	for _, tt := range []struct {
		path string
		sent int // by the proxy
	}{
		{cloudstate.ActionProtocol_HandleUnary_FullMethodName, 1},
		{cloudstate.ActionProtocol_HandleStreamedIn_FullMethodName, 3},
		{cloudstate.ActionProtocol_HandleStreamedOut_FullMethodName, 1},
		{cloudstate.ActionProtocol_HandleStreamed_FullMethodName, 3},
	} {
		t.Run(tt.path, func(t *testing.T) {
			fn := script.New(nil)
			proxy := call(t, serve(t, fn), tt.path, tt.sent)
			s, err := fn.Actions.Next(within(t), "/test.Service/Greet")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for ; ; n++ {
				if _, err := s.Recv(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if n != tt.sent {
				t.Errorf("received %d messages, want %d", n, tt.sent)
			}
			if err := s.Send(&cloudstate.ActionResponse{}); err != nil {
				t.Fatal(err)
			}
			s.End(nil)
			if out, err := proxy.Recv(); err != nil || out.GetResponse() != nil {
				t.Errorf("the proxy got %v, %v", out, err)
			}
			if _, err := proxy.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("the proxy got the end %v", err)
			}

			proxy = call(t, serve(t, fn), tt.path, tt.sent)
			if s, err = fn.Actions.Next(within(t), "/test.Service/Greet"); err != nil {
				t.Fatal(err)
			}
			s.End(status.Error(codes.DataLoss, "gone"))
			if _, err := proxy.Recv(); status.Code(err) != codes.DataLoss {
				t.Errorf("the proxy got the end %v", err)
			}
		})
	}
}

// call calls a method of the protocol with that many messages.
func call(t *testing.T, conn *grpc.ClientConn, path string, messages int) *grpc.GenericClientStream[cloudstate.ActionCommand, cloudstate.ActionResponse] {
	t.Helper()
	s, err := conn.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, path)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &grpc.GenericClientStream[cloudstate.ActionCommand, cloudstate.ActionResponse]{ClientStream: s}
	for range messages {
		if err := proxy.Send(&cloudstate.ActionCommand{ServiceName: "test.Service", Name: "Greet"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := proxy.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return proxy
}

func TestValueEntitiesHaveStreamsToo(t *testing.T) {
	fn := script.New(nil)
	proxy, err := cloudstate.NewValueEntityClient(serve(t, fn)).Handle(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Send(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{
		Init: &cloudstate.ValueEntityInit{EntityId: "a"},
	}}); err != nil {
		t.Fatal(err)
	}
	s, err := fn.ValueEntity.Next(within(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	if !s.End(nil) {
		t.Error("the stream was over before it was ended")
	}
	if _, err := proxy.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the proxy got the end %v", err)
	}
}

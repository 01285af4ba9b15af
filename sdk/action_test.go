// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/sdk"
)

const (
	actionModel = "cloudstate.tck.model.action.ActionTckModel"
	callTwo     = tck.ActionTwo_Call_FullMethodName
)

// A tool is an action whose methods are given by the test.
type tool struct {
	tck.UnimplementedActionTckModelServer
	unary  func(context.Context, *tck.Request) (*tck.Response, error)
	in     func(grpc.ClientStreamingServer[tck.Request, tck.Response]) error
	out    func(*tck.Request, grpc.ServerStreamingServer[tck.Response]) error
	stream func(grpc.BidiStreamingServer[tck.Request, tck.Response]) error
}

func (a *tool) ProcessUnary(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	return a.unary(ctx, in)
}

func (a *tool) ProcessStreamedIn(s grpc.ClientStreamingServer[tck.Request, tck.Response]) error {
	return a.in(s)
}

func (a *tool) ProcessStreamedOut(in *tck.Request, s grpc.ServerStreamingServer[tck.Response]) error {
	return a.out(in, s)
}

func (a *tool) ProcessStreamed(s grpc.BidiStreamingServer[tck.Request, tck.Response]) error {
	return a.stream(s)
}

func (a *tool) entity() sdk.Entity {
	return sdk.Action{Service: &tck.ActionTckModel_ServiceDesc, Server: a}
}

func (f *function) actions() cloudstate.ActionProtocolClient {
	return cloudstate.NewActionProtocolClient(f.conn)
}

// asks is a message that says which command is called, and with what.
func asks(t testing.TB, name string) *cloudstate.ActionCommand {
	t.Helper()
	return &cloudstate.ActionCommand{ServiceName: actionModel, Name: name, Payload: packed(t, &tck.Request{})}
}

func header(key, value string) *cloudstate.Metadata {
	return &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
		{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: value}},
	}}
}

// textOf returns the text of the reply in a response.
func textOf(t testing.TB, r *cloudstate.ActionResponse) string {
	t.Helper()
	m := &tck.Response{}
	if err := r.GetReply().GetPayload().UnmarshalTo(m); err != nil {
		t.Fatalf("response %v: %v", r, err)
	}
	return m.GetMessage()
}

func TestACallHasTheMetadataOfItsCommandAndNotOfTheProxy(t *testing.T) {
	f := serve(t, (&tool{unary: func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		sdk.Effect(metadata.AppendToOutgoingContext(ctx, "why", "because"), callTwo, &tck.OtherRequest{})
		method, _ := grpc.Method(ctx)
		return &tck.Response{Message: method}, grpc.SetHeader(ctx, metadata.Pairs("answer", strings.Join(in.Get("question"), ",")))
	}}).entity())
	in := asks(t, "ProcessUnary")
	in.Metadata = header("question", "why")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "question", "whose")
	out, err := f.actions().HandleUnary(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if text := textOf(t, out); text != tck.ActionTckModel_ProcessUnary_FullMethodName {
		t.Errorf("method %q", text)
	}
	if got := out.GetReply().GetMetadata(); !proto.Equal(got, header("answer", "why")) {
		t.Errorf("metadata of the reply %v", got)
	}
	if got := out.GetSideEffects()[0].GetMetadata(); !proto.Equal(got, header("why", "because")) {
		t.Errorf("metadata of the effect %v", got)
	}
}

func TestAStreamHasMetadataOfItsOwnAndOfEachMessage(t *testing.T) {
	f := serve(t, (&tool{stream: func(s grpc.BidiStreamingServer[tck.Request, tck.Response]) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		for {
			if _, err := s.Recv(); err != nil {
				return nil //nolint:nilerr // the stream has ended
			}
			message := sdk.MessageMetadata(s.Context()).Get("n")
			if err := errors.Join(
				s.SetHeader(metadata.Pairs("answer", strings.Join(message, ","))),
				s.Send(&tck.Response{Message: strings.Join(md.Get("stream"), ",")}),
			); err != nil {
				return err
			}
		}
	}}).entity())
	s, err := f.actions().HandleStreamed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := &cloudstate.ActionCommand{ServiceName: actionModel, Name: "ProcessStreamed", Metadata: header("stream", "s")}
	if err := s.Send(first); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "2"} {
		if err := s.Send(&cloudstate.ActionCommand{Payload: packed(t, &tck.Request{}), Metadata: header("n", n)}); err != nil {
			t.Fatal(err)
		}
		out, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if text := textOf(t, out); text != "s" {
			t.Errorf("metadata of the stream %q", text)
		}
		if got := out.GetReply().GetMetadata(); !proto.Equal(got, header("answer", n)) {
			t.Errorf("metadata of reply %s: %v", n, got)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, %v", out, err)
	}
}

func TestAFunctionMayAnswerBeforeTheRequestsEnd(t *testing.T) {
	first := func(recv func() (*tck.Request, error), send func(*tck.Response) error) error {
		if _, err := recv(); err != nil {
			return err
		}
		return send(&tck.Response{Message: "enough"})
	}
	f := serve(t, (&tool{
		in: func(s grpc.ClientStreamingServer[tck.Request, tck.Response]) error {
			return first(s.Recv, s.SendAndClose)
		},
		stream: func(s grpc.BidiStreamingServer[tck.Request, tck.Response]) error { return first(s.Recv, s.Send) },
	}).entity())
	for name, path := range map[string]string{
		"ProcessStreamedIn": cloudstate.ActionProtocol_HandleStreamedIn_FullMethodName,
		"ProcessStreamed":   cloudstate.ActionProtocol_HandleStreamed_FullMethodName,
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := f.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, path)
			if err != nil {
				t.Fatal(err)
			}
			s := &grpc.GenericClientStream[cloudstate.ActionCommand, cloudstate.ActionResponse]{ClientStream: raw}
			for _, in := range []*cloudstate.ActionCommand{{ServiceName: actionModel, Name: name}, {Payload: packed(t, &tck.Request{})}} {
				if err := s.Send(in); err != nil {
					t.Fatal(err)
				}
			}
			out, err := s.Recv()
			if err != nil || textOf(t, out) != "enough" {
				t.Fatalf("got %v, %v", out, err)
			}
			if out, err := s.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}

func TestAFunctionLearnsThatItsClientHasGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"cancelled", context.WithCancel, context.Canceled},
		{"too late", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				why := make(chan error, 1)
				f, stop := connect(t, (&tool{stream: func(s grpc.BidiStreamingServer[tck.Request, tck.Response]) error {
					_, deadline := s.Context().Deadline()
					if deadline != errors.Is(tt.want, context.DeadlineExceeded) {
						t.Errorf("deadline: %v", deadline)
					}
					_, err := s.Recv() // the client never sends
					<-s.Context().Done()
					why <- s.Context().Err()
					return err
				}}).entity())
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				s, err := f.actions().HandleStreamed(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Send(asksFirst("ProcessStreamed")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the function is waiting
				if errors.Is(tt.want, context.Canceled) {
					cancel()
				}
				if err := <-why; err == nil {
					t.Error("the context has not ended")
				}
				if err := stop(); err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

// asksFirst is the first message of a stream of requests.
func asksFirst(name string) *cloudstate.ActionCommand {
	return &cloudstate.ActionCommand{ServiceName: actionModel, Name: name}
}

func TestASlowReaderSlowsTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 1000
		var sent atomic.Int64
		f, stop := connect(t, (&tool{out: func(_ *tck.Request, s grpc.ServerStreamingServer[tck.Response]) error {
			for range all {
				if err := s.Send(&tck.Response{Message: strings.Repeat("x", 10_000)}); err != nil {
					return err
				}
				sent.Add(1)
			}
			return nil
		}}).entity())
		s, err := f.actions().HandleStreamedOut(t.Context(), asks(t, "ProcessStreamedOut"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // nobody reads
		if n := sent.Load(); n > all/10 {
			t.Errorf("%d responses of 10 kB were sent to a client that has read none", n)
		}
		n := 0
		for ; ; n++ {
			if _, err := s.Recv(); err != nil {
				break
			}
		}
		if n != all {
			t.Errorf("%d responses received, want %d", n, all)
		}
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestEffectsOfAStreamThatEndsGoWithItsEnd(t *testing.T) {
	f := serve(t, (&tool{out: func(in *tck.Request, s grpc.ServerStreamingServer[tck.Response]) error {
		sdk.Effect(s.Context(), callTwo, &tck.OtherRequest{Id: "first"})
		if err := s.Send(&tck.Response{}); err != nil {
			return err
		}
		sdk.Effect(s.Context(), callTwo, &tck.OtherRequest{Id: "last"})
		if len(in.GetGroups()) > 0 {
			return errors.New("no")
		}
		return nil
	}}).entity())
	for _, tt := range []struct{ name, description string }{{"well", ""}, {"with an error", "no"}} {
		t.Run(tt.name, func(t *testing.T) {
			in := asks(t, "ProcessStreamedOut")
			if tt.description != "" {
				in.Payload = packed(t, &tck.Request{Groups: []*tck.ProcessGroup{{}}})
			}
			s, err := f.actions().HandleStreamedOut(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct{ id, description string }{{"first", ""}, {"last", tt.description}} {
				out, err := s.Recv()
				if err != nil {
					t.Fatal(err)
				}
				got := &tck.OtherRequest{}
				if len(out.GetSideEffects()) != 1 || out.GetSideEffects()[0].GetPayload().UnmarshalTo(got) != nil ||
					got.GetId() != want.id || out.GetFailure().GetDescription() != want.description {
					t.Errorf("response %v, want the effect %s and the failure %q", out, want.id, want.description)
				}
			}
			if out, err := s.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
)

func TestAMisusedActionIsAFault(t *testing.T) {
	unary := func(call func(context.Context) (*tck.Response, error)) (*tool, string) {
		return &tool{unary: func(ctx context.Context, _ *tck.Request) (*tck.Response, error) { return call(ctx) }}, "ProcessUnary"
	}
	streamed := func(call func(context.Context) error) (*tool, string) {
		return &tool{out: func(_ *tck.Request, s grpc.ServerStreamingServer[tck.Response]) error { return call(s.Context()) }}, "ProcessStreamedOut"
	}
	for _, tt := range []struct {
		name string
		make func() (*tool, string)
		want string
	}{
		{name: "panic", make: func() (*tool, string) {
			return unary(func(context.Context) (*tck.Response, error) { panic("ouch") })
		}, want: "panic: ouch"},
		{name: "panic in a stream", make: func() (*tool, string) {
			return streamed(func(context.Context) error { panic("ouch") })
		}, want: "panic: ouch"},
		{name: "forward and reply", make: func() (*tool, string) {
			return unary(func(ctx context.Context) (*tck.Response, error) {
				_, err := sdk.Forward[*tck.Response](ctx, callTwo, &tck.OtherRequest{})
				return &tck.Response{}, err
			})
		}, want: "and then returned a reply of its own"},
		{name: "no reply and reply", make: func() (*tool, string) {
			return unary(func(ctx context.Context) (*tck.Response, error) {
				_, err := sdk.NoReply[*tck.Response](ctx)
				return &tck.Response{}, err
			})
		}, want: "and then returned a reply of its own"},
		{name: "reply that can't be encoded", make: func() (*tool, string) {
			return unary(func(context.Context) (*tck.Response, error) { return &tck.Response{Message: "\xff"}, nil })
		}, want: "encode the reply of ProcessUnary"},
		{name: "update", make: func() (*tool, string) {
			return unary(func(ctx context.Context) (*tck.Response, error) { sdk.Delete(ctx); return nil, nil })
		}, want: "sdk.Delete is for the commands of entities with state"},
		{name: "forward in a stream", make: func() (*tool, string) {
			return streamed(func(ctx context.Context) error {
				_, err := sdk.Forward[*tck.Response](ctx, callTwo, &tck.OtherRequest{})
				return err
			})
		}, want: "streamed ones have sdk.SendForward"},
		{name: "no reply in a stream", make: func() (*tool, string) {
			return streamed(func(ctx context.Context) error {
				_, err := sdk.NoReply[*tck.Response](ctx)
				return err
			})
		}, want: "sdk.NoReply is for unary methods of actions"},
		{name: "response of a stream in a unary method", make: func() (*tool, string) {
			return unary(func(ctx context.Context) (*tck.Response, error) { return nil, sdk.SendEffects(ctx) })
		}, want: "sdk.SendEffects is for streamed methods of actions"},
		{name: "forward to another reply", make: func() (*tool, string) {
			return streamed(func(ctx context.Context) error {
				return sdk.SendForward(ctx, shop.ShoppingCart_GetCart_FullMethodName, &shop.GetCartRequest{})
			})
		}, want: "sdk.SendForward: shop.ShoppingCart.GetCart answers with a shop.Cart"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, name := tt.make()
			f := serve(t, a.entity())
			var err error
			if name == "ProcessUnary" {
				_, err = f.actions().HandleUnary(t.Context(), asks(t, name))
			} else {
				s, openErr := f.actions().HandleStreamedOut(t.Context(), asks(t, name))
				if openErr != nil {
					t.Fatal(openErr)
				}
				_, err = s.Recv()
			}
			if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want Internal and %q in it", err, tt.want)
			}
			for _, want := range []string{"level=ERROR", "entity=" + actionModel, "command=" + name} {
				if !strings.Contains(f.log.String(), want) {
					t.Errorf("the log has no %s: %s", want, f.log)
				}
			}
		})
	}
}

func TestWhatIsWrongWithACallIsRefused(t *testing.T) {
	f := serve(t, (&tool{
		unary: func(context.Context, *tck.Request) (*tck.Response, error) {
			return nil, status.Error(codes.NotFound, "no such thing")
		},
		in: func(s grpc.ClientStreamingServer[tck.Request, tck.Response]) error {
			if _, err := s.Recv(); err != nil {
				return err
			}
			if err := s.SendAndClose(&tck.Response{}); err != nil {
				return err
			}
			return s.SendAndClose(&tck.Response{})
		},
	}).entity())
	streamedIn := func(payload *anypb.Any) func() (*cloudstate.ActionResponse, error) {
		return func() (*cloudstate.ActionResponse, error) {
			s, err := f.actions().HandleStreamedIn(t.Context())
			if err != nil {
				return nil, err
			}
			return must(s.Send(asksFirst("ProcessStreamedIn")), s.Send(&cloudstate.ActionCommand{Payload: payload}), s.CloseAndRecv)
		}
	}
	unary := func(in *cloudstate.ActionCommand) func() (*cloudstate.ActionResponse, error) {
		return func() (*cloudstate.ActionResponse, error) { return f.actions().HandleUnary(t.Context(), in) }
	}
	garbled := asks(t, "ProcessUnary")
	garbled.Payload = &anypb.Any{TypeUrl: garbled.GetPayload().GetTypeUrl(), Value: []byte{0xff}}
	for _, tt := range []struct {
		name string
		call func() (*cloudstate.ActionResponse, error)
		want string
	}{
		{"status", unary(asks(t, "ProcessUnary")), "no such thing"},
		{"unknown service", unary(&cloudstate.ActionCommand{ServiceName: "far.Away"}), `no action serves "far.Away"`},
		{"unknown command", unary(asks(t, "Dance")), "has no command Dance"},
		{"another shape", unary(asks(t, "ProcessStreamed")), "can't be called with streams in this way"},
		{"no request", unary(asksFirst("ProcessUnary")), `takes a cloudstate.tck.model.action.Request, not a ""`},
		{"garbled request", unary(garbled), "can't be decoded"},
		{"stream of something else", streamedIn(packed(t, &tck.Response{})), "ProcessStreamedIn takes a cloudstate.tck.model.action.Request"},
		{"two responses", streamedIn(packed(t, &tck.Request{})), "ProcessStreamedIn has one response"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.call()
			if err != nil {
				t.Fatal(err)
			}
			text := out.GetFailure().GetDescription()
			if !strings.Contains(text, tt.want) || strings.HasPrefix(text, "rpc error") || out.GetFailure().GetCommandId() != 0 {
				t.Errorf("response %v, want a failure with %q", out, tt.want)
			}
		})
	}
}

// must returns what last does, unless there is an error before.
func must[T any](first, second error, last func() (T, error)) (T, error) {
	if err := errors.Join(first, second); err != nil {
		var none T
		return none, err
	}
	return last()
}

func TestMistakesInAnActionAreFoundAtTheStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		action sdk.Action
		want   string
	}{
		{"no service", sdk.Action{Server: &tool{}}, "action of *sdk_test.tool: Service is missing"},
		{"no server", sdk.Action{Service: &tck.ActionTckModel_ServiceDesc}, "entity " + actionModel + ": Server is missing"},
		{"another server", sdk.Action{Service: &tck.ActionTwo_ServiceDesc, Server: &tool{}}, "it has no method Call"},
		{"not linked", sdk.Action{Service: &grpc.ServiceDesc{ServiceName: "far.Away", HandlerType: (*any)(nil)}, Server: &tool{}}, "not linked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sdk.NewServer(nil, tt.action); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v\nwant %q in it", err, tt.want)
			}
		})
	}
}

func TestActionsNeedNoPersistenceID(t *testing.T) {
	f := serve(t, (&tool{}).entity(), sdk.Action{Service: &tck.ActionTwo_ServiceDesc, Server: tck.UnimplementedActionTwoServer{}})
	spec, err := cloudstate.NewEntityDiscoveryClient(f.conn).Discover(t.Context(), &cloudstate.ProxyInfo{})
	if err != nil {
		t.Fatal(err)
	}
	want := &cloudstate.Entity{EntityType: "cloudstate.action.ActionProtocol", ServiceName: actionModel}
	if len(spec.GetEntities()) != 2 || !proto.Equal(spec.GetEntities()[0], want) {
		t.Errorf("entities %v", spec.GetEntities())
	}
}

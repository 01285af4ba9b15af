// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
)

// A probe is a model whose command is given by the test.
type probe struct {
	tck.UnimplementedEventSourcedTckModelServer
	process func(context.Context, *tck.Request) (*tck.Response, error)
	text    string
}

func (p *probe) Process(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	return p.process(ctx, in)
}

func probes(process func(context.Context, *tck.Request) (*tck.Response, error)) sdk.EventSourced[*probe] {
	return sdk.EventSourced[*probe]{
		Service:       &tck.EventSourcedTckModel_ServiceDesc,
		PersistenceID: "probe",
		New:           func(string) *probe { return &probe{process: process} },
		Events:        []sdk.EventHandler[*probe]{sdk.On(func(p *probe, e *tck.Persisted) { p.text += e.GetValue() })},
	}
}

func TestAMisusedCommandIsAFault(t *testing.T) {
	const (
		call = tck.EventSourcedTwo_Call_FullMethodName
		cart = shop.ShoppingCart_GetCart_FullMethodName
	)
	for _, tt := range []struct {
		name    string
		command func(ctx context.Context) (*tck.Response, error)
		want    string // in the description
	}{
		{"panic", func(context.Context) (*tck.Response, error) { panic("ouch") }, "panic: ouch"},
		{"event without handler", func(ctx context.Context) (*tck.Response, error) {
			sdk.Emit(ctx, &shop.ItemAdded{})
			return nil, nil
		}, "event shop.ItemAdded has no handler: add sdk.On with a func(*sdk_test.probe, *shop.ItemAdded) to Events"},
		{"event without handler, recovered", func(ctx context.Context) (*tck.Response, error) {
			defer func() { _ = recover() }()
			sdk.Emit(ctx, &shop.ItemAdded{})
			return nil, nil
		}, "event shop.ItemAdded has no handler"},
		{"nil event", func(ctx context.Context) (*tck.Response, error) {
			sdk.Emit(ctx, (*tck.Persisted)(nil))
			return nil, nil
		}, "the event is nil"},
		{"no event at all", func(ctx context.Context) (*tck.Response, error) {
			sdk.Emit(ctx, nil)
			return nil, nil
		}, "the event is nil"},
		{"event that can't be encoded", func(ctx context.Context) (*tck.Response, error) {
			sdk.Emit(ctx, &tck.Persisted{Value: "\xff"})
			return nil, nil
		}, "encode event cloudstate.tck.model.Persisted"},
		{"reply that can't be encoded", func(context.Context) (*tck.Response, error) {
			return &tck.Response{Message: "\xff"}, nil
		}, "encode the reply of Process"},
		{"forward and reply", func(ctx context.Context) (*tck.Response, error) {
			_, _ = sdk.Forward[*tck.Response](ctx, call, &tck.Request{})
			return &tck.Response{}, nil
		}, "sdk.Forward and then returned a reply"},
		{"forward that answers with something else", func(ctx context.Context) (*tck.Response, error) {
			return sdk.Forward[*tck.Response](ctx, cart, &shop.GetCartRequest{})
		}, "answers with a shop.Cart, not with a cloudstate.tck.model.Response"},
		{"effect with another request", func(ctx context.Context) (*tck.Response, error) {
			sdk.Effect(ctx, cart, &tck.Request{})
			return nil, nil
		}, "takes a shop.GetCartRequest, not a cloudstate.tck.model.Request"},
		{"effect on no method", func(ctx context.Context) (*tck.Response, error) {
			sdk.Effect(ctx, "/shop.ShoppingCart/Buy", &tck.Request{})
			return nil, nil
		}, "shop.ShoppingCart has no method Buy"},
		{"effect on a name", func(ctx context.Context) (*tck.Response, error) {
			sdk.Effect(ctx, "GetCart", &tck.Request{})
			return nil, nil
		}, `"GetCart" is not a full method name`},
		{"effect without request", func(ctx context.Context) (*tck.Response, error) {
			sdk.Effect(ctx, call, nil)
			return nil, nil
		}, "the request to " + call + " is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, probes(func(ctx context.Context, in *tck.Request) (*tck.Response, error) {
				if in.GetActions() == nil {
					return &tck.Response{}, nil
				}
				return tt.command(ctx)
			}))
			other := f.activate(t, "")
			w := f.activate(t, "")
			w.command()
			w.want(reply(t, ""))
			w.command(emit("A"))
			if got := w.wantFault(2); !strings.Contains(got, tt.want) {
				t.Errorf("description %q, want %q in it", got, tt.want)
			}
			if log := f.log.String(); !strings.Contains(log, "command=Process") || !strings.Contains(log, "level=ERROR") {
				t.Errorf("log %s", log)
			}
			other.command()
			other.want(reply(t, ""))
			other.close()
		})
	}
}

func TestAPanicIsLoggedWithItsStack(t *testing.T) {
	f := serve(t, probes(func(context.Context, *tck.Request) (*tck.Response, error) { panic("ouch") }))
	w := f.activate(t, "")
	w.command()
	w.wantFault(1)
	for _, want := range []string{"ouch", "fault_test.go", "entity_id=one", "entity=" + modelService} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log has no %q: %s", want, f.log)
		}
	}
}

func TestWhatCannotBeReplayedIsAFault(t *testing.T) {
	f := serve(t, models()...)
	none := serve(t, probes(nil))
	snapshot := func(w *wire, a *anypb.Any) {
		w.init(&cloudstate.EventSourcedInit{
			ServiceName: modelService, EntityId: w.id, Snapshot: &cloudstate.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: a},
		})
	}
	garbage := &anypb.Any{TypeUrl: persisted(t, "").GetTypeUrl(), Value: []byte{0xff}}
	for _, tt := range []struct {
		name string
		f    *function
		play func(w *wire)
		want string
	}{
		{"event without handler", f, func(w *wire) { w.event(1, packed(t, &shop.ItemAdded{})) }, "shop.ItemAdded, which has no handler"},
		{"garbled event", f, func(w *wire) { w.event(1, garbage) }, "decode event 1"},
		{"event missing", f, func(w *wire) { w.event(1, persisted(t, "A")); w.event(3, persisted(t, "C")) }, "event 3 follows on 1"},
		{"event without number", f, func(w *wire) { w.event(0, persisted(t, "A")) }, "event 0 follows on 0"},
		{"second init", f, func(w *wire) { w.init(&cloudstate.EventSourcedInit{}) }, "second init"},
		{"empty message", f, func(w *wire) { w.send(&cloudstate.EventSourcedStreamIn{}) }, "empty message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.f.activate(t, "")
			w.t = t
			tt.play(w)
			if got := w.wantFault(0); !strings.Contains(got, tt.want) {
				t.Errorf("description %q, want %q in it", got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		name string
		f    *function
		play func(w *wire)
		want string
	}{
		{"unknown service", f, func(w *wire) { w.init(&cloudstate.EventSourcedInit{ServiceName: "shop.Till"}) }, `"shop.Till"`},
		{"event before the init", f, func(w *wire) { w.event(1, persisted(t, "A")) }, "event before the init"},
		{"command before the init", f, func(w *wire) { w.commandOf(&cloudstate.Command{}) }, "command before the init"},
		{"snapshot of another type", f, func(w *wire) { snapshot(w, packed(t, &shop.Cart{})) }, "the stored snapshot is a shop.Cart"},
		{"garbled snapshot", f, func(w *wire) { snapshot(w, garbage) }, "decode snapshot"},
		{"snapshot without need", none, func(w *wire) { snapshot(w, persisted(t, "A")) }, "has no Snapshots"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.f.open(t)
			tt.play(w)
			if got := w.wantFault(0); !strings.Contains(got, tt.want) {
				t.Errorf("description %q, want %q in it", got, tt.want)
			}
		})
	}
}

func TestTheStateIsNotUsedAgainAfterARestartWasAskedFor(t *testing.T) {
	w := serve(t, models()...).activate(t, "")
	w.command(emit("A"), fail("no"))
	w.want(failed(1, "no", true))
	w.command()
	w.wantFault(2)
}

func TestACommandOfAnotherInstanceIsAFault(t *testing.T) {
	w := serve(t, models()...).activate(t, "")
	w.commandOf(&cloudstate.Command{EntityId: "two", Id: 1, Name: "Process", Payload: packed(t, &tck.Request{})})
	w.wantFault(1)
}

func TestFaultsInOtherFunctionsOfTheAuthor(t *testing.T) {
	emitting := func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
		sdk.Emit(ctx, &tck.Persisted{Value: "A"})
		return nil, nil
	}
	t.Run("New panics", func(t *testing.T) {
		e := probes(emitting)
		e.New = func(string) *probe { panic("no state") }
		serve(t, e).activate(t, "").wantFault(0)
	})
	t.Run("an event handler panics", func(t *testing.T) {
		e := probes(emitting)
		e.Events = []sdk.EventHandler[*probe]{sdk.On(func(*probe, *tck.Persisted) { panic("no event") })}
		w := serve(t, e).activate(t, "")
		w.command()
		w.wantFault(1)
	})
	t.Run("taking a snapshot panics", func(t *testing.T) {
		e := probes(emitting)
		e.Snapshots = sdk.Snapshots(func(*probe) *tck.Persisted { panic("no snapshot") }, func(*probe, *tck.Persisted) {})
		e.SnapshotEvery = 1
		w := serve(t, e).activate(t, "")
		w.command()
		w.wantFault(1)
	})
}

func TestWhatIsWrongWithARequestIsRefused(t *testing.T) {
	f := serve(t, probes(func(_ context.Context, in *tck.Request) (*tck.Response, error) {
		if in.GetId() == "status" {
			return nil, status.Error(codes.NotFound, "no such thing")
		}
		return nil, errors.New("no")
	}))
	for _, tt := range []struct {
		name    string
		command string
		payload *anypb.Any
		want    string
	}{
		{"unknown command", "Dance", packed(t, &tck.Request{}), "has no command Dance"},
		{"request of another type", "Process", packed(t, &emptypb.Empty{}), "takes a cloudstate.tck.model.Request"},
		{"no request", "Process", nil, "takes a cloudstate.tck.model.Request"},
		{"garbled request", "Process", &anypb.Any{TypeUrl: "x/cloudstate.tck.model.Request", Value: []byte{0xff}}, "can't be decoded"},
		{"status", "Process", packed(t, &tck.Request{Id: "status"}), "no such thing"},
		{"error", "Process", packed(t, &tck.Request{}), "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := f.activate(t, "")
			w.commandOf(&cloudstate.Command{EntityId: "one", Id: 7, Name: tt.command, Payload: tt.payload})
			got := w.recv().GetReply()
			text := got.GetClientAction().GetFailure().GetDescription()
			if !strings.Contains(text, tt.want) || strings.Contains(text, "rpc error") {
				t.Fatalf("description %q, want %q in it", text, tt.want)
			}
			want := failed(7, text, false)
			want.CommandId = 7
			if !proto.Equal(got, want) {
				t.Errorf("reply %v, want %v", got, want)
			}
			w.close()
		})
	}
}

func TestEmitOutsideOfACommandSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name string
		ctx  func(t *testing.T) context.Context
		want string
	}{
		{"no command", func(t *testing.T) context.Context { return t.Context() }, "package sdktest"},
		{"command has ended", func(t *testing.T) context.Context {
			var kept context.Context
			w := serve(t, probes(func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
				kept = ctx //nolint:fatcontext // that it was kept is what is tested
				return nil, nil
			})).activate(t, "")
			w.command()
			w.want(reply(t, ""))
			w.close()
			return kept
		}, "Process had already returned"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := tt.ctx(t)
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, tt.want) {
					t.Errorf("panic %q, want %q in it", v, tt.want)
				}
			}()
			sdk.Emit(ctx, &tck.Persisted{})
		})
	}
}

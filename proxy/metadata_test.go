// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/sdk"
)

// echoMetadata gives a command's metadata back with its reply.
func echoMetadata(ctx context.Context) error {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for _, name := range []string{"text", "bytes-bin", "ce-id", "ce-customextension"} {
		for _, v := range in.Get(name) {
			out.Append("got-"+name, v)
		}
	}
	return grpc.SetHeader(ctx, out)
}

type (
	journal struct {
		eventsourced.UnimplementedEventSourcedTwoServer
	}
	value struct {
		valueentity.UnimplementedValueEntityTwoServer
	}
	replicated struct {
		crdt.UnimplementedCrdtTwoServer
		flag sdk.Flag
	}
)

func (*journal) ignore(*eventsourced.Persisted) {}
func (*value) set(*valueentity.Persisted)       {}
func (r *replicated) data() sdk.Data            { return &r.flag }

func (*journal) Call(ctx context.Context, _ *eventsourced.Request) (*eventsourced.Response, error) {
	return &eventsourced.Response{}, echoMetadata(ctx)
}

func (*value) Call(ctx context.Context, _ *valueentity.Request) (*valueentity.Response, error) {
	return &valueentity.Response{}, echoMetadata(ctx)
}

func (*replicated) Call(ctx context.Context, _ *crdt.Request) (*crdt.Response, error) {
	return &crdt.Response{}, echoMetadata(ctx)
}

// TestMetadataOfCommands has entities of each type give back what they got of
// the metadata of a call: nothing, unless the proxy was told of their service.
func TestMetadataOfCommands(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0",
		sdk.EventSourced[*journal]{
			Service: &eventsourced.EventSourcedTwo_ServiceDesc, PersistenceID: "e", New: func(string) *journal { return &journal{} },
			Events: []sdk.EventHandler[*journal]{sdk.On((*journal).ignore)},
		},
		sdk.ValueEntity[*value]{
			Service: &valueentity.ValueEntityTwo_ServiceDesc, PersistenceID: "v", New: func(string) *value { return &value{} },
			State: sdk.State((*value).set),
		},
		sdk.CRDT[*replicated]{
			Service: &crdt.CrdtTwo_ServiceDesc, New: func(string) *replicated { return &replicated{} }, Data: (*replicated).data,
		})
	calls := map[string]func(context.Context, *proxyUnderTest, ...grpc.CallOption) error{
		eventsourced.EventSourcedTwo_ServiceDesc.ServiceName: func(ctx context.Context, p *proxyUnderTest, o ...grpc.CallOption) error {
			_, err := eventsourced.NewEventSourcedTwoClient(p.grpc).Call(ctx, &eventsourced.Request{Id: "a"}, o...)
			return err
		},
		valueentity.ValueEntityTwo_ServiceDesc.ServiceName: func(ctx context.Context, p *proxyUnderTest, o ...grpc.CallOption) error {
			_, err := valueentity.NewValueEntityTwoClient(p.grpc).Call(ctx, &valueentity.Request{Id: "a"}, o...)
			return err
		},
		crdt.CrdtTwo_ServiceDesc.ServiceName: func(ctx context.Context, p *proxyUnderTest, o ...grpc.CallOption) error {
			_, err := crdt.NewCrdtTwoClient(p.grpc).Call(ctx, &crdt.Request{Id: "a"}, o...)
			return err
		},
	}
	sent := metadata.Pairs("text", "1", "text", "2", "bytes-bin", "\x00\xff", "ce-id", "7", "ce-customextension", "x")
	for _, setting := range []string{"none", "all", valueentity.ValueEntityTwo_ServiceDesc.ServiceName} {
		t.Run(setting, func(t *testing.T) {
			p := startProxy(t, function, "--store=memory", "--command-metadata="+setting)
			p.health(t, healthpb.HealthCheckResponse_SERVING)
			for service, call := range calls {
				var header metadata.MD
				if err := call(metadata.NewOutgoingContext(t.Context(), sent), p, grpc.Header(&header)); err != nil {
					t.Fatal(err)
				}
				on := setting == "all" || setting == service
				for name, values := range sent {
					got, want := strings.Join(header.Get("got-"+name), ","), strings.Join(values, ",")
					if !on {
						want = ""
					}
					if got != want {
						t.Errorf("%s got %s: %q, want %q", service, name, got, want)
					}
				}
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
	"github.com/kairn-dev/kairn/sdk"
)

func TestMistakesInAnEntityAreFoundAtTheStart(t *testing.T) {
	persisted := sdk.On(func(*probe, *tck.Persisted) {})
	for _, tt := range []struct {
		name   string
		change func(e *sdk.EventSourced[*probe])
		want   string
	}{
		{"no service", func(e *sdk.EventSourced[*probe]) { e.Service = nil }, "Service is missing"},
		{"another service", func(e *sdk.EventSourced[*probe]) { e.Service = &shop.ShoppingCart_ServiceDesc },
			"*sdk_test.probe does not implement shop.ShoppingCartServer: it has no method AddItem"},
		{"streamed service", func(e *sdk.EventSourced[*probe]) { e.Service = &cloudstate.EventSourced_ServiceDesc },
			"unary, which handle is not"},
		{"service without a key", func(e *sdk.EventSourced[*probe]) { e.Service = &cloudstate.EntityDiscovery_ServiceDesc },
			"cloudstate.ProxyInfo, the request of discover, has no field with the option (cloudstate.entity_key) = true"},
		{"service that isn't linked", func(e *sdk.EventSourced[*probe]) {
			e.Service = &grpc.ServiceDesc{ServiceName: "far.Away", HandlerType: (*any)(nil)}
		}, "not linked"},
		{"no persistence id", func(e *sdk.EventSourced[*probe]) { e.PersistenceID = "" }, "PersistenceID is missing"},
		{"bad persistence id", func(e *sdk.EventSourced[*probe]) { e.PersistenceID = "a|b" }, `PersistenceID "a|b"`},
		{"no New", func(e *sdk.EventSourced[*probe]) { e.New = nil }, "New is missing"},
		{"no handlers", func(e *sdk.EventSourced[*probe]) { e.Events = nil }, "there are no event handlers"},
		{"two handlers", func(e *sdk.EventSourced[*probe]) { e.Events = append(e.Events, persisted) },
			"event cloudstate.tck.model.Persisted has two handlers"},
		{"a zero handler", func(e *sdk.EventSourced[*probe]) { e.Events = append(e.Events, sdk.EventHandler[*probe]{}) },
			"event handler 1 was not made with sdk.On"},
		{"a nil handler", func(e *sdk.EventSourced[*probe]) {
			e.Events = []sdk.EventHandler[*probe]{sdk.On[*probe, *tck.Persisted](nil)}
		}, "the handler of cloudstate.tck.model.Persisted is nil"},
		{"a handler of everything", func(e *sdk.EventSourced[*probe]) {
			e.Events = append(e.Events, sdk.On(func(*probe, proto.Message) {}))
		}, "protoreflect.ProtoMessage is an interface"},
		{"a nil snapshot function", func(e *sdk.EventSourced[*probe]) {
			e.Snapshots = sdk.Snapshots(func(*probe) *tck.Persisted { return nil }, nil)
		}, "of the snapshots cloudstate.tck.model.Persisted is nil"},
		{"how often, but not what", func(e *sdk.EventSourced[*probe]) { e.SnapshotEvery = 5 }, "Snapshots is not"},
		{"negative snapshots", func(e *sdk.EventSourced[*probe]) { e.SnapshotEvery = -5 }, "negative"},
		{"tiny passivation", func(e *sdk.EventSourced[*probe]) { e.PassivateAfter = time.Microsecond }, "less than a millisecond"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := probes(nil)
			tt.change(&e)
			_, err := sdk.NewServer(nil, e)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v\nwant %q in it", err, tt.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	e := probes(nil)
	e.PersistenceID, e.New, e.Events = "", nil, nil
	_, err := sdk.NewServer(nil, e, nil, sdk.EventSourced[*two]{
		Service: &tck.EventSourcedTwo_ServiceDesc, PersistenceID: "a b",
	})
	for _, want := range []string{
		"entity " + modelService + ": PersistenceID is missing", "New is missing", "there are no event handlers", "entity 1 is nil",
		`entity cloudstate.tck.model.EventSourcedTwo: PersistenceID "a b"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant %q in it", err, want)
		}
	}
}

func TestEntitiesMustBeDifferent(t *testing.T) {
	twos := sdk.EventSourced[*two]{
		Service: &tck.EventSourcedTwo_ServiceDesc, PersistenceID: "probe", New: func(string) *two { return &two{} },
		Events: []sdk.EventHandler[*two]{sdk.On(func(*two, *tck.Persisted) {})},
	}
	for _, tt := range []struct {
		name     string
		entities []sdk.Entity
		want     string
	}{
		{"none", nil, "a function needs an entity"},
		{"same service", []sdk.Entity{probes(nil), probes(nil)}, "entity " + modelService + " is there twice"},
		{"same persistence id", []sdk.Entity{probes(nil), twos}, `have the same PersistenceID "probe"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sdk.NewServer(nil, tt.entities...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// A clumsyCart has a command with the wrong request, a bareCart embeds nothing,
// and a valueCart can't be changed.
type (
	clumsyCart struct {
		shop.UnimplementedShoppingCartServer
	}
	bareCart  struct{}
	valueCart struct {
		shop.UnimplementedShoppingCartServer
	}
)

func (*clumsyCart) GetCart(context.Context, *shop.AddItemRequest) (*shop.Cart, error) {
	return nil, nil
}

func (*bareCart) AddItem(context.Context, *shop.AddItemRequest) (*emptypb.Empty, error) {
	return nil, nil
}

func (*bareCart) RemoveItem(context.Context, *shop.RemoveItemRequest) (*emptypb.Empty, error) {
	return nil, nil
}

func (*bareCart) GetCart(context.Context, *shop.GetCartRequest) (*shop.Cart, error) { return nil, nil }

func TestAStateThatIsNoServerSaysWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		entity sdk.Entity
		want   string
	}{
		{"wrong request", cartsOf[*clumsyCart](), "its method GetCart must be a func(context.Context, *shop.GetCartRequest) (*shop.Cart, error)"},
		{"nothing embedded", cartsOf[*bareCart](), "embed UnimplementedShoppingCartServer"},
		{"not a pointer", cartsOf[valueCart](), "the state sdk_test.valueCart must be a pointer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sdk.NewServer(nil, tt.entity); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v\nwant %q in it", err, tt.want)
			}
		})
	}
}

func cartsOf[S any]() sdk.Entity {
	return sdk.EventSourced[S]{
		Service: &shop.ShoppingCart_ServiceDesc, PersistenceID: "cart", New: func(string) (s S) { return s },
		Events: []sdk.EventHandler[S]{sdk.On(func(S, *shop.ItemAdded) {})},
	}
}

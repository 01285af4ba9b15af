// SPDX-License-Identifier: Apache-2.0

package validate_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
	"github.com/kairn-dev/kairn/proxy/validate"
)

const shop = `
	syntax = "proto3";
	package shop;
	import "buf/validate/validate.proto";
	message Item {
		string id = 1 [(buf.validate.field).string.min_len = 2];
		int32 count = 2 [(buf.validate.field).int32 = { gt: 0 lte: 10 }];
	}
	message Order {
		repeated Item items = 1;
		string from = 2;
		string to = 3;
		option (buf.validate.message).cel = {
			id: "order.way" message: "from and to must differ" expression: "this.from != this.to"
		};
	}
	message Free { string text = 1; Free more = 2; }
	message Broken { string text = 1 [(buf.validate.field).cel = { id: "x" expression: "this +" }]; }
	service S {
		rpc One(Order) returns (Free);
		rpc Open(Free) returns (Free);
		rpc Bad(Broken) returns (Free);
		rpc Many(stream Item) returns (stream Free);
		rpc Watch(Item) returns (stream Free);
	}
`

// A carrier counts what gets through.
type carrier struct{ calls, messages int }

func (c *carrier) Submit(_ entity.Call, done func(entity.Answer)) {
	c.calls++
	done(entity.Answer{})
}

func (c *carrier) Stream(_ context.Context, _ entity.Call, client entity.Exchange) error {
	c.calls++
	for {
		_, err := client.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.messages++
	}
}

// encoded returns the bytes of a message of the package that is written as text.
func encoded(t testing.TB, c *route.Catalogue, name, text string) []byte {
	t.Helper()
	d, err := c.Files().FindDescriptorByName(protoreflect.FullName("shop." + name))
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRulesThatAreWrongLetNothingThrough checks that a rule which can't be
// compiled is not taken for one that is kept.
func TestRulesThatAreWrongLetNothingThrough(t *testing.T) {
	c := routetest.Catalogue(t, shop, nil)
	next := new(carrier)
	gate := validate.New(next)
	gate.Use(c)
	call := entity.Call{Service: "shop.S", Command: "Bad", Payload: encoded(t, c, "Broken", `text: "x"`)}
	var err error
	gate.Submit(call, func(a entity.Answer) { err = a.Err })
	if !errors.Is(err, entity.ErrProtocol) || !strings.Contains(err.Error(), "message shop.Broken can't be checked by its rules: ") {
		t.Errorf("a request: %v", err)
	}
	if err := gate.Stream(t.Context(), call, nil); !errors.Is(err, entity.ErrProtocol) {
		t.Errorf("a stream: %v", err)
	}
	call.Payload = nil // comes later, message by message
	if err := gate.Stream(t.Context(), call, nil); !errors.Is(err, entity.ErrProtocol) {
		t.Errorf("a stream of requests: %v", err)
	}
	if next.calls != 0 {
		t.Errorf("%d calls got through", next.calls)
	}
}

func TestOnlyValidRequestsGetThrough(t *testing.T) {
	c := routetest.Catalogue(t, shop, nil)
	next := new(carrier)
	gate := validate.New(next)
	problems := gate.Use(c)
	if len(problems) != 1 || !strings.HasPrefix(problems[0], "message shop.Broken can't be checked by its rules: ") {
		t.Errorf("problems %q", problems)
	}
	for _, tt := range []struct {
		method, message, text string
		want                  []entity.Violation
	}{
		{"One", "Order", `from: "a" items { id: "xy" count: 1 }`, nil},
		{"One", "Order", `from: "a" to: "a" items { id: "xy" count: 1 } items { id: "x" count: 11 }`, []entity.Violation{
			{Rule: "order.way", Description: "from and to must differ"},
			{Field: "items[1].id", Rule: "string.min_len", Description: "must be at least 2 characters"},
			{Field: "items[1].count", Rule: "int32.gt_lte", Description: "must be greater than 0 and less than or equal to 10"},
		}},
		{"Open", "Free", `text: "x"`, nil},
	} {
		before := next.calls
		call := entity.Call{Service: "shop.S", Command: tt.method, Payload: encoded(t, c, tt.message, tt.text)}
		gate.Submit(call, func(a entity.Answer) {
			if tt.want == nil {
				if a.Err != nil {
					t.Errorf("%s: %v", tt.text, a.Err)
				}
				return
			}
			invalid, ok := errors.AsType[*entity.Invalid](a.Err)
			if !ok || !reflect.DeepEqual(invalid.Violations, tt.want) {
				t.Errorf("%s: got %q", tt.text, a.Err)
			}
		})
		if through := next.calls > before; through != (tt.want == nil) {
			t.Errorf("%s: through %t", tt.text, through)
		}
	}
	gate.Submit(entity.Call{Service: "shop.S", Command: "One", Payload: []byte{0xff}}, func(a entity.Answer) {
		if !errors.Is(a.Err, entity.ErrInvalid) {
			t.Errorf("no message: %v", a.Err)
		}
	})
}

// A queue is a client with messages to send.
type queue [][]byte

func (q *queue) Recv() ([]byte, error) {
	if len(*q) == 0 {
		return nil, io.EOF
	}
	first := (*q)[0]
	*q = (*q)[1:]
	return first, nil
}

func (q *queue) Send([]byte, entity.Metadata) error { return nil }

func TestEachMessageOfAStreamIsChecked(t *testing.T) {
	c := routetest.Catalogue(t, shop, nil)
	next := new(carrier)
	gate := validate.New(next)
	gate.Use(c)
	good, bad := encoded(t, c, "Item", `id: "xy" count: 1`), encoded(t, c, "Item", `id: "xy"`)
	call := entity.Call{Service: "shop.S", Command: "Many"}
	if err := gate.Stream(t.Context(), call, &queue{good, good}); err != nil || next.messages != 2 {
		t.Errorf("valid ones: %v, %d got through", err, next.messages)
	}
	err := gate.Stream(t.Context(), call, &queue{good, bad, good})
	if !errors.Is(err, entity.ErrInvalid) || next.messages != 3 {
		t.Errorf("an invalid one: %v, %d got through", err, next.messages)
	}
	before := next.calls
	for _, only := range [][]byte{bad, {}, nil} { // an empty message has no bytes
		call = entity.Call{Service: "shop.S", Command: "Watch", Payload: only}
		if err := gate.Stream(t.Context(), call, &queue{}); !errors.Is(err, entity.ErrInvalid) || next.calls != before {
			t.Errorf("the only one is %x: %v", only, err)
		}
	}
}

func TestMessageWithoutRulesCostsNothing(t *testing.T) {
	c := routetest.Catalogue(t, shop, nil)
	gate := validate.New(new(carrier))
	gate.Use(c)
	call := entity.Call{Service: "shop.S", Command: "Open", Payload: []byte("not even a message")}
	done := func(a entity.Answer) {
		if a.Err != nil {
			t.Error(a.Err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { gate.Submit(call, done) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

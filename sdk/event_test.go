// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventlogeventing"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A notebook has an event for each note, in JSON, and what the test wants.
type notebook struct {
	eventlogeventing.UnimplementedEventSourcedEntityTwoServer
	notes []string
	event func(message string) (*anypb.Any, error)
}

type jotting struct{ Message string }

func (n *notebook) noted(e *anypb.Any) {
	var is jotting
	if err := sdk.ReadJSON(e, &is); err != nil {
		is.Message = e.GetTypeUrl()
	}
	n.notes = append(n.notes, is.Message)
}

func (n *notebook) EmitJsonEvent(ctx context.Context, in *eventlogeventing.JsonEvent) (*emptypb.Empty, error) { //nolint:revive // the name is generated
	e, err := n.event(in.GetMessage())
	if err != nil {
		return nil, err
	}
	sdk.Emit(ctx, e)
	return &emptypb.Empty{}, nil
}

func noteInJSON(message string) (*anypb.Any, error) { return sdk.JSON("Note", jotting{message}) }

// notebooks returns the entity, and what shows the state of the last instance.
func notebooks(event func(string) (*anypb.Any, error), more ...sdk.EventHandler[*notebook]) (sdk.Entity, func() []string) {
	var last *notebook
	return sdk.EventSourced[*notebook]{
		Service: &eventlogeventing.EventSourcedEntityTwo_ServiceDesc, PersistenceID: "notes",
		New:    func(string) *notebook { last = &notebook{event: event}; return last },
		Events: append(more, sdk.On((*notebook).noted)),
	}, func() []string { return last.notes }
}

func TestEventsInJSON(t *testing.T) {
	entity, notes := notebooks(noteInJSON)
	proxy := sdktest.New(t, entity)
	client := eventlogeventing.NewEventSourcedEntityTwoClient(proxy)
	for _, text := range []string{"milk", "tea"} {
		if _, err := client.EmitJsonEvent(t.Context(), &eventlogeventing.JsonEvent{Id: "a", Message: text}); err != nil {
			t.Fatal(err)
		}
		proxy.Passivate() // the next one replays
	}
	if got := strings.Join(notes(), " "); got != "milk tea" {
		t.Errorf("state %q", got)
	}
	e := proxy.Events("notes", "a")[0].(*anypb.Any)
	if e.GetTypeUrl() != "json.cloudstate.io/Note" || string(e.GetValue()) != "\x0a\x12"+`{"Message":"milk"}` {
		t.Errorf("stored %v", e)
	}
}

// TestAnyIsForTypesWithoutAHandler wants that an event of a type with a handler of
// its own is given to that one, however it was emitted.
func TestAnyIsForTypesWithoutAHandler(t *testing.T) {
	var own []string
	entity, notes := notebooks(
		func(message string) (*anypb.Any, error) {
			if message == "" {
				return anypb.New(&emptypb.Empty{})
			}
			return anypb.New(&eventlogeventing.Reply{Message: message})
		},
		sdk.On(func(_ *notebook, e *eventlogeventing.Reply) { own = append(own, e.GetMessage()) }),
	)
	client := eventlogeventing.NewEventSourcedEntityTwoClient(sdktest.New(t, entity))
	for _, text := range []string{"milk", ""} {
		if _, err := client.EmitJsonEvent(t.Context(), &eventlogeventing.JsonEvent{Id: "a", Message: text}); err != nil {
			t.Fatal(err)
		}
	}
	if len(own) != 1 || own[0] != "milk" || len(notes()) != 1 || notes()[0] != "type.googleapis.com/google.protobuf.Empty" {
		t.Errorf("own %q, others %q", own, notes())
	}
}

func TestJSONThatIsNone(t *testing.T) {
	for name, e := range map[string]*anypb.Any{
		"of another type":    {TypeUrl: "type.googleapis.com/Note", Value: []byte("\x0a\x02{}")},
		"cut off":            {TypeUrl: "json.cloudstate.io/Note", Value: []byte("\x0a\x09{}")},
		"without a field":    {TypeUrl: "json.cloudstate.io/Note"},
		"with broken syntax": {TypeUrl: "json.cloudstate.io/Note", Value: []byte("\x0a\x01{")},
	} {
		if err := sdk.ReadJSON(e, &jotting{}); err == nil || !strings.Contains(err.Error(), "Note") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := sdk.JSON("Note", make(chan int)); err == nil {
		t.Error("a channel is JSON")
	}
	if _, err := sdk.JSON("", 1); err == nil {
		t.Error("JSON has no type")
	}
}

// A listener takes events of all types.
type listener struct {
	eventlogeventing.UnimplementedEventLogSubscriberModelServer
	took   *anypb.Any
	origin sdk.Origin
	event  bool
}

func (l *listener) ProcessAnyEvent(ctx context.Context, in *anypb.Any) (*eventlogeventing.Response, error) {
	l.took = in
	l.origin, l.event = sdk.OriginOf(ctx)
	return &eventlogeventing.Response{}, nil
}

// TestMethodTakesAnyEvent wants the event itself, and where it comes from.
func TestMethodTakesAnyEvent(t *testing.T) {
	l := &listener{}
	action := sdk.Action{Service: &eventlogeventing.EventLogSubscriberModel_ServiceDesc, Server: l}
	client := eventlogeventing.NewEventLogSubscriberModelClient(sdktest.New(t, action))
	in, err := noteInJSON("milk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.ProcessAnyEvent(t.Context(), in); err != nil || !proto.Equal(l.took, in) || l.event {
		t.Errorf("took %v, an event: %t, %v", l.took, l.event, err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "ce-id", "a#1", "ce-source", "notes", "ce-subject", "a", "ce-type", "t")
	want := sdk.Origin{ID: "a#1", Log: "notes", Instance: "a", TypeURL: "t"}
	if _, err = client.ProcessAnyEvent(ctx, in); err != nil || l.origin != want || !l.event {
		t.Errorf("origin %+v, an event: %t, %v", l.origin, l.event, err)
	}
	f, stop := connect(t, action)
	out, err := cloudstate.NewActionProtocolClient(f.conn).HandleUnary(t.Context(), &cloudstate.ActionCommand{
		ServiceName: eventlogeventing.EventLogSubscriberModel_ServiceDesc.ServiceName, Name: "ProcessAnyEvent", Payload: in,
	})
	if err != nil || out.GetReply() == nil || !proto.Equal(l.took, in) {
		t.Errorf("took %v as it is stored: %v, %v", l.took, out, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestEventsReachTheirConsumer has package sdktest give them to it.
func TestEventsReachTheirConsumer(t *testing.T) {
	l := &listener{}
	entity, _ := notebooks(noteInJSON)
	log := entity.(sdk.EventSourced[*notebook])
	log.PersistenceID = "eventlogeventing-two"
	proxy := sdktest.New(t, log, sdk.Action{Service: &eventlogeventing.EventLogSubscriberModel_ServiceDesc, Server: l})
	client := eventlogeventing.NewEventSourcedEntityTwoClient(proxy)
	for _, text := range []string{"milk", "tea"} {
		if _, err := client.EmitJsonEvent(t.Context(), &eventlogeventing.JsonEvent{Id: "a", Message: text}); err != nil {
			t.Fatal(err)
		}
	}
	want, err := noteInJSON("tea")
	if err != nil {
		t.Fatal(err)
	}
	if o := l.origin; !proto.Equal(l.took, want) || o.ID != "a#2" || o.Log != log.PersistenceID || o.Instance != "a" || o.TypeURL != want.GetTypeUrl() {
		t.Errorf("took %v of %+v", l.took, l.origin)
	}
	sent := proxy.Sent()
	if len(sent) != 2 || !sent[1].Event || sent[1].Method != eventlogeventing.EventLogSubscriberModel_ProcessAnyEvent_FullMethodName {
		t.Errorf("sent %v", sent)
	}
}

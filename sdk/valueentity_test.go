// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	es "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/sdk"
)

const noteService = "cloudstate.tck.model.valueentity.ValueEntityTckModel"

// A note is a text whose command is given by the test.
type note struct {
	tck.UnimplementedValueEntityTckModelServer
	process func(context.Context, *note, *tck.Request) (*tck.Response, error)
	text    string
}

func (n *note) Process(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	return n.process(ctx, n, in)
}

func (n *note) set(to *tck.Persisted) { n.text = to.GetValue() }

func notes(process func(context.Context, *note, *tck.Request) (*tck.Response, error)) sdk.ValueEntity[*note] {
	return sdk.ValueEntity[*note]{
		Service:       &tck.ValueEntityTckModel_ServiceDesc,
		PersistenceID: "note",
		New:           func(string) *note { return &note{process: process, text: "new"} },
		State:         sdk.State((*note).set),
	}
}

// edit does what the actions of a request say, then replies with the text.
func edit(ctx context.Context, n *note, in *tck.Request) (*tck.Response, error) {
	for _, a := range in.GetActions() {
		switch a := a.GetAction().(type) {
		case *tck.RequestAction_Update:
			sdk.Update(ctx, &tck.Persisted{Value: a.Update.GetValue()})
		case *tck.RequestAction_Delete:
			sdk.Delete(ctx)
		case *tck.RequestAction_Fail:
			return nil, errors.New(a.Fail.GetMessage())
		}
	}
	return &tck.Response{Message: n.text}, nil
}

func update(value string) *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Update{Update: &tck.Update{Value: value}}}
}

func remove() *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Delete{Delete: &tck.Delete{}}}
}

func refuse() *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Fail{Fail: &tck.Fail{Message: "no"}}}
}

// A noteWire is the proxy's end of a note's stream.
type noteWire struct {
	t      testing.TB
	stream grpc.BidiStreamingClient[cloudstate.ValueEntityStreamIn, cloudstate.ValueEntityStreamOut]
	last   int64
}

func (f *function) openNote(t testing.TB) *noteWire {
	t.Helper()
	stream, err := cloudstate.NewValueEntityClient(f.conn).Handle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &noteWire{t: t, stream: stream}
}

// activateNote opens a stream to a note; nothing is stored if value is nil.
func (f *function) activateNote(t testing.TB, value *anypb.Any) *noteWire {
	t.Helper()
	w := f.openNote(t)
	w.init(&cloudstate.ValueEntityInit{ServiceName: noteService, EntityId: "one", State: &cloudstate.ValueEntityInitState{Value: value}})
	return w
}

func (w *noteWire) send(in *cloudstate.ValueEntityStreamIn) {
	w.t.Helper()
	if err := w.stream.Send(in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *noteWire) init(m *cloudstate.ValueEntityInit) {
	w.t.Helper()
	w.send(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Init{Init: m}})
}

func (w *noteWire) commandOf(c *cloudstate.Command) {
	w.t.Helper()
	w.send(&cloudstate.ValueEntityStreamIn{Message: &cloudstate.ValueEntityStreamIn_Command{Command: c}})
}

// asks sends the next command and receives the answer.
func (w *noteWire) asks(actions ...*tck.RequestAction) *cloudstate.ValueEntityStreamOut {
	w.t.Helper()
	w.last++
	w.commandOf(&cloudstate.Command{EntityId: "one", Id: w.last, Name: "Process", Payload: packed(w.t, &tck.Request{Id: "one", Actions: actions})})
	return w.recv()
}

func (w *noteWire) recv() *cloudstate.ValueEntityStreamOut {
	w.t.Helper()
	out, err := w.stream.Recv()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// gets sends the next command, and expects that text and state action; nothing,
// "delete" or the new value.
func (w *noteWire) gets(text, state string, actions ...*tck.RequestAction) {
	w.t.Helper()
	out := w.asks(actions...).GetReply()
	want := &cloudstate.ValueEntityReply{CommandId: w.last, ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
		Reply: &cloudstate.Reply{Payload: packed(w.t, &tck.Response{Message: text})},
	}}}
	switch state {
	case "":
	case "delete":
		want.StateAction = &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Delete{Delete: &cloudstate.ValueEntityDelete{}}}
	default:
		want.StateAction = &cloudstate.ValueEntityAction{Action: &cloudstate.ValueEntityAction_Update{
			Update: &cloudstate.ValueEntityUpdate{Value: packed(w.t, &tck.Persisted{Value: state})},
		}}
	}
	if !proto.Equal(out, want) {
		w.t.Errorf("reply %v, want %v", out, want)
	}
}

// refused sends the next command and expects a refusal and nothing else.
func (w *noteWire) refused(actions ...*tck.RequestAction) {
	w.t.Helper()
	out := w.asks(actions...).GetReply()
	want := &cloudstate.ValueEntityReply{CommandId: w.last, ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: w.last, Description: "no"},
	}}}
	if !proto.Equal(out, want) {
		w.t.Errorf("reply %v, want %v", out, want)
	}
}

// wantFault expects a failure message with that text, and the end of the stream.
func (w *noteWire) wantFault(text string) {
	w.t.Helper()
	f := w.recv().GetFailure()
	if !strings.Contains(f.GetDescription(), text) {
		w.t.Errorf("failure %v, want %q in it", f, text)
	}
	if out, err := w.stream.Recv(); err == nil {
		w.t.Errorf("got %v after a fault", out)
	}
}

func TestAValueIsSetAtOnceAndStoredWithTheReply(t *testing.T) {
	f := serve(t, notes(edit))
	w := f.activateNote(t, nil)
	w.gets("new", "")
	w.gets("B", "B", update("A"), update("B"))
	w.gets("B", "")
	w = f.activateNote(t, packed(t, &tck.Persisted{Value: "stored"}))
	w.gets("stored", "")
}

func TestADeletedValueMakesANewState(t *testing.T) {
	w := serve(t, notes(edit)).activateNote(t, packed(t, &tck.Persisted{Value: "stored"}))
	w.gets("stored", "delete", remove())
	w.gets("new", "")
	w.gets("B", "B", update("A"), remove(), update("B"))
	w.gets("B", "")
	w.gets("C", "delete", update("C"), remove())
	w.gets("new", "")
}

func TestARefusedCommandLeavesTheValueAlone(t *testing.T) {
	w := serve(t, notes(edit)).activateNote(t, nil)
	w.refused(update("A"), refuse())
	w.gets("new", "")
	w.gets("A", "A", update("A"))
	w.refused(update("B"), refuse())
	w.gets("A", "")
	w.refused(remove(), refuse())
	w.gets("A", "")
	w.refused(remove(), update("C"), refuse())
	w.gets("A", "")
	w.gets("A", "delete", remove())
	w.refused(update("B"), refuse())
	w.gets("new", "")
}

func TestAMisusedValueEntityIsAFault(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command func(ctx context.Context) (*tck.Response, error)
		want    string
	}{
		{"panic", func(context.Context) (*tck.Response, error) { panic("ouch") }, "panic: ouch"},
		{"value of another type", func(ctx context.Context) (*tck.Response, error) {
			sdk.Update(ctx, &tck.Request{})
			return nil, nil
		}, "sdk.Update: the State of the entity " + noteService + " is a cloudstate.tck.model.valueentity.Persisted, not a cloudstate.tck.model.valueentity.Request"},
		{"nil value", func(ctx context.Context) (*tck.Response, error) {
			sdk.Update(ctx, (*tck.Persisted)(nil))
			return nil, nil
		}, "the value is nil; sdk.Delete deletes it"},
		{"value that can't be encoded", func(ctx context.Context) (*tck.Response, error) {
			sdk.Update(ctx, &tck.Persisted{Value: "\xff"})
			return nil, nil
		}, "encode the value"},
		{"event", func(ctx context.Context) (*tck.Response, error) {
			sdk.Emit(ctx, &es.Persisted{})
			return nil, nil
		}, "sdk.Emit is for the commands of event sourced entities, which Process of " + noteService + " is not"},
		{"no reply", func(ctx context.Context) (*tck.Response, error) { return sdk.NoReply[*tck.Response](ctx) },
			"sdk.NoReply is for unary methods of actions"},
		{"failure in a stream", func(ctx context.Context) (*tck.Response, error) {
			return nil, sdk.SendFailure(ctx, errors.New("no"))
		}, "sdk.SendFailure is for streamed methods of actions"},
		{"metadata of a message", func(ctx context.Context) (*tck.Response, error) {
			return nil, fmt.Errorf("%v", sdk.MessageMetadata(ctx))
		}, "sdk.MessageMetadata is for streamed methods of actions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, notes(func(ctx context.Context, n *note, in *tck.Request) (*tck.Response, error) {
				if len(in.GetActions()) == 0 {
					return edit(ctx, n, in)
				}
				return tt.command(ctx)
			}))
			other, w := f.activateNote(t, nil), f.activateNote(t, nil)
			w.commandOf(&cloudstate.Command{EntityId: "one", Id: 1, Name: "Process", Payload: packed(t, &tck.Request{Actions: []*tck.RequestAction{remove()}})})
			w.wantFault(tt.want)
			if log := f.log.String(); !strings.Contains(log, "command=Process") || !strings.Contains(log, "entity="+noteService) {
				t.Errorf("log %s", log)
			}
			other.gets("new", "")
		})
	}
}

func TestWhatCannotBeANoteIsAFault(t *testing.T) {
	f := serve(t, notes(edit))
	for _, tt := range []struct {
		name string
		play func(w *noteWire)
		want string
	}{
		{"value of another type", func(w *noteWire) {
			w.init(&cloudstate.ValueEntityInit{ServiceName: noteService, State: &cloudstate.ValueEntityInitState{Value: packed(t, &tck.Request{})}})
		}, "what is stored is a cloudstate.tck.model.valueentity.Request"},
		{"garbled value", func(w *noteWire) {
			w.init(&cloudstate.ValueEntityInit{ServiceName: noteService, State: &cloudstate.ValueEntityInitState{
				Value: &anypb.Any{TypeUrl: packed(t, &tck.Persisted{}).GetTypeUrl(), Value: []byte{0xff}},
			}})
		}, "decode what is stored"},
		{"unknown service", func(w *noteWire) { w.init(&cloudstate.ValueEntityInit{ServiceName: "shop.Till"}) }, `"shop.Till"`},
		{"second init", func(w *noteWire) {
			w.init(&cloudstate.ValueEntityInit{ServiceName: noteService})
			w.init(&cloudstate.ValueEntityInit{ServiceName: noteService})
		}, "second init"},
		{"command before the init", func(w *noteWire) { w.commandOf(&cloudstate.Command{}) }, "command before the init"},
		{"command of another instance", func(w *noteWire) {
			w.init(&cloudstate.ValueEntityInit{ServiceName: noteService, EntityId: "one"})
			w.commandOf(&cloudstate.Command{EntityId: "two"})
		}, `command for "two"`},
		{"empty message", func(w *noteWire) { w.send(&cloudstate.ValueEntityStreamIn{}) }, "empty message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := f.openNote(t)
			tt.play(w)
			w.wantFault(tt.want)
		})
	}
}

func TestAnUnknownCommandOfANoteIsRefused(t *testing.T) {
	w := serve(t, notes(edit)).activateNote(t, nil)
	w.commandOf(&cloudstate.Command{EntityId: "one", Id: 1, Name: "Dance", Payload: packed(t, &tck.Request{})})
	if text := w.recv().GetReply().GetClientAction().GetFailure().GetDescription(); text != noteService+" has no command Dance" {
		t.Errorf("description %q", text)
	}
}

func TestANotesMetadataGoesInAndOut(t *testing.T) {
	w := serve(t, notes(func(ctx context.Context, _ *note, _ *tck.Request) (*tck.Response, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		sdk.Effect(metadata.AppendToOutgoingContext(ctx, "why", "because"), tck.ValueEntityTwo_Call_FullMethodName, &tck.Request{})
		return &tck.Response{}, grpc.SetHeader(ctx, metadata.Pairs("answer", strings.Join(in.Get("question"), ",")))
	})).activateNote(t, nil)
	text := func(key, value string) *cloudstate.Metadata {
		return &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
			{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: value}},
		}}
	}
	w.commandOf(&cloudstate.Command{EntityId: "one", Id: 1, Name: "Process", Payload: packed(t, &tck.Request{}), Metadata: text("question", "why")})
	out := w.recv().GetReply()
	if got := out.GetClientAction().GetReply().GetMetadata(); !proto.Equal(got, text("answer", "why")) {
		t.Errorf("metadata of the reply %v", got)
	}
	if got := out.GetSideEffects()[0].GetMetadata(); !proto.Equal(got, text("why", "because")) {
		t.Errorf("metadata of the effect %v", got)
	}
}

func TestMistakesInAValueEntityAreFoundAtTheStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(e *sdk.ValueEntity[*note])
		want   string
	}{
		{"no service", func(e *sdk.ValueEntity[*note]) { e.Service = nil }, `entity "note" of *sdk_test.note: Service is missing`},
		{"streamed service", func(e *sdk.ValueEntity[*note]) { e.Service = &cloudstate.ValueEntity_ServiceDesc },
			"the commands of a value entity are unary, which handle is not"},
		{"no persistence id", func(e *sdk.ValueEntity[*note]) { e.PersistenceID = "" }, "PersistenceID is missing"},
		{"no New", func(e *sdk.ValueEntity[*note]) { e.New = nil }, "New is missing"},
		{"no State", func(e *sdk.ValueEntity[*note]) { e.State = sdk.Setter[*note]{} }, "State is missing: make it with sdk.State"},
		{"nil State", func(e *sdk.ValueEntity[*note]) { e.State = sdk.State[*note, *tck.Persisted](nil) },
			"the handler of cloudstate.tck.model.valueentity.Persisted is nil"},
		{"State of everything", func(e *sdk.ValueEntity[*note]) { e.State = sdk.State(func(*note, proto.Message) {}) },
			"protoreflect.ProtoMessage is an interface"},
		{"tiny passivation", func(e *sdk.ValueEntity[*note]) { e.PassivateAfter = time.Microsecond }, "less than a millisecond"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := notes(edit)
			tt.change(&e)
			_, err := sdk.NewServer(nil, e)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v\nwant %q in it", err, tt.want)
			}
		})
	}
}

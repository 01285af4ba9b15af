// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// A function is a served user function and a connection to it.
type function struct {
	conn *grpc.ClientConn
	log  *logText
	stop func() error // stops serving and returns what Serve returned
}

// serve serves the entities on a port of the kernel's choice.
func serve(t testing.TB, entities ...sdk.Entity) *function {
	t.Helper()
	text := &logText{}
	server, err := sdk.NewServer(slog.New(slog.NewTextHandler(text, nil)), entities...)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, lis) }()
	stop := sync.OnceValue(func() error { cancel(); return <-served })
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &function{conn: conn, log: text, stop: stop}
}

// logText is a log that can be read while it is written.
type logText struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const modelService = "cloudstate.tck.model.EventSourcedTckModel"

// A wire is the proxy's end of an instance's stream.
type wire struct {
	t      testing.TB
	stream grpc.BidiStreamingClient[cloudstate.EventSourcedStreamIn, cloudstate.EventSourcedStreamOut]
	id     string
	last   int64 // command
	seq    int64 // event
}

// open opens a stream without sending anything.
func (f *function) open(t testing.TB) *wire {
	t.Helper()
	stream, err := cloudstate.NewEventSourcedClient(f.conn).Handle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &wire{t: t, stream: stream, id: "one"}
}

// activate opens a stream to the model and replays a snapshot, unless it is empty,
// at its length in events, and then events.
func (f *function) activate(t testing.TB, snapshot string, events ...string) *wire {
	t.Helper()
	w := f.open(t)
	init := &cloudstate.EventSourcedInit{ServiceName: modelService, EntityId: w.id}
	if snapshot != "" {
		w.seq = int64(len(snapshot))
		init.Snapshot = &cloudstate.EventSourcedSnapshot{SnapshotSequence: w.seq, Snapshot: persisted(w.t, snapshot)}
	}
	w.init(init)
	for _, e := range events {
		w.seq++
		w.event(w.seq, persisted(w.t, e))
	}
	return w
}

func (w *wire) send(in *cloudstate.EventSourcedStreamIn) {
	w.t.Helper()
	if err := w.stream.Send(in); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

func (w *wire) init(m *cloudstate.EventSourcedInit) {
	w.t.Helper()
	w.send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Init{Init: m}})
}

func (w *wire) event(seq int64, payload *anypb.Any) {
	w.t.Helper()
	w.send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Event{
		Event: &cloudstate.EventSourcedEvent{Sequence: seq, Payload: payload},
	}})
}

// command sends the next command to the model.
func (w *wire) command(actions ...*tck.RequestAction) {
	w.t.Helper()
	w.last++
	w.commandOf(&cloudstate.Command{
		EntityId: w.id, Id: w.last, Name: "Process", Payload: packed(w.t, &tck.Request{Id: w.id, Actions: actions}),
	})
}

func (w *wire) commandOf(c *cloudstate.Command) {
	w.t.Helper()
	w.send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: c}})
}

func (w *wire) recv() *cloudstate.EventSourcedStreamOut {
	w.t.Helper()
	out, err := w.stream.Recv()
	if err != nil {
		w.t.Fatalf("receive: %v", err)
	}
	return out
}

// want receives a reply to the last command, which must be exactly this.
func (w *wire) want(want *cloudstate.EventSourcedReply) {
	w.t.Helper()
	want.CommandId = w.last
	if got := w.recv().GetReply(); !proto.Equal(got, want) {
		w.t.Fatalf("reply %v\nwant  %v", got, want)
	}
}

// wantFault receives a failure message and the end of the stream.
func (w *wire) wantFault(commandID int64) string {
	w.t.Helper()
	out := w.recv()
	f := out.GetFailure()
	if f == nil || f.GetCommandId() != commandID || f.GetDescription() == "" {
		w.t.Fatalf("got %v, want a failure message with id %d", out, commandID)
	}
	w.wantEnd()
	return f.GetDescription()
}

func (w *wire) wantEnd() {
	w.t.Helper()
	if out, err := w.stream.Recv(); !errors.Is(err, io.EOF) {
		w.t.Fatalf("got %v, %v; want the end of the stream", out, err)
	}
}

// close ends the proxy's side; the function must end its own.
func (w *wire) close() {
	w.t.Helper()
	if err := w.stream.CloseSend(); err != nil {
		w.t.Fatal(err)
	}
	w.wantEnd()
}

func packed(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func persisted(t testing.TB, value string) *anypb.Any {
	t.Helper()
	return packed(t, &tck.Persisted{Value: value})
}

// What a request can ask of the model.

func emit(value string) *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Emit{Emit: &tck.Emit{Value: value}}}
}

func forward(id string) *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Forward{Forward: &tck.Forward{Id: id}}}
}

func effect(id string, synchronous bool) *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Effect{Effect: &tck.Effect{Id: id, Synchronous: synchronous}}}
}

func fail(text string) *tck.RequestAction {
	return &tck.RequestAction{Action: &tck.RequestAction_Fail{Fail: &tck.Fail{Message: text}}}
}

// What the model can answer.

func reply(t testing.TB, text string) *cloudstate.EventSourcedReply {
	t.Helper()
	return &cloudstate.EventSourcedReply{ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
		Reply: &cloudstate.Reply{Payload: packed(t, &tck.Response{Message: text})},
	}}}
}

func forwarded(t testing.TB, id string) *cloudstate.EventSourcedReply {
	t.Helper()
	return &cloudstate.EventSourcedReply{ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
		Forward: &cloudstate.Forward{
			ServiceName: "cloudstate.tck.model.EventSourcedTwo", CommandName: "Call", Payload: packed(t, &tck.Request{Id: id}),
		},
	}}}
}

func failed(id int64, text string, restart bool) *cloudstate.EventSourcedReply {
	return &cloudstate.EventSourcedReply{ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{CommandId: id, Description: text, Restart: restart},
	}}}
}

// with adds events, one for each letter, and a snapshot unless it is empty.
func with(t testing.TB, r *cloudstate.EventSourcedReply, events, snapshot string) *cloudstate.EventSourcedReply {
	t.Helper()
	for _, e := range events {
		r.Events = append(r.Events, persisted(t, string(e)))
	}
	if snapshot != "" {
		r.Snapshot = persisted(t, snapshot)
	}
	return r
}

// withEffects adds effects to the model's second service.
func withEffects(t testing.TB, r *cloudstate.EventSourcedReply, synchronous bool, ids ...string) *cloudstate.EventSourcedReply {
	t.Helper()
	for _, id := range ids {
		r.SideEffects = append(r.SideEffects, &cloudstate.SideEffect{
			ServiceName: "cloudstate.tck.model.EventSourcedTwo", CommandName: "Call",
			Payload: packed(t, &tck.Request{Id: id}), Synchronous: synchronous,
		})
	}
	return r
}

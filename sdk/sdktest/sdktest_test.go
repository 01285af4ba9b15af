// SPDX-License-Identifier: Apache-2.0

package sdktest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// A diary's commands are what the test wants them to be; its state is a text.
type diary struct {
	tck.UnimplementedEventSourcedTckModelServer
	process func(context.Context, *diary, *tck.Request) (*tck.Response, error)
	text    string
}

func (d *diary) Process(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	return d.process(ctx, d, in)
}

func (d *diary) written(e *tck.Persisted)      { d.text += e.GetValue() }
func (d *diary) restore(s *tck.Persisted)      { d.text = "restored:" + s.GetValue() }
func (d *diary) snapshot() *tck.Persisted      { return &tck.Persisted{Value: d.text} }
func (d *diary) reply() (*tck.Response, error) { return &tck.Response{Message: d.text}, nil }

func diaries(process func(context.Context, *diary, *tck.Request) (*tck.Response, error)) sdk.EventSourced[*diary] {
	return sdk.EventSourced[*diary]{
		Service:       &tck.EventSourcedTckModel_ServiceDesc,
		PersistenceID: "diary",
		New:           func(string) *diary { return &diary{process: process} },
		Events:        []sdk.EventHandler[*diary]{sdk.On((*diary).written)},
		Snapshots:     sdk.Snapshots((*diary).snapshot, (*diary).restore),
		SnapshotEvery: 2,
	}
}

// An archive writes down what it is called with, and calls itself for "loop".
type archive struct {
	tck.UnimplementedEventSourcedTwoServer
}

func (*archive) Call(ctx context.Context, in *tck.Request) (*tck.Response, error) {
	if in.GetId() == "loop" {
		return sdk.Forward[*tck.Response](ctx, tck.EventSourcedTwo_Call_FullMethodName, in)
	}
	sdk.Emit(ctx, &tck.Persisted{Value: in.GetId()})
	return &tck.Response{Message: "archived " + in.GetId()}, nil
}

func archives() sdk.Entity {
	return sdk.EventSourced[*archive]{
		Service:       &tck.EventSourcedTwo_ServiceDesc,
		PersistenceID: "archive",
		New:           func(string) *archive { return &archive{} },
		Events:        []sdk.EventHandler[*archive]{sdk.On(func(*archive, *tck.Persisted) {})},
	}
}

// write emits what the request's first action emits.
func write(ctx context.Context, d *diary, in *tck.Request) (*tck.Response, error) {
	for _, a := range in.GetActions() {
		sdk.Emit(ctx, &tck.Persisted{Value: a.GetEmit().GetValue()})
	}
	return d.reply()
}

func request(values ...string) *tck.Request {
	r := &tck.Request{Id: "ann"}
	for _, v := range values {
		r.Actions = append(r.Actions, &tck.RequestAction{Action: &tck.RequestAction_Emit{Emit: &tck.Emit{Value: v}}})
	}
	return r
}

func TestEventsAndSnapshotsAreStoredAndReplayed(t *testing.T) {
	p := sdktest.New(t, diaries(write))
	client := tck.NewEventSourcedTckModelClient(p)
	for _, tt := range []struct{ write, want string }{{"a", "a"}, {"b", "ab"}, {"c", "abc"}} {
		if got := process(t, client, request(tt.write)); got != tt.want {
			t.Fatalf("state %q, want %q", got, tt.want)
		}
	}
	if snapshot, n := p.Snapshot("diary", "ann"); n != 2 || !proto.Equal(snapshot, &tck.Persisted{Value: "ab"}) {
		t.Errorf("snapshot %v of %d events, want ab of 2", snapshot, n)
	}
	if events := p.Events("diary", "ann"); len(events) != 3 || !proto.Equal(events[2], &tck.Persisted{Value: "c"}) {
		t.Errorf("events %v", events)
	}
	p.Passivate()
	if got := process(t, client, request()); got != "restored:abc" {
		t.Errorf("state %q after the replay, want that of the snapshot and one event", got)
	}
	if snapshot, n := p.Snapshot("diary", "bob"); snapshot != nil || n != 0 {
		t.Errorf("a snapshot of nothing: %v of %d events", snapshot, n)
	}
}

func TestADeletedInstanceBeginsAnew(t *testing.T) {
	p := sdktest.New(t, diaries(func(ctx context.Context, d *diary, in *tck.Request) (*tck.Response, error) {
		if len(in.GetActions()) == 2 {
			sdk.Delete(ctx)
		}
		return write(ctx, d, in)
	}))
	client := tck.NewEventSourcedTckModelClient(p)
	process(t, client, request("a"))
	if got := process(t, client, request("b", "c")); got != "abc" {
		t.Errorf("the command that deletes has the state %q, want abc", got)
	}
	if events := p.Events("diary", "ann"); len(events) != 0 {
		t.Errorf("events %v after the deletion", events)
	}
	if got := process(t, client, request("d")); got != "d" {
		t.Errorf("state %q after the deletion, want d", got)
	}
	p.Passivate()
	if got := process(t, client, request()); got != "d" {
		t.Errorf("state %q after the replay, want d", got)
	}
	if events := p.Events("diary", "ann"); len(events) != 1 || !proto.Equal(events[0], &tck.Persisted{Value: "d"}) {
		t.Errorf("events %v, want d", events)
	}
}

func TestARefusalLeavesNothingBehind(t *testing.T) {
	p := sdktest.New(t, archives(), diaries(func(ctx context.Context, d *diary, in *tck.Request) (*tck.Response, error) {
		sdk.Effect(ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: "x"})
		if _, err := write(ctx, d, in); err == nil && len(in.GetActions()) == 2 {
			return nil, errors.New("one at a time")
		}
		return d.reply()
	}))
	client := tck.NewEventSourcedTckModelClient(p)
	process(t, client, request("a"))
	_, err := client.Process(t.Context(), request("b", "c"))
	if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != "one at a time" {
		t.Errorf("error %v", err)
	}
	if got := process(t, client, request()); got != "a" {
		t.Errorf("state %q, want a", got)
	}
	if n := len(p.Sent()); n != 2 {
		t.Errorf("%d effects, want those of the two commands that weren't refused", n)
	}
}

func TestAFaultIsAnErrorAndTheInstanceStartsAnew(t *testing.T) {
	p := sdktest.New(t, diaries(func(ctx context.Context, d *diary, in *tck.Request) (*tck.Response, error) {
		if len(in.GetActions()) == 2 {
			d.text = "garbage"
			panic("ouch")
		}
		return write(ctx, d, in)
	}))
	client := tck.NewEventSourcedTckModelClient(p)
	process(t, client, request("a"))
	if _, err := client.Process(t.Context(), request("b", "c")); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "ouch") {
		t.Errorf("error %v", err)
	}
	if got := process(t, client, request()); got != "a" {
		t.Errorf("state %q, want a", got)
	}
}

func TestForwardsAndEffectsAreCarriedOut(t *testing.T) {
	p := sdktest.New(t, archives(), diaries(func(ctx context.Context, _ *diary, in *tck.Request) (*tck.Response, error) {
		sdk.Effect(ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: "first"})
		sdk.Effect(ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: "second"}, sdk.Synchronous())
		sdk.Effect(ctx, "/far.Away/Call", &tck.Request{Id: "third"})
		return sdk.Forward[*tck.Response](ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Request{Id: "last"})
	}))
	if got := process(t, tck.NewEventSourcedTckModelClient(p), request()); got != "archived last" {
		t.Errorf("reply %q, want that of the forward", got)
	}
	const call = tck.EventSourcedTwo_Call_FullMethodName
	want := []sdktest.Sent{
		{Method: call, Message: &tck.Request{Id: "first"}},
		{Method: call, Message: &tck.Request{Id: "second"}, Synchronous: true},
		{Method: "/far.Away/Call", Message: &tck.Request{Id: "third"}},
		{Method: call, Message: &tck.Request{Id: "last"}, Forward: true},
	}
	got := p.Sent()
	if len(got) != len(want) {
		t.Fatalf("sent %v, want %v", got, want)
	}
	for i, s := range got {
		if s.Method != want[i].Method || s.Forward != want[i].Forward || s.Synchronous != want[i].Synchronous || !proto.Equal(s.Message, want[i].Message) {
			t.Errorf("sent %v, want %v", s, want[i])
		}
	}
	for _, id := range []string{"first", "second", "last"} {
		if len(p.Events("archive", id)) != 1 {
			t.Errorf("%q wasn't carried out", id)
		}
	}
}

func TestCallsThatCannotBeMade(t *testing.T) {
	p := sdktest.New(t, archives())
	for _, tt := range []struct {
		name string
		call func(ctx context.Context) error
		want codes.Code
	}{
		{"no such entity", func(ctx context.Context) error {
			_, err := tck.NewEventSourcedTckModelClient(p).Process(ctx, request())
			return err
		}, codes.Unimplemented},
		{"a loop", func(ctx context.Context) error {
			_, err := tck.NewEventSourcedTwoClient(p).Call(ctx, &tck.Request{Id: "loop"})
			return err
		}, codes.Internal},
		{"a request without a key", func(ctx context.Context) error {
			return p.Invoke(ctx, tck.EventSourcedTwo_Call_FullMethodName, &tck.Response{}, &tck.Response{})
		}, codes.InvalidArgument},
		{"a caller that has gone", func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			_, err := tck.NewEventSourcedTwoClient(p).Call(ctx, &tck.Request{Id: "x"})
			return err
		}, codes.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(t.Context()); status.Code(err) != tt.want {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestMetadataGoesInAndOut(t *testing.T) {
	p := sdktest.New(t, diaries(func(ctx context.Context, d *diary, _ *tck.Request) (*tck.Response, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		if err := grpc.SetHeader(ctx, metadata.Pairs("answer", strings.Join(in.Get("question"), ","))); err != nil {
			return nil, err
		}
		return d.reply()
	}))
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "question", "why")
	if _, err := tck.NewEventSourcedTckModelClient(p).Process(ctx, request(), grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("answer"); len(got) != 1 || got[0] != "why" {
		t.Errorf("header %v", header)
	}
}

func TestManyCallersAtOnceLeaveNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(t, diaries(write))
		client := tck.NewEventSourcedTckModelClient(p)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := client.Process(t.Context(), request("a")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(p.Events("diary", "ann")); n != 50 {
			t.Errorf("%d events, want 50", n)
		}
	})
}

func process(t *testing.T, client tck.EventSourcedTckModelClient, in *tck.Request) string {
	t.Helper()
	out, err := client.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.GetMessage()
}

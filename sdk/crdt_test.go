// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/samples/account/bank"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/sdk"
)

const tallyService = "cloudstate.tck.model.crdt.CrdtTckModel"

// A tally is a counter whose commands a test gives it.
type tally struct {
	tck.UnimplementedCrdtTckModelServer
	count   sdk.PNCounter
	process func(context.Context, *tally) (*tck.Response, error)
	watch   func(context.Context, *tally, func(*tck.Response) error) error
}

func (c *tally) Process(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
	return c.process(ctx, c)
}

func (c *tally) ProcessStreamed(_ *tck.StreamedRequest, s grpc.ServerStreamingServer[tck.Response]) error {
	return c.watch(s.Context(), c, s.Send)
}

func (c *tally) response() *tck.Response {
	return &tck.Response{State: &tck.State{Value: &tck.State_Pncounter{Pncounter: &tck.PNCounterValue{Value: c.count.Value()}}}}
}

// tallies is an entity whose unary command adds one, and whose streamed one sends
// every count, unless the test has others.
func tallies(process func(context.Context, *tally) (*tck.Response, error), watch func(context.Context, *tally, func(*tck.Response) error) error) sdk.CRDT[*tally] {
	if process == nil {
		process = func(_ context.Context, c *tally) (*tck.Response, error) { c.count.Add(1); return c.response(), nil }
	}
	if watch == nil {
		watch = func(ctx context.Context, c *tally, send func(*tck.Response) error) error {
			sdk.OnChange(ctx, func(context.Context) (*tck.Response, error) { return c.response(), nil })
			return send(c.response())
		}
	}
	return sdk.CRDT[*tally]{
		Service: &tck.CrdtTckModel_ServiceDesc,
		New:     func(string) *tally { return &tally{process: process, watch: watch} },
		Data:    func(c *tally) sdk.Data { return &c.count },
	}
}

// A tallyWire is the proxy's end of a tally's stream.
type tallyWire struct {
	t      testing.TB
	stream grpc.BidiStreamingClient[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]
	last   int64
}

func openTally(t testing.TB, e sdk.Entity) *tallyWire {
	t.Helper()
	stream, err := cloudstate.NewCrdtClient(serve(t, e).conn).Handle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &tallyWire{t: t, stream: stream}
	w.send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Init{Init: &cloudstate.CrdtInit{ServiceName: tallyService, EntityId: "one"}}})
	return w
}

func (w *tallyWire) send(in *cloudstate.CrdtStreamIn) {
	w.t.Helper()
	if err := w.stream.Send(in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *tallyWire) recv() *cloudstate.CrdtStreamOut {
	w.t.Helper()
	out, err := w.stream.Recv()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *tallyWire) command(name string, in proto.Message) *cloudstate.Command {
	w.last++
	_, streamed := in.(*tck.StreamedRequest)
	return &cloudstate.Command{EntityId: "one", Id: w.last, Name: name, Payload: packed(w.t, in), Streamed: streamed}
}

func (w *tallyWire) asks(c *cloudstate.Command) *cloudstate.CrdtReply {
	w.t.Helper()
	w.send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: c}})
	return w.recv().GetReply()
}

func (w *tallyWire) process() *cloudstate.CrdtReply {
	w.t.Helper()
	return w.asks(w.command("Process", &tck.Request{Id: "one"}))
}

func (w *tallyWire) watch() *cloudstate.CrdtReply {
	w.t.Helper()
	return w.asks(w.command("ProcessStreamed", &tck.StreamedRequest{Id: "one"}))
}

func (w *tallyWire) hears(change int64) {
	w.t.Helper()
	w.send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delta{Delta: &cloudstate.CrdtDelta{
		Delta: &cloudstate.CrdtDelta_Pncounter{Pncounter: &cloudstate.PNCounterDelta{Change: change}}}}})
}

// count returns what a client gets to see.
func (w *tallyWire) count(a *cloudstate.ClientAction) int64 {
	w.t.Helper()
	m := &tck.Response{}
	if err := a.GetReply().GetPayload().UnmarshalTo(m); err != nil {
		w.t.Fatalf("%v: %v", a, err)
	}
	return m.GetState().GetPncounter().GetValue()
}

func TestARefusedCommandOfACRDTChangesNothing(t *testing.T) {
	refuse := true
	w := openTally(t, tallies(func(ctx context.Context, c *tally) (*tck.Response, error) {
		c.count.Add(1)
		sdk.Effect(ctx, tck.CrdtTwo_Call_FullMethodName, &tck.Request{})
		if refuse {
			return nil, errors.New("no")
		}
		return c.response(), nil
	}, nil))
	w.watch()
	r := w.process()
	if r.GetClientAction().GetFailure().GetDescription() != "no" || r.GetStateAction() != nil || r.GetSideEffects() != nil {
		t.Errorf("reply %v", r)
	}
	refuse = false // the next command finds that nobody else reads it
	if r := w.process(); w.count(r.GetClientAction()) != 1 || r.GetStateAction().GetUpdate().GetPncounter().GetChange() != 1 {
		t.Errorf("reply %v", r)
	}
	if m := w.recv().GetStreamedMessage(); m.GetCommandId() != 1 || w.count(m.GetClientAction()) != 1 {
		t.Errorf("those who watch get %v", m)
	}
}

func TestThoseWhoWatchSeeWhatOthersDo(t *testing.T) {
	w := openTally(t, tallies(nil, nil))
	if r := w.watch(); !r.GetStreamed() || w.count(r.GetClientAction()) != 0 {
		t.Errorf("reply %v", r)
	}
	w.watch()
	w.hears(5)
	for id := range int64(2) {
		if m := w.recv().GetStreamedMessage(); m.GetCommandId() != id+1 || w.count(m.GetClientAction()) != 5 {
			t.Errorf("watcher %d gets %v", id+1, m)
		}
	}
}

func TestAWatchEnds(t *testing.T) {
	w := openTally(t, tallies(nil, func(ctx context.Context, c *tally, send func(*tck.Response) error) error {
		sdk.OnChange(ctx, func(ctx context.Context) (*tck.Response, error) {
			switch c.count.Value() {
			case 1:
				return nil, nil
			case 2:
				sdk.Effect(ctx, tck.CrdtTwo_Call_FullMethodName, &tck.Request{})
				return nil, nil
			case 3:
				return sdk.Forward[*tck.Response](ctx, tck.CrdtTwo_Call_FullMethodName, &tck.Request{})
			}
			return nil, errors.New("enough")
		})
		return nil
	}))
	if r := w.watch(); !r.GetStreamed() || r.GetClientAction() != nil {
		t.Errorf("reply %v", r)
	}
	w.hears(1)
	w.hears(1)
	if m := w.recv().GetStreamedMessage(); len(m.GetSideEffects()) != 1 || m.GetClientAction() != nil {
		t.Errorf("got %v, not an effect only", m)
	}
	w.hears(1)
	if m := w.recv().GetStreamedMessage(); m.GetClientAction().GetForward().GetCommandName() != "Call" {
		t.Errorf("got %v, not a forward", m)
	}
	w.hears(1)
	if m := w.recv().GetStreamedMessage(); m.GetClientAction().GetFailure().GetDescription() != "enough" || !m.GetEndStream() {
		t.Errorf("got %v, not a failure as the end", m)
	}
	w.hears(1)
	w.send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_StreamCancelled{StreamCancelled: &cloudstate.StreamCancelled{EntityId: "one", Id: 1}}})
	if m := w.recv().GetStreamCancelledResponse(); m.GetCommandId() != 1 || m.GetStateAction() != nil {
		t.Errorf("got %v for the cancellation of what had ended", m)
	}
}

func TestAStreamedCommandThatDoesNotGoOn(t *testing.T) {
	w := openTally(t, tallies(nil, func(ctx context.Context, c *tally, send func(*tck.Response) error) error {
		if err := send(c.response()); err != nil {
			return err
		}
		return send(c.response())
	}))
	if r := w.watch(); r.GetStreamed() || !strings.Contains(r.GetClientAction().GetFailure().GetDescription(), "has sent its first message") {
		t.Errorf("reply %v", r)
	}
	w = openTally(t, tallies(nil, func(ctx context.Context, _ *tally, _ func(*tck.Response) error) error {
		return sdk.SendForward(ctx, tck.CrdtTwo_Call_FullMethodName, &tck.Request{})
	}))
	if r := w.watch(); r.GetStreamed() || r.GetClientAction().GetForward().GetCommandName() != "Call" {
		t.Errorf("reply %v", r)
	}
}

func TestWhatWasDeletedTakesNoCommands(t *testing.T) {
	w := openTally(t, tallies(nil, nil))
	w.send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delete{Delete: &cloudstate.CrdtDelete{}}})
	if r := w.process(); !strings.Contains(r.GetClientAction().GetFailure().GetDescription(), "has been deleted") {
		t.Errorf("reply %v", r)
	}
	c := w.command("ProcessStreamed", &tck.StreamedRequest{})
	c.Streamed = false
	if r := w.asks(c); !strings.Contains(r.GetClientAction().GetFailure().GetDescription(), "has many replies") {
		t.Errorf("reply %v", r)
	}
}

func TestAMisusedCRDTIsAFault(t *testing.T) {
	unary := func(f func(context.Context, *tally)) sdk.Entity {
		return tallies(func(ctx context.Context, c *tally) (*tck.Response, error) { f(ctx, c); return nil, nil }, nil)
	}
	streamed := func(f func(context.Context, *tally)) sdk.Entity {
		return tallies(nil, func(ctx context.Context, c *tally, _ func(*tck.Response) error) error { f(ctx, c); return nil })
	}
	onChange := func(f func(context.Context, *tally)) sdk.Entity {
		return streamed(func(ctx context.Context, c *tally) {
			sdk.OnChange(ctx, func(ctx context.Context) (*tck.Response, error) { f(ctx, c); return nil, nil })
		})
	}
	for _, tt := range []struct {
		name   string
		entity sdk.Entity
		want   string
	}{
		{"panic", unary(func(context.Context, *tally) { panic("ouch") }), "panic: ouch"},
		{"event", unary(func(ctx context.Context, _ *tally) { sdk.Emit(ctx, &tck.Request{}) }), "sdk.Emit is for the commands of event sourced"},
		{"watch of a unary command", unary(func(ctx context.Context, _ *tally) { sdk.OnCancel(ctx, nil) }), "sdk.OnCancel is for streamed methods of CRDTs"},
		{"watch that answers with something else", streamed(func(ctx context.Context, _ *tally) {
			sdk.OnChange(ctx, func(context.Context) (*tck.Request, error) { return nil, nil })
		}), "answers with a cloudstate.tck.model.crdt.Response"},
		{"end of nothing", unary(func(ctx context.Context, _ *tally) { sdk.EndStream(ctx) }), "sdk.EndStream is for functions given to sdk.OnChange"},
		{"watch that changes", onChange(func(_ context.Context, c *tally) { c.count.Add(1) }), "it may only look"},
		{"watch that deletes", onChange(func(ctx context.Context, _ *tally) { sdk.Delete(ctx) }), "sdk.Delete is for"},
		{"watch that panics", onChange(func(context.Context, *tally) { panic("ouch") }), "panic: ouch"},
		{"data of a scalar that can't be replicated", sdk.CRDT[*tally]{
			Service: &tck.CrdtTckModel_ServiceDesc,
			New: func(string) *tally {
				return &tally{watch: func(context.Context, *tally, func(*tck.Response) error) error { return nil }}
			},
			Data: func(*tally) sdk.Data { return &sdk.LWWRegister[int]{} },
		}, "a int can't be replicated"},
		{"no data", sdk.CRDT[*tally]{
			Service: &tck.CrdtTckModel_ServiceDesc,
			New:     func(string) *tally { return &tally{} },
			Data:    func(*tally) sdk.Data { return nil },
		}, "returned nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := openTally(t, tt.entity)
			for _, c := range []*cloudstate.Command{w.command("ProcessStreamed", &tck.StreamedRequest{}), w.command("Process", &tck.Request{})} {
				_ = w.stream.Send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: c}}) // receiving says why not
			}
			_ = w.stream.Send(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delta{}})
			for {
				out := w.recv()
				if f := out.GetFailure(); f != nil {
					if !strings.Contains(f.GetDescription(), tt.want) {
						t.Errorf("failure %v, want %q in it", f, tt.want)
					}
					return
				}
			}
		})
	}
}

func TestMistakesInACRDTAreFoundAtTheStart(t *testing.T) {
	for want, e := range map[string]sdk.Entity{
		"Service is missing":   sdk.CRDT[*tally]{},
		"Data is missing":      sdk.CRDT[*tally]{Service: &tck.CrdtTckModel_ServiceDesc},
		"New is missing":       sdk.CRDT[*tally]{Service: &tck.CrdtTckModel_ServiceDesc},
		"GreetEach has many":   sdk.CRDT[*tally]{Service: &greet.Greeter_ServiceDesc},
		"does not implement":   sdk.CRDT[*tally]{Service: &bank.Accounts_ServiceDesc},
		"has no field with th": sdk.CRDT[*tally]{Service: &greet.Greeter_ServiceDesc},
	} {
		if _, err := sdk.NewServer(nil, e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package sdktest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	act "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/valueentity"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

// An echo answers every step of a request in its own way: with a reply, a
// forward to a shout, a failure, or an effect on a shout.
type echo struct {
	act.UnimplementedActionTckModelServer
}

func (echo) ProcessUnary(ctx context.Context, in *act.Request) (*act.Response, error) {
	for _, s := range in.GetGroups()[0].GetSteps() {
		switch s := s.GetStep().(type) {
		case *act.ProcessStep_Reply:
			md, _ := metadata.FromIncomingContext(ctx)
			out, _ := metadata.FromOutgoingContext(ctx)
			header := metadata.Pairs("answer", strings.Join(append(md.Get("question"), out.Get("question")...), ","))
			return &act.Response{Message: s.Reply.GetMessage()}, grpc.SetHeader(ctx, header)
		case *act.ProcessStep_Forward:
			return sdk.Forward[*act.Response](ctx, act.ActionTwo_Call_FullMethodName, &act.OtherRequest{Id: s.Forward.GetId()})
		case *act.ProcessStep_Fail:
			return nil, errors.New(s.Fail.GetMessage())
		case *act.ProcessStep_Effect:
			sdk.Effect(ctx, act.ActionTwo_Call_FullMethodName, &act.OtherRequest{Id: s.Effect.GetId()})
		}
	}
	return sdk.NoReply[*act.Response](ctx)
}

func (e echo) ProcessStreamedIn(s grpc.ClientStreamingServer[act.Request, act.Response]) error {
	text := ""
	for {
		in, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF) && text == "":
			return nil
		case errors.Is(err, io.EOF):
			return s.SendAndClose(&act.Response{Message: text})
		case err != nil:
			return err
		}
		text += in.GetGroups()[0].GetSteps()[0].GetReply().GetMessage()
	}
}

func (e echo) ProcessStreamedOut(in *act.Request, s grpc.ServerStreamingServer[act.Response]) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	if err := s.SetHeader(metadata.Pairs("answer", strings.Join(md.Get("question"), ","))); err != nil {
		return err
	}
	for _, step := range in.GetGroups()[0].GetSteps() {
		if err := e.say(s.Context(), step, s.Send); err != nil {
			return err
		}
	}
	return nil
}

func (e echo) ProcessStreamed(s grpc.BidiStreamingServer[act.Request, act.Response]) error {
	if err := s.Send(&act.Response{Message: "hello"}); err != nil {
		return err
	}
	for {
		in, err := s.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := e.say(s.Context(), in.GetGroups()[0].GetSteps()[0], s.Send); err != nil {
			return err
		}
	}
}

func (echo) say(ctx context.Context, step *act.ProcessStep, send func(*act.Response) error) error {
	switch s := step.GetStep().(type) {
	case *act.ProcessStep_Forward:
		return sdk.SendForward(ctx, act.ActionTwo_Call_FullMethodName, &act.OtherRequest{Id: s.Forward.GetId()})
	case *act.ProcessStep_Fail:
		return errors.New(s.Fail.GetMessage())
	case *act.ProcessStep_Effect:
		sdk.Effect(ctx, act.ActionTwo_Call_FullMethodName, &act.OtherRequest{Id: s.Effect.GetId()})
		return sdk.SendEffects(ctx)
	default:
		return send(&act.Response{Message: step.GetReply().GetMessage()})
	}
}

// A shout is what forwards and effects go to; it has a memo made of them.
type shout struct {
	act.UnimplementedActionTwoServer
}

func (shout) Call(ctx context.Context, in *act.OtherRequest) (*act.Response, error) {
	sdk.Effect(ctx, valueentity.ValueEntityTwo_Call_FullMethodName, &valueentity.Request{Id: in.GetId()})
	return &act.Response{Message: strings.ToUpper(in.GetId())}, nil
}

// A memo stores its own name.
type memo struct {
	valueentity.UnimplementedValueEntityTwoServer
	text string
}

func (m *memo) set(to *valueentity.Persisted) { m.text = to.GetValue() }

func (m *memo) Call(ctx context.Context, in *valueentity.Request) (*valueentity.Response, error) {
	if len(in.GetActions()) > 0 {
		sdk.Delete(ctx)
		return nil, nil
	}
	sdk.Update(ctx, &valueentity.Persisted{Value: m.text + in.GetId()})
	return &valueentity.Response{Message: m.text}, nil
}

func voices() []sdk.Entity {
	return []sdk.Entity{
		sdk.Action{Service: &act.ActionTckModel_ServiceDesc, Server: echo{}},
		sdk.Action{Service: &act.ActionTwo_ServiceDesc, Server: shout{}},
		sdk.ValueEntity[*memo]{
			Service:       &valueentity.ValueEntityTwo_ServiceDesc,
			PersistenceID: "memo",
			New:           func(string) *memo { return &memo{} },
			State:         sdk.State((*memo).set),
		},
	}
}

// asking returns a request with steps, each a letter and a text: r for a reply, f
// for a forward, x for a failure, e for an effect.
func asking(steps ...string) *act.Request {
	g := &act.ProcessGroup{}
	for _, s := range steps {
		step := &act.ProcessStep{}
		switch s[0] {
		case 'r':
			step.Step = &act.ProcessStep_Reply{Reply: &act.Reply{Message: s[1:]}}
		case 'f':
			step.Step = &act.ProcessStep_Forward{Forward: &act.Forward{Id: s[1:]}}
		case 'x':
			step.Step = &act.ProcessStep_Fail{Fail: &act.Fail{Message: s[1:]}}
		case 'e':
			step.Step = &act.ProcessStep_Effect{Effect: &act.SideEffect{Id: s[1:]}}
		}
		g.Steps = append(g.Steps, step)
	}
	return &act.Request{Groups: []*act.ProcessGroup{g}}
}

func TestAValueIsStoredAndFoundAgain(t *testing.T) {
	p := sdktest.New(t, voices()...)
	client := valueentity.NewValueEntityTwoClient(p)
	for _, want := range []string{"a", "aa"} {
		out, err := client.Call(t.Context(), &valueentity.Request{Id: "a"})
		if err != nil || out.GetMessage() != want {
			t.Fatalf("reply %v, %v, want %s", out, err, want)
		}
		p.Passivate()
	}
	if got := p.Value("memo", "a"); !proto.Equal(got, &valueentity.Persisted{Value: "aa"}) {
		t.Errorf("stored %v", got)
	}
	if _, err := client.Call(t.Context(), &valueentity.Request{Id: "a", Actions: []*valueentity.RequestAction{{}}}); err != nil {
		t.Fatal(err)
	}
	if got := p.Value("memo", "a"); got != nil {
		t.Errorf("stored %v after a deletion", got)
	}
}

func TestUnaryActions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		in     *act.Request
		text   string
		err    string
		stored string // by a shout
	}{
		{"reply", asking("ra"), "a", "", ""},
		{"nothing", asking(), "", "", ""},
		{"forward", asking("fa"), "A", "", "a"},
		{"effect and reply", asking("ea", "rb"), "b", "", "a"},
		{"effect and failure", asking("ea", "xno"), "", "no", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := sdktest.New(t, voices()...)
			out, err := act.NewActionTckModelClient(p).ProcessUnary(t.Context(), tt.in)
			if status.Convert(err).Message() != tt.err || out.GetMessage() != tt.text {
				t.Errorf("reply %v, error %v", out, err)
			}
			if tt.stored == "" {
				return
			}
			if got := p.Value("memo", tt.stored); got == nil {
				t.Error("the effect was not carried out")
			}
		})
	}
}

func TestStreamsOfAnAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which nothing may be left running
		p := sdktest.New(t, voices()...)
		client := act.NewActionTckModelClient(p)
		in, err := client.ProcessStreamedIn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"ra", "rb"} {
			if err := in.Send(asking(text)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := in.CloseAndRecv(); err != nil || got.GetMessage() != "ab" {
			t.Errorf("streamed in: %v, %v", got, err)
		}
		if in, err = client.ProcessStreamedIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := in.CloseAndRecv(); err != nil || got.GetMessage() != "" {
			t.Errorf("streamed in without a reply: %v, %v", got, err)
		}

		ctx := metadata.AppendToOutgoingContext(t.Context(), "question", "why")
		out, err := client.ProcessStreamedOut(ctx, asking("ra", "eb", "fc", "xno", "rd"))
		if err != nil {
			t.Fatal(err)
		}
		if md, err := out.Header(); err != nil || len(md.Get("answer")) != 1 || md.Get("answer")[0] != "why" {
			t.Errorf("header %v, %v", md, err)
		}
		for _, want := range []string{"a", "C"} {
			if got, err := out.Recv(); err != nil || got.GetMessage() != want {
				t.Errorf("streamed out: %v, %v, want %s", got, err, want)
			}
		}
		if got, err := out.Recv(); status.Code(err) != codes.Unknown || status.Convert(err).Message() != "no" {
			t.Errorf("streamed out: %v, %v, want the failure", got, err)
		}
		if p.Value("memo", "b") == nil {
			t.Error("the effect without a reply was not carried out")
		}

		both, err := client.ProcessStreamed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := both.Recv(); err != nil || got.GetMessage() != "hello" {
			t.Errorf("what the function says first: %v, %v", got, err)
		}
		for _, text := range []string{"a", "b"} {
			if err := both.Send(asking("r" + text)); err != nil {
				t.Fatal(err)
			}
			if got, err := both.Recv(); err != nil || got.GetMessage() != text {
				t.Errorf("streamed: %v, %v, want %s", got, err, text)
			}
		}
		if err := both.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if got, err := both.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("streamed: %v, %v, want the end", got, err)
		}
	})
}

func TestAClientThatGoesAwayEndsTheFunctionsStream(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(p *sdktest.Proxy, cancel func())
	}{
		{"it cancels", func(_ *sdktest.Proxy, cancel func()) { cancel() }},
		{"the test is over", func(p *sdktest.Proxy, _ func()) { p.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := sdktest.New(t, voices()...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := act.NewActionTckModelClient(p).ProcessStreamed(ctx)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the function is saying hello, and nobody listens
				tt.end(p, cancel)
				if got, err := s.Recv(); status.Code(err) != codes.Canceled {
					t.Errorf("got %v, %v", got, err)
				}
				if err := s.Send(asking("ra")); !errors.Is(err, io.EOF) {
					t.Errorf("send: %v", err)
				}
			})
		})
	}
}

func TestMetadataOfACallIsTheClientsAndStaysThere(t *testing.T) {
	p := sdktest.New(t, voices()...)
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "question", "why")
	if _, err := act.NewActionTckModelClient(p).ProcessUnary(ctx, asking("ra"), grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("answer"); len(got) != 1 || got[0] != "why" {
		t.Errorf("header %v", header)
	}
}

func TestOnlyActionsHaveStreams(t *testing.T) {
	p := sdktest.New(t, archives())
	_, err := act.NewActionTckModelClient(p).ProcessStreamed(t.Context())
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("error %v", err)
	}
}

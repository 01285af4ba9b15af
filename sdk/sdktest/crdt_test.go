// SPDX-License-Identifier: Apache-2.0

package sdktest_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/sdk/sdktest"
)

const pollService = "cloudstate.tck.model.crdt.CrdtTckModel"

// A poll has some data of each type, and does what it is asked by name.
type poll struct {
	crdt.UnimplementedCrdtTckModelServer
	vote  sdk.Vote
	count sdk.GCounter
	names sdk.ORMap[string, *sdk.ORSet[string]]
	topic sdk.LWWRegister[string]
	open  sdk.Flag
	seen  sdk.GSet[string]
}

func polls() sdk.Entity {
	return sdk.CRDT[*poll]{
		Service: &crdt.CrdtTckModel_ServiceDesc,
		New:     func(string) *poll { return &poll{} },
		Data: func(p *poll) sdk.Data {
			return sdk.Fields(map[string]sdk.Data{
				"vote": &p.vote, "count": &p.count, "names": &p.names, "topic": &p.topic, "open": &p.open, "seen": &p.seen,
			})
		},
	}
}

// Process counts, and does what the first action says.
func (p *poll) Process(ctx context.Context, in *crdt.Request) (*crdt.Response, error) {
	if len(in.GetActions()) == 0 {
		return p.response(), nil
	}
	p.count.Increment(1)
	switch a := in.GetActions()[0]; {
	case a.GetUpdate() != nil:
		p.names.Add("all").Add("ann")
		p.names.Add("all").Remove("bob")
		p.names.Add("gone")
		p.names.Remove("gone")
		p.topic.Set("tea")
		p.open.Enable()
		p.seen.Add("ann")
		p.vote.Vote(true)
	case a.GetDelete() != nil:
		sdk.Delete(ctx)
	case a.GetForward() != nil:
		return sdk.Forward[*crdt.Response](ctx, crdt.CrdtTckModel_Process_FullMethodName, &crdt.Request{Id: a.GetForward().GetId()})
	default:
		panic("ouch")
	}
	return p.response(), nil
}

// ProcessStreamed watches until there are three.
func (p *poll) ProcessStreamed(in *crdt.StreamedRequest, stream grpc.ServerStreamingServer[crdt.Response]) error {
	if in.GetEmpty() {
		return errors.New("no")
	}
	sdk.OnChange(stream.Context(), func(ctx context.Context) (*crdt.Response, error) {
		if p.count.Value() == 3 {
			sdk.EndStream(ctx)
		}
		return p.response(), nil
	})
	return stream.Send(p.response())
}

func (p *poll) response() *crdt.Response {
	out := &crdt.ORMapValue{Entries: []*crdt.ORMapEntryValue{
		{Key: "count", Value: &crdt.State{Value: &crdt.State_Gcounter{Gcounter: &crdt.GCounterValue{Value: p.count.Value()}}}},
		{Key: "vote", Value: &crdt.State{Value: &crdt.State_Vote{Vote: &crdt.VoteValue{
			SelfVote: p.vote.Self(), VotesFor: int32(p.vote.For()), TotalVoters: int32(p.vote.Voters()),
		}}}},
		{Key: "topic " + p.topic.Value(), Value: &crdt.State{Value: &crdt.State_Flag{Flag: &crdt.FlagValue{Value: p.open.Enabled()}}}},
	}}
	for name, set := range p.names.All() {
		for element := range set.All() {
			out.Entries = append(out.Entries, &crdt.ORMapEntryValue{Key: name + " " + element})
		}
	}
	for element := range p.seen.All() {
		out.Entries = append(out.Entries, &crdt.ORMapEntryValue{Key: element})
	}
	return &crdt.Response{State: &crdt.State{Value: &crdt.State_Ormap{Ormap: out}}}
}

var (
	touched   = &crdt.RequestAction{Action: &crdt.RequestAction_Update{Update: &crdt.Update{}}}
	deleted   = &crdt.RequestAction{Action: &crdt.RequestAction_Delete{Delete: &crdt.Delete{}}}
	forwarded = &crdt.RequestAction{Action: &crdt.RequestAction_Forward{Forward: &crdt.Forward{Id: "other"}}}
	broken    = &crdt.RequestAction{}
)

func ask(t *testing.T, c crdt.CrdtTckModelClient, actions ...*crdt.RequestAction) *crdt.Response {
	t.Helper()
	got, err := c.Process(t.Context(), &crdt.Request{Id: "one", Actions: actions})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestACRDTThatStartsAnewHasAllOfItsData(t *testing.T) {
	proxy := sdktest.New(t, polls())
	client := crdt.NewCrdtTckModelClient(proxy)
	want := ask(t, client, touched)
	if n := len(want.GetState().GetOrmap().GetEntries()); n != 5 {
		t.Fatalf("%d entries in %v", n, want)
	}
	proxy.Passivate()
	if got := ask(t, client); !proto.Equal(got, want) {
		t.Errorf("passivated: %v, want %v", got, want)
	}
	_, err := client.Process(t.Context(), &crdt.Request{Id: "one", Actions: []*crdt.RequestAction{broken}})
	if status.Code(err) != codes.Internal {
		t.Errorf("a fault led to the error %v", err)
	}
	if got := ask(t, client); !proto.Equal(got, want) {
		t.Errorf("after a fault: %v, want %v", got, want)
	}
}

func TestWhatOthersDoIsReplicated(t *testing.T) {
	proxy := sdktest.New(t, sdk.CRDT[*lonely]{
		Service: &crdt.CrdtTwo_ServiceDesc,
		New:     func(string) *lonely { return &lonely{} },
		Data:    func(l *lonely) sdk.Data { return &l.count },
	})
	client := crdt.NewCrdtTwoClient(proxy)
	const service = "cloudstate.tck.model.crdt.CrdtTwo"
	four := &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Pncounter{Pncounter: &cloudstate.PNCounterDelta{Change: 4}}}
	for want := range int64(3) {
		proxy.Replicate(service, "one", four)
		if want == 1 {
			proxy.Passivate()
		}
		got, err := client.Call(t.Context(), &crdt.Request{Id: "one"})
		if value := got.GetState().GetPncounter().GetValue(); err != nil || value != 4*(want+1) {
			t.Errorf("the value is %d, %v; want %d", value, err, 4*(want+1))
		}
	}
}

type lonely struct {
	crdt.UnimplementedCrdtTwoServer
	count sdk.PNCounter
}

func (l *lonely) Call(context.Context, *crdt.Request) (*crdt.Response, error) {
	return &crdt.Response{State: &crdt.State{Value: &crdt.State_Pncounter{Pncounter: &crdt.PNCounterValue{Value: l.count.Value()}}}}, nil
}

func TestAStreamedCommandOfACRDTEnds(t *testing.T) {
	proxy := sdktest.New(t, polls())
	client := crdt.NewCrdtTckModelClient(proxy)
	for name, tt := range map[string]struct {
		request *crdt.StreamedRequest
		then    []*crdt.RequestAction
		replies int
		want    codes.Code
	}{
		"refused":    {&crdt.StreamedRequest{Id: "one", Empty: true}, nil, 0, codes.Unknown},
		"by itself":  {&crdt.StreamedRequest{Id: "one"}, []*crdt.RequestAction{touched, touched, touched}, 4, codes.OK},
		"deleted":    {&crdt.StreamedRequest{Id: "two"}, []*crdt.RequestAction{deleted}, 1, codes.NotFound},
		"with fault": {&crdt.StreamedRequest{Id: "three"}, []*crdt.RequestAction{broken}, 1, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := client.ProcessStreamed(t.Context(), tt.request)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range tt.then {
				_, _ = client.Process(t.Context(), &crdt.Request{Id: tt.request.GetId(), Actions: []*crdt.RequestAction{a}}) // a fault may be wanted
			}
			replies := 0
			for err == nil {
				if _, err = stream.Recv(); err == nil {
					replies++
				}
			}
			if replies != tt.replies || tt.want != codes.OK && status.Code(err) != tt.want {
				t.Errorf("%d replies, then %v; want %d and %v", replies, err, tt.replies, tt.want)
			}
		})
	}
	_, err := client.Process(t.Context(), &crdt.Request{Id: "two"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("what was deleted answers with %v", err)
	}
}

func TestACRDTForwards(t *testing.T) {
	proxy := sdktest.New(t, polls())
	client := crdt.NewCrdtTckModelClient(proxy)
	proxy.Replicate(pollService, "other", &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Ormap{Ormap: &cloudstate.ORMapDelta{}}})
	if got := ask(t, client, forwarded); got.GetState().GetOrmap().GetEntries()[0].GetValue().GetGcounter().GetValue() != 0 {
		t.Errorf("got %v, which is not of the other instance", got)
	}
	if sent := proxy.Sent(); len(sent) != 1 || !sent[0].Forward {
		t.Errorf("sent %v", sent)
	}
}

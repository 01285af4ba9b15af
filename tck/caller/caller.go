// SPDX-License-Identifier: Apache-2.0

// Package caller has the cases about what a client gets, whatever kind of entity
// it calls: codes, limits, deadlines, and that the function may go away and come
// back. The reference's suite has none of them.
package caller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/tck/suite"
)

const (
	process = eventsourced.EventSourcedTckModel_Process_FullMethodName
	handle  = cloudstate.EventSourced_Handle_FullMethodName
)

var service = eventsourced.EventSourcedTckModel_ServiceDesc.ServiceName

// Cases returns the cases.
func Cases() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T)) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("X%d", len(cases)+1),
			Section:  "Kairn: what clients get",
			Name:     name,
			Kind:     suite.Proxy,
			Services: []string{service},
			Run:      run,
		})
	}
	add("unknown service: UNIMPLEMENTED", unknown("/tck.Unknown/Call"))
	add("unknown method of a service: UNIMPLEMENTED", unknown("/"+service+"/Unknown"))
	add("failure action: UNKNOWN and its description", refusal)
	add("request whose key is no text: INVALID_ARGUMENT", badKey)
	add("request without a message of the method's type, but with a key: it is the function's to judge", otherMessage)
	add("request of 13 MiB: RESOURCE_EXHAUSTED", bigRequest)
	add("deadline while the function has the command: DEADLINE_EXCEEDED, and it is carried out", deadlineInHand)
	add("deadline that has passed: the function never gets the command", deadlinePassed)
	add("function that goes away and comes back: the proxy asks it anew, and the state is there", comesBack)
	add("function that goes away with a command: the client is told, and nothing is stored", goesAwayInHand)
	return cases
}

// emits asks for an event.
func emits(key, value string) *eventsourced.Request {
	return &eventsourced.Request{Id: key, Actions: []*eventsourced.RequestAction{
		{Action: &eventsourced.RequestAction_Emit{Emit: &eventsourced.Emit{Value: value}}},
	}}
}

// gets calls the model and expects that text.
func gets(t *suite.T, text string, in *eventsourced.Request) {
	out := &eventsourced.Response{}
	if err := t.Invoke(process, in, out); err != nil {
		t.Fatalf("the client should have got %q, but got %v", text, err)
	}
	t.Equal("what the client got", &eventsourced.Response{Message: text}, out)
}

// ignore lets anything happen in the stream of an instance.
func ignore(t *suite.T, key string) { t.Connection(handle, service, key).Ignore() }

// fails expects an error with that code, and some text.
func fails(t *suite.T, err error, code codes.Code) {
	if s := status.Convert(err); err == nil || s.Code() != code || s.Message() == "" {
		t.Fatalf("the client should have got the code %v and a text, but got %v %q", code, s.Code(), s.Message())
	}
}

func unknown(path string) func(*suite.T) {
	return func(t *suite.T) {
		fails(t, t.Invoke(path, &eventsourced.Request{Id: t.Key()}, &eventsourced.Response{}), codes.Unimplemented)
	}
}

func refusal(t *suite.T) {
	in := &eventsourced.Request{Id: t.Key(), Actions: []*eventsourced.RequestAction{
		{Action: &eventsourced.RequestAction_Fail{Fail: &eventsourced.Fail{Message: "not today: \u00fc"}}},
	}}
	err := t.Invoke(process, in, &eventsourced.Response{})
	fails(t, err, codes.Unknown)
	if got := status.Convert(err).Message(); got != "not today: \u00fc" {
		t.Fatalf("the client got the description %q", got)
	}
	ignore(t, in.GetId())
}

// badKey has bytes where the key should be: the same on the wire but for that.
func badKey(t *suite.T) {
	fails(t, t.Invoke(process, wrapperspb.Bytes([]byte{0xff, 0xfe}), &eventsourced.Response{}), codes.InvalidArgument)
}

// otherMessage has a key where it should be, and something else besides. Proxies
// pass messages on as they are.
func otherMessage(t *suite.T) {
	in := emits(t.Key(), "A")
	in.ProtoReflect().SetUnknown([]byte{0xa0, 0x06, 0x01}) // field 100
	var out proto.Message = &eventsourced.Response{}
	if err := t.Invoke(process, in, out); err != nil {
		t.Fatalf("the client got %v", err)
	}
	ignore(t, in.GetId())
}

// big is more than a proxy takes.
func big() string { return strings.Repeat("x", 13<<20) }

func bigRequest(t *suite.T) {
	t.Slowly()
	key := t.Key()
	fails(t, t.Invoke(process, emits(key, big()), &eventsourced.Response{}), codes.ResourceExhausted)
	gets(t, "A", emits(key, "A"))
	ignore(t, key)
}

func deadlineInHand(t *suite.T) {
	key := t.Key()
	release := t.Script(key)
	t.AllowReports()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	asked := make(chan error, 1)
	go func() { asked <- t.Proxy.Invoke(ctx, process, emits(key, "A"), &eventsourced.Response{}) }()
	stream, err := t.Target.Script.EventSourced.Next(t.Context(), key)
	if err != nil {
		t.Fatalf("%v", err)
	}
	ignore(t, key)
	for range 2 { // init, command
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("the function got %v", err)
		}
	}
	fails(t, <-asked, codes.DeadlineExceeded)
	if err := stream.Send(stored("A")); err != nil {
		t.Fatalf("the proxy has given the stream up: %v", err)
	}
	release()
	t.Settle()
	stream.End(nil)
	t.Settle()
	for range 3 { // the first may be told that the stream has ended
		out := &eventsourced.Response{}
		if err := t.Invoke(process, &eventsourced.Request{Id: key}, out); err == nil {
			t.Equal("what the client got", &eventsourced.Response{Message: "A"}, out)
			ignore(t, key)
			return
		}
	}
	t.Fatalf("the instance did not recover within three commands")
}

// stored answers the first command with an event and a reply.
func stored(value string) *cloudstate.EventSourcedStreamOut {
	return &cloudstate.EventSourcedStreamOut{Message: &cloudstate.EventSourcedStreamOut_Reply{Reply: &cloudstate.EventSourcedReply{
		CommandId: 1,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
			Reply: &cloudstate.Reply{Payload: pack(&eventsourced.Response{Message: value})},
		}},
		Events: []*anypb.Any{pack(&eventsourced.Persisted{Value: value})},
	}}}
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("pack a message of the model: %v", err)) // they all can be
	}
	return a
}

func deadlinePassed(t *suite.T) {
	key := t.Key()
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	fails(t, t.Proxy.Invoke(ctx, process, emits(key, "A"), &eventsourced.Response{}), codes.DeadlineExceeded)
	gets(t, "", &eventsourced.Request{Id: key})
	ignore(t, key)
}

// comesBack cuts the connection, as the end of a function does. Calls may fail
// until the proxy has found it again.
func comesBack(t *suite.T) {
	key := t.Key()
	gets(t, "A", emits(key, "A"))
	ignore(t, key)
	t.Cut()
	t.Call(cloudstate.EntityDiscovery_Discover_FullMethodName).Ignore()
	finds(t, "A", key)
}

// goesAwayInHand: nobody knows what the function has done with the command, but
// of what it would have stored there is nothing.
func goesAwayInHand(t *suite.T) {
	key := t.Key()
	release := t.Script(key)
	t.AllowReports()
	asked := t.Ask(process, emits(key, "A"), &eventsourced.Response{})
	stream, err := t.Target.Script.EventSourced.Next(t.Context(), key)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for range 2 { // init, command
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("the function got %v", err)
		}
	}
	release()
	t.Cut()
	asked.Troubled()
	t.Call(cloudstate.EntityDiscovery_Discover_FullMethodName).Ignore()
	finds(t, "", key)
}

// finds expects that state, as soon as the proxy has found the function again.
func finds(t *suite.T, state, key string) {
	ctx, cancel := t.Waiting()
	defer cancel()
	for {
		out := &eventsourced.Response{}
		err := t.Proxy.Invoke(ctx, process, &eventsourced.Request{Id: key}, out)
		if err == nil {
			t.Equal("what the client got", &eventsourced.Response{Message: state}, out)
			ignore(t, key)
			return
		}
		fails(t, err, codes.Unavailable)
	}
}

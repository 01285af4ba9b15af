// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Barrier is a call of the model's second action.
func Barrier() suite.Barrier {
	return suite.Barrier{Service: twoService, Call: func(ctx context.Context, proxy grpc.ClientConnInterface, key string) error {
		return proxy.Invoke(ctx, callTwo, &action.OtherRequest{Id: key}, &action.Response{})
	}}
}

// Proxy returns the cases about proxies.
func Proxy() []suite.Case {
	cases := []suite.Case{
		{Number: "37", Name: "verify unary command processing", Run: unaryCommand},
		{Number: "38", Name: "verify streamed-in command processing", Run: streamedInCommand},
		{Number: "39", Name: "verify streamed-out command processing", Run: streamedOutCommand},
		{Number: "40", Name: "verify streamed command processing", Run: streamedCommand},
		{Number: "41", Name: "verify unary forwards and side effects", Run: unaryForwards},
		{Number: "42", Name: "verify streamed forwards and side effects", Run: streamedForwards},
		{Number: "43", Name: "verify unary failures", Run: unaryFailures},
		{Number: "44", Name: "verify streamed failures", Run: streamedFailures},
		{Number: "45", Name: "verify unary HTTP API", HTTP: true, Run: httpAPI},
	}
	for i := range cases {
		c := &cases[i]
		c.Section, c.Kind = "Actions: proxy", suite.Proxy
		c.Services = []string{modelService, twoService}
	}
	return cases
}

// A connection is a call of the function, as seen in between.
type connection struct {
	*suite.Connection
	t *suite.T
}

func called(t *suite.T, path string) *connection { return &connection{t.Call(path), t} }

// says expects a message of the proxy, whatever its metadata.
func (c *connection) says(want *command) {
	got := proto.CloneOf(c.NextFromProxy().(*command))
	got.Metadata = nil
	c.t.Equal("what the proxy says", want, got)
}

// passed expects a call of a unary command of the function, and its response.
func passed(t *suite.T, in *command, out *response) {
	c := called(t, handleUnary)
	c.says(in)
	c.FromFunction(out)
}

// gets calls the unary command and expects that text.
func gets(t *suite.T, text string, steps ...*step) {
	t.Gets(processUnary, ask(of(steps...)), &action.Response{Message: text})
}

// refused expects err to have that description.
func refused(t *suite.T, description string, err error) {
	switch s := status.Convert(err); {
	case err == nil:
		t.Fatalf("the client should have got the error %q, but got a reply", description)
	case s.Message() != description:
		t.Fatalf("the client should have got the error %q, but got %q (%v)", description, s.Message(), s.Code())
	}
}

// A client's stream to the proxy.
type client = suite.Stream[request, action.Response]

func connect(t *suite.T, path string) *client {
	return suite.OpenMethod[request, action.Response](t, t.Proxy, path)
}

func unaryCommand(t *suite.T) {
	text := t.Key()
	gets(t, text, replies(text))
	passed(t, calls("ProcessUnary", ask(of(replies(text)))), replied(text))
}

func streamedInCommand(t *suite.T) {
	in := ask(of(replies(t.Key())))
	text := in.GetGroups()[0].GetSteps()[0].GetReply().GetMessage()
	c := connect(t, processStreamedIn)
	c.Send(in)
	c.HalfClose()
	c.Expect(&action.Response{Message: text})
	c.Ended()
	f := called(t, handleStreamedIn)
	f.says(names("ProcessStreamedIn"))
	f.says(message(in))
	f.HalfClosed()
	f.FromFunction(replied(text))
	f.Ended()
}

func streamedOutCommand(t *suite.T) {
	texts := []string{t.Key(), t.Key(), t.Key()}
	in := ask()
	for _, text := range texts {
		in.Groups = append(in.Groups, of(replies(text)))
	}
	c := connect(t, processStreamedOut)
	c.Send(in)
	c.HalfClose()
	f := called(t, handleStreamedOut)
	f.says(calls("ProcessStreamedOut", in))
	for _, text := range texts {
		c.Expect(&action.Response{Message: text})
		f.FromFunction(replied(text))
	}
	c.Ended()
	f.Ended()
}

func streamedCommand(t *suite.T) {
	c := connect(t, processStreamed)
	var f *connection
	for range 3 {
		text := t.Key()
		in := ask(of(replies(text)))
		c.Send(in)
		if f == nil {
			f = called(t, handleStreamed)
			f.says(names("ProcessStreamed"))
		}
		f.says(message(in))
		f.FromFunction(replied(text))
		c.Expect(&action.Response{Message: text})
	}
	c.Close()
	f.Closed()
}

func unaryForwards(t *suite.T) {
	other, another := t.Key(), t.Key()
	gets(t, "", forwards(other))
	passed(t, calls("ProcessUnary", ask(of(forwards(other)))), forwarded(other))
	passed(t, callsTwo(other), replied(""))

	steps := []*step{replies(""), effects(another)}
	gets(t, "", steps...)
	passed(t, calls("ProcessUnary", ask(of(steps...))), with(replied(""), effect{another, false}))
	passed(t, callsTwo(another), replied(""))
}

func streamedForwards(t *suite.T) {
	other, another := t.Key(), t.Key()
	c := connect(t, processStreamed)
	in := ask(of(forwards(other)))
	c.Send(in)
	f := called(t, handleStreamed)
	f.says(names("ProcessStreamed"))
	f.says(message(in))
	f.FromFunction(forwarded(other))
	passed(t, callsTwo(other), replied(""))
	c.Expect(&action.Response{})

	in = ask(of(effects(another)))
	c.Send(in)
	f.says(message(in))
	f.FromFunction(with(nothing(), effect{another, false}))
	passed(t, callsTwo(another), replied(""))
	c.Close()
	f.Closed()
}

func unaryFailures(t *suite.T) {
	in := ask(of(fails("expected failure")))
	refused(t, "expected failure", t.Invoke(processUnary, in, &action.Response{}))
	passed(t, calls("ProcessUnary", in), failed("expected failure"))
}

// streamedFailures: the failure ends the call, for the client and, however the
// proxy does that, for the function.
func streamedFailures(t *suite.T) {
	c := connect(t, processStreamed)
	in := ask(of(fails("expected failure")))
	c.Send(in)
	f := called(t, handleStreamed)
	f.says(names("ProcessStreamed"))
	f.says(message(in))
	f.FromFunction(failed("expected failure"))
	refused(t, "expected failure", c.Fails())
	f.Over()
}

func httpAPI(t *suite.T) {
	const path = "/tck/model/action/unary"
	t.Post(path, `{"groups":[{"steps":[{"reply":{"message":"foo"}}]}]}`, http.StatusOK, `{"message":"foo"}`)
	passed(t, calls("ProcessUnary", ask(of(replies("foo")))), replied("foo"))
	t.Post(path, `{"groups":[{"steps":[{"fail":{"message":"boom"}}]}]}`, http.StatusInternalServerError, `boom`)
	passed(t, calls("ProcessUnary", ask(of(fails("boom")))), failed("boom"))
}

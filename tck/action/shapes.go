// SPDX-License-Identifier: Apache-2.0

package action

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/tck/suite"
)

// shapes are those in which a request, its replies or both are streamed.
var shapes = []struct{ name, path string }{
	{"streamed-in", processStreamedIn},
	{"streamed-out", processStreamedOut},
	{"streamed", processStreamed},
}

// begins calls the method of p, whatever its shape, and returns what waits for
// the client to be told that the call has failed.
func (p *play) begins() (fails func() error) {
	if p.path == processUnary {
		return p.asks(p.t.Context()).answer
	}
	p.connects()
	return p.client.Fails
}

// troubled expects an error that says something.
func troubled(t *suite.T, err error) {
	if s := status.Convert(err); s.Code() == codes.OK || s.Message() == "" {
		t.Fatalf("the client got the code %v and the text %q", s.Code(), s.Message())
	}
}

func endsAtOnce(path string, err error) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, path)
		fails := p.begins()
		p.ends(err)
		troubled(t, fails())
		t.Reported(path[1:])
		p.over()
	}
}

func bigAtOnce(path string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, path)
		fails := p.begins()
		p.says(replied(big()))
		p.ends(nil)
		troubled(t, fails())
		t.Reported(path[1:])
		p.over()
	}
}

// failsAtOnce has the function go on after a failure, which the proxy may see to
// be impossible.
func failsAtOnce(path string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, path)
		fails := p.begins()
		p.says(failed("no"))
		if path == processStreamedIn {
			p.ends(nil)
		} else {
			_ = p.call.Send(replied("B"))
		}
		refused(t, "no", fails())
		p.gone()
		p.over()
	}
}

func otherTypeIn(path string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, path)
		p.connects()
		m := replied("A")
		m.GetReply().Payload.TypeUrl = "type.googleapis.com/tck.Other"
		p.says(m)
		p.ends(nil)
		p.client.Expect(&action.Response{Message: "A"})
		p.client.Ended()
		t.Reported("tck.Other", path[1:])
		p.over()
	}
}

// noReplyIn has one message for a client that wants one, and none for others.
func noReplyIn(path string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, path)
		p.connects()
		p.says(nothing())
		p.ends(nil)
		if path == processStreamedIn {
			p.client.Expect(&action.Response{})
		}
		p.client.Ended()
		p.over()
	}
}

func endsEmpty(t *suite.T) {
	p := newPlay(t, processStreamedOut)
	p.connects()
	p.ends(nil)
	p.client.Ended()
	p.over()
}

func answersTwice(t *suite.T) {
	p := newPlay(t, processStreamedIn)
	p.connects()
	p.says(replied("A"))
	_ = p.call.Send(replied("B")) // gRPC may refuse it
	p.ends(nil)
	troubled(t, p.client.Fails())
	t.Reported(processStreamedIn[1:])
	p.over()
}

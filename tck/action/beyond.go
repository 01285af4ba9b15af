// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/action"
	"github.com/kairn-dev/kairn/tck/suite"
)

// Beyond returns the cases beyond the reference.
func Beyond() []suite.Case {
	var cases []suite.Case
	add := func(name string, run func(*suite.T)) {
		cases = append(cases, suite.Case{
			Number:   fmt.Sprintf("A%d", len(cases)+1),
			Section:  "Kairn: actions, their metadata, deadlines and misbehaviour",
			Name:     name,
			Kind:     suite.Proxy,
			Services: []string{modelService, twoService},
			Run:      run,
		})
	}
	add("metadata of a request: text and bytes reach the function", requestMetadata)
	add("metadata of a reply: text and bytes are headers", replyMetadata)
	add("metadata of the replies of a stream: headers from the first, trailers from the last", streamMetadata)
	add("deadline of a unary call is the function's", unaryDeadline)
	add("deadline of a stream is the function's", streamDeadline)
	add("client of a unary call that goes away: the function is told", unaryCancel)
	add("client of a stream that goes away: the function is told", streamCancel)

	add("response without reply: the client of a unary call gets an empty message", withoutReply)
	add("gRPC status of the function instead of a response reaches the client", ownStatus)
	add("gRPC status of the function in a stream reaches the client, after what came before", streamStatus)
	add("stream that the function ends before the client does", endsStream)
	add("streamed-in call that the function ends without a response", endsStreamedIn)
	add("failure with effects: they are carried out, the client gets the description", failureWithEffect)
	add("forward to an unknown service", unknownForward("tck.Unknown", "Call", "tck.Unknown"))
	add("forward to an unknown command", unknownForward(twoService, "Unknown", "Unknown"))
	add("forward to a method that is streamed", unknownForward(modelService, "ProcessStreamed", "ProcessStreamed"))
	add("forward from a stream to an unknown service", unknownStreamForward)
	add("side effect on an unknown service", unknownEffect(false))
	add("synchronous side effect on an unknown service", unknownEffect(true))
	add("reply of another type: passed on, and told to the function", otherType)
	add("response of 13 MiB: the client is told", suite.Slowly(bigAtOnce(processUnary)))
	add("response of 13 MiB in a stream: the client is told, after what came before", suite.Slowly(bigStreamed))
	broken := status.Error(codes.Internal, "broken")
	for _, s := range shapes {
		add(s.name+" call that the function breaks before it answers: the client is told", endsAtOnce(s.path, broken))
		add(s.name+" call answered with 13 MiB: the client is told", suite.Slowly(bigAtOnce(s.path)))
		add(s.name+" call with a failure: the client gets the description, and nothing that comes after it", failsAtOnce(s.path))
	}
	add("streamed-out call that ends without a response: the client gets none", endsEmpty)
	add("streamed-in call with two responses: the client is told", answersTwice)
	for _, s := range shapes {
		add(s.name+" call with a reply of another type: passed on, and told to the function", otherTypeIn(s.path))
		add(s.name+" call with a response without reply", noReplyIn(s.path))
	}
	return cases
}

const (
	textName  = "tck-text"
	bytesName = "tck-bytes-bin"
	bytes     = "\x00\xfe\xff"
)

// entries is metadata of the protocol, with text and bytes.
func entries(text string) *cloudstate.Metadata {
	return &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
		{Key: textName, Value: &cloudstate.MetadataEntry_StringValue{StringValue: text}},
		{Key: bytesName, Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(bytes)}},
	}}
}

// has expects text and bytes among metadata that the client got.
func has(t *suite.T, what string, md metadata.MD, text string) {
	for name, want := range map[string]string{textName: text, bytesName: bytes} {
		if got := md.Get(name); len(got) != 1 || got[0] != want {
			t.Fatalf("the %s have %s as %q, want %q", what, name, got, want)
		}
	}
}

func requestMetadata(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(metadata.AppendToOutgoingContext(t.Context(), textName, p.text, bytesName, bytes))
	in, err := p.call.Recv()
	if err != nil {
		t.Fatalf("the function got %v", err)
	}
	for _, want := range entries(p.text).GetEntries() {
		var got *cloudstate.MetadataEntry
		for _, e := range in.GetMetadata().GetEntries() {
			if e.GetKey() == want.GetKey() {
				got = e
			}
		}
		t.Equal("metadata that the function got", want, got)
	}
	p.says(replied("A"))
	p.ends(nil)
	q.gets("A")
	p.over()
}

// withMetadata adds metadata to a reply.
func withMetadata(r *response, text string) *response {
	r.GetReply().Metadata = entries(text)
	return r
}

func replyMetadata(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(t.Context())
	p.says(withMetadata(replied("A"), p.text))
	p.ends(nil)
	q.gets("A")
	has(t, "headers", p.header, p.text)
	p.over()
}

func streamMetadata(t *suite.T) {
	p := newPlay(t, processStreamedOut)
	p.connects()
	for i, text := range []string{"first", "second", "last"} {
		p.says(withMetadata(replied(fmt.Sprint(i)), text))
		p.client.Expect(&action.Response{Message: fmt.Sprint(i)})
	}
	p.ends(nil)
	p.client.Ended()
	has(t, "headers", p.client.Header(), "first")
	has(t, "trailers", p.client.Trailer(), "last")
	p.over()
}

// short is the deadline of cases, long enough for the call to reach the function.
const short = 500 * time.Millisecond

func unaryDeadline(t *suite.T) {
	p := newPlay(t, processUnary)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	q := p.asks(ctx)
	p.gone()
	failsWith(t, q.answer(), codes.DeadlineExceeded)
	p.over()
}

func streamDeadline(t *suite.T) {
	p := newPlay(t, processStreamed)
	ctx, cancel := context.WithTimeout(t.Context(), short)
	defer cancel()
	p.client = suite.OpenMethodIn[request, action.Response](ctx, t, t.Proxy, p.path)
	p.client.Send(ask(of(replies(p.text))))
	p.takes()
	p.gone()
	failsWith(t, p.client.Fails(), codes.DeadlineExceeded)
	p.over()
}

func unaryCancel(t *suite.T) {
	p := newPlay(t, processUnary)
	ctx, cancel := context.WithCancel(t.Context())
	q := p.asks(ctx)
	cancel()
	p.gone()
	failsWith(t, q.answer(), codes.Canceled)
	p.over()
}

func streamCancel(t *suite.T) {
	p := newPlay(t, processStreamed)
	p.connects()
	p.client.Cancel()
	p.gone()
	p.over()
}

func withoutReply(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(t.Context())
	p.says(nothing())
	p.ends(nil)
	q.gets("")
	p.over()
}

func ownStatus(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(t.Context())
	p.ends(status.Error(codes.NotFound, "no such thing"))
	err := q.answer()
	failsWith(t, err, codes.NotFound)
	refused(t, "no such thing", err)
	p.over()
}

func streamStatus(t *suite.T) {
	p := newPlay(t, processStreamed)
	p.connects()
	p.says(replied("A"))
	p.client.Expect(&action.Response{Message: "A"})
	p.ends(status.Error(codes.NotFound, "no such thing"))
	err := p.client.Fails()
	failsWith(t, err, codes.NotFound)
	refused(t, "no such thing", err)
	p.over()
}

func endsStream(t *suite.T) {
	p := newPlay(t, processStreamed)
	p.connects()
	p.says(replied("A"))
	p.client.Expect(&action.Response{Message: "A"})
	p.ends(nil)
	p.client.Ended()
	p.over()
}

func endsStreamedIn(t *suite.T) {
	p := newPlay(t, processStreamedIn)
	p.connects()
	p.client.HalfClose()
	p.ends(nil)
	troubled(t, p.client.Fails())
	t.Reported(processStreamedIn[1:])
	p.over()
}

func failureWithEffect(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(t.Context())
	p.says(with(failed("no"), effect{p.text, true}))
	p.ends(nil)
	refused(t, "no", q.answer())
	passed(t, callsTwo(p.text), replied(""))
	p.over()
}

func unknownForward(service, name, reported string) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, processUnary)
		q := p.asks(t.Context())
		m := forwarded(p.text)
		m.GetForward().ServiceName, m.GetForward().CommandName = service, name
		p.says(m)
		p.ends(nil)
		failsWith(t, q.answer(), codes.Unimplemented)
		t.Reported(reported)
		p.over()
	}
}

func unknownStreamForward(t *suite.T) {
	p := newPlay(t, processStreamed)
	p.connects()
	m := forwarded(p.text)
	m.GetForward().ServiceName = "tck.Unknown"
	p.says(m)
	failsWith(t, p.client.Fails(), codes.Unimplemented)
	t.Reported("tck.Unknown")
	p.gone()
	p.over()
}

func unknownEffect(synchronous bool) func(*suite.T) {
	return func(t *suite.T) {
		p := newPlay(t, processUnary)
		q := p.asks(t.Context())
		m := with(replied("A"), effect{p.text, synchronous})
		m.GetSideEffects()[0].ServiceName = "tck.Unknown"
		p.says(m)
		p.ends(nil)
		q.gets("A")
		t.Reported("tck.Unknown")
		p.over()
	}
}

func otherType(t *suite.T) {
	p := newPlay(t, processUnary)
	q := p.asks(t.Context())
	m := replied("A")
	m.GetReply().Payload.TypeUrl = "type.googleapis.com/tck.Other"
	p.says(m)
	p.ends(nil)
	q.gets("A")
	t.Reported("tck.Other")
	p.over()
}

// big is more than a proxy takes.
func big() string { return strings.Repeat("x", 13<<20) }

func bigStreamed(t *suite.T) {
	p := newPlay(t, processStreamed)
	p.connects()
	p.says(replied("A"))
	p.client.Expect(&action.Response{Message: "A"})
	p.says(replied(big()))
	troubled(t, p.client.Fails())
	t.Reported(processStreamed[1:])
	p.gone()
	p.over()
}

// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// seen tells of a command all that the function can see, without the names of
// packages.
func seen(c *command) string {
	var b strings.Builder
	if c.GetServiceName() != "" {
		fmt.Fprintf(&b, "%s/%s ", strings.TrimPrefix(c.GetServiceName(), "greet."), c.GetName())
	}
	if c.GetPayload() != nil {
		b.WriteString(nameOf(c) + " ")
	}
	if c.GetMetadata() != nil {
		b.WriteString("with")
	}
	for _, e := range c.GetMetadata().GetEntries() {
		switch v := e.GetValue().(type) {
		case *cloudstate.MetadataEntry_StringValue:
			fmt.Fprintf(&b, " %s=%s", e.GetKey(), v.StringValue)
		case *cloudstate.MetadataEntry_BytesValue:
			fmt.Fprintf(&b, " %s=%x", e.GetKey(), v.BytesValue)
		}
	}
	return strings.TrimSpace(b.String())
}

// all returns what is seen of all commands of a stream.
func all(s interface{ Recv() (*command, error) }) string {
	var texts []string
	for {
		c, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return strings.Join(texts, ", ")
		}
		if err != nil {
			return err.Error()
		}
		texts = append(texts, seen(c))
	}
}

// echo is a function that tells its client what it has seen.
var echo = &function{
	unary: func(_ context.Context, c *command) (*response, error) { return says(seen(c)), nil },
	in:    func(s inStream) error { return s.SendAndClose(says(all(s))) },
	out: func(c *command, s outStream) error {
		return errors.Join(s.Send(says("1 "+seen(c))), s.Send(&response{}), s.Send(says("2 "+seen(c))))
	},
	both: func(s twoStream) error {
		for {
			c, err := s.Recv()
			if errors.Is(err, io.EOF) {
				return s.Send(says("end"))
			}
			if err != nil {
				return err
			}
			if err := s.Send(says(seen(c))); err != nil {
				return err
			}
		}
	},
}

func TestWhatTheFunctionSees(t *testing.T) {
	play(t, echo, func(t *testing.T, r *rig) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x", "y", "z-bin", "\x00\xff")
		const md = "with x=y z-bin=00ff"

		got, err := r.Greet(ctx, request("a"))
		want(t, "unary", said(got, err), "Greeter/Greet a "+md)

		in, err := r.GreetAll(ctx)
		must(t, err)
		for _, name := range []string{"a", "b"} {
			must(t, in.Send(request(name)))
		}
		got, err = in.CloseAndRecv()
		want(t, "streamed in", said(got, err), "Greeter/GreetAll "+md+", a, b")

		in, err = r.GreetAll(t.Context())
		must(t, err)
		got, err = in.CloseAndRecv()
		want(t, "without messages and metadata", said(got, err), "Greeter/GreetAll with")

		out, err := r.GreetInAllLanguages(ctx, request("a"))
		must(t, err)
		want(t, "streamed out", heard(out), "1 Greeter/GreetInAllLanguages a "+md)
		want(t, "streamed out", heard(out), "2 Greeter/GreetInAllLanguages a "+md)
		want(t, "streamed out", heard(out), "EOF")

		two, err := r.GreetEach(ctx)
		must(t, err)
		want(t, "streamed", heard(two), "Greeter/GreetEach "+md) // before the client says anything
		for _, name := range []string{"a", "b"} {
			must(t, two.Send(request(name)))
			want(t, "streamed", heard(two), name)
		}
		must(t, two.CloseSend())
		want(t, "streamed", heard(two), "end")
		want(t, "streamed", heard(two), "EOF")

		if calls, failed := r.stats.Calls.Load(), r.stats.Failed.Load(); calls != 5 || failed != 0 {
			t.Errorf("counted %d calls, %d failed", calls, failed)
		}
		if requests, replies := r.stats.Requests.Load(), r.stats.Replies.Load(); requests != 1+3+1+1+3 || replies != 1+1+1+3+4 {
			t.Errorf("counted %d requests, %d replies", requests, replies)
		}
	})
}

// TestWhatAnEarlyFunctionSees has each message with the names, and no metadata.
func TestWhatAnEarlyFunctionSees(t *testing.T) {
	f := *echo
	f.early = true
	play(t, &f, func(t *testing.T, r *rig) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x", "y")
		got, err := r.Greet(ctx, request("a"))
		want(t, "unary", said(got, err), "Greeter/Greet a")

		in, err := r.GreetAll(ctx)
		must(t, err)
		for _, name := range []string{"a", "b"} {
			must(t, in.Send(request(name)))
		}
		got, err = in.CloseAndRecv()
		want(t, "streamed in", said(got, err), "Greeter/GreetAll a, Greeter/GreetAll b")

		out, err := r.GreetInAllLanguages(ctx, request("a"))
		must(t, err)
		want(t, "streamed out", heard(out), "1 Greeter/GreetInAllLanguages a")

		two, err := r.GreetEach(ctx)
		must(t, err)
		for _, name := range []string{"a", "b"} {
			must(t, two.Send(request(name)))
			want(t, "streamed", heard(two), "Greeter/GreetEach "+name)
		}
		must(t, two.CloseSend())
		want(t, "streamed", heard(two), "end")
	})
}

func TestMetadataOfReplies(t *testing.T) {
	with := func(text string) *response {
		m := says(text)
		m.GetReply().Metadata = &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
			{Key: "x", Value: &cloudstate.MetadataEntry_StringValue{StringValue: text}},
			{Key: "z-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte("\x00\xff")}},
		}}
		return m
	}
	f := &function{
		unary: func(context.Context, *command) (*response, error) { return with("a"), nil },
		out: func(_ *command, s outStream) error {
			return errors.Join(s.Send(&response{}), s.Send(with("a")), s.Send(with("b")))
		},
	}
	play(t, f, func(t *testing.T, r *rig) {
		var header metadata.MD
		_, err := r.Greet(t.Context(), request(""), grpc.Header(&header))
		must(t, err)
		out, err := r.GreetInAllLanguages(t.Context(), request(""))
		must(t, err)
		streamed, err := out.Header()
		must(t, err)
		for _, h := range []metadata.MD{header, streamed} {
			want(t, "header x", strings.Join(h.Get("x"), " "), "a")
			want(t, "header z-bin", strings.Join(h.Get("z-bin"), " "), "\x00\xff")
		}
		for _, text := range []string{"a", "b", "EOF"} {
			want(t, "message", heard(out), text)
		}
	})
}

func TestNoReplyAtAll(t *testing.T) {
	f := &function{
		unary: func(context.Context, *command) (*response, error) { return &response{}, nil },
		in:    func(s inStream) error { return s.SendAndClose(&response{}) },
	}
	play(t, f, func(t *testing.T, r *rig) {
		got, err := r.Greet(t.Context(), request("a"))
		want(t, "unary", said(got, err), "")
		in, err := r.GreetAll(t.Context())
		must(t, err)
		got, err = in.CloseAndRecv()
		want(t, "streamed in", said(got, err), "")
	})
}

// TestAnswerBeforeTheEndOfTheRequest has the function answer a streamed request
// that the client has not ended.
func TestAnswerBeforeTheEndOfTheRequest(t *testing.T) {
	f := &function{in: func(s inStream) error { return s.SendAndClose(says("enough")) }}
	play(t, f, func(t *testing.T, r *rig) {
		in, err := r.GreetAll(t.Context())
		must(t, err)
		var got greet.Greeting
		want(t, "reply", said(&got, in.RecvMsg(&got)), "enough")
	})
}

func TestDeadlineReachesTheFunction(t *testing.T) {
	left := func(ctx context.Context) *response {
		at, ok := ctx.Deadline()
		if !ok {
			return says("none")
		}
		return says(time.Until(at).Round(time.Minute).String())
	}
	f := &function{
		unary: func(ctx context.Context, _ *command) (*response, error) { return left(ctx), nil },
		both:  func(s twoStream) error { return s.Send(left(s.Context())) },
	}
	play(t, f, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		got, err := r.Greet(ctx, request("a"))
		want(t, "unary", said(got, err), "10m0s")
		two, err := r.GreetEach(ctx)
		must(t, err)
		want(t, "streamed", heard(two), "10m0s")

		got, err = r.Greet(t.Context(), request("a"))
		want(t, "unary without", said(got, err), "none")
		two, err = r.GreetEach(t.Context())
		must(t, err)
		want(t, "streamed without", heard(two), "none")
		want(t, "end", heard(two), "EOF")
	})
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// talk opens a call of method of test.Actions.
func talk(ctx context.Context, t *testing.T, c *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/test.Actions/"+method, grpc.ForceCodecV2(newRawCodec()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tell(t *testing.T, s grpc.ClientStream, text string) {
	t.Helper()
	if err := s.SendMsg(&Raw{[]byte(text)}); err != nil {
		t.Fatal(err)
	}
}

// hears returns the next message, or the error.
func hears(s grpc.ClientStream) string {
	var m Raw
	if err := s.RecvMsg(&m); err != nil {
		return err.Error()
	}
	return string(m.Bytes)
}

// parrot says back what the client says, with the call's message first.
func parrot(_ context.Context, call entity.Call, client entity.Exchange) error {
	if call.Payload != nil {
		if err := client.Send(call.Payload, call.Metadata); err != nil {
			return err
		}
	}
	for {
		msg, err := client.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := client.Send(msg, entity.Metadata{{Name: "said", Value: string(msg)}}); err != nil {
			return err
		}
	}
}

func TestMessagesGoBothWays(t *testing.T) {
	c := connect(t, newStreamGRPC(t, parrot, Options{}))
	s := talk(t.Context(), t, c, "Talk")
	for _, text := range []string{"a", strings.Repeat("b", 100_000), ""} {
		tell(t, s, text)
		if got := hears(s); got != text {
			t.Errorf("heard %.20q, want %.20q", got, text)
		}
	}
	header, err := s.Header()
	if err != nil || strings.Join(header.Get("said"), " ") != "a" {
		t.Errorf("headers %v, %v, want those of the first message", header, err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got := hears(s); got != "EOF" {
		t.Errorf("heard %q, want the end", got)
	}
	if got := s.Trailer().Get("said"); len(got) != 1 || got[0] != "" {
		t.Errorf("trailers %.20q, want those of the last message", got)
	}
}

// TestTrailersAreThoseOfTheLastMessageThatHasAny checks it for calls that end
// well and others, and that a reply of its own has no trailers.
func TestTrailersAreThoseOfTheLastMessageThatHasAny(t *testing.T) {
	for name, tt := range map[string]struct {
		said []entity.Metadata
		end  error
		want metadata.MD
	}{
		"none":    {nil, nil, metadata.MD{}},
		"one":     {[]entity.Metadata{{{Name: "a", Value: "1"}}}, nil, metadata.MD{}},
		"last":    {[]entity.Metadata{nil, {{Name: "a", Value: "1"}}, {{Name: "B", Value: "2"}, {Name: "c-bin", Value: "\xff"}}}, nil, metadata.MD{"b": {"2"}, "c-bin": {"\xff"}}},
		"before":  {[]entity.Metadata{nil, {{Name: "a", Value: "1"}}, nil}, nil, metadata.MD{"a": {"1"}}},
		"our own": {[]entity.Metadata{nil, {{Name: "kairn-outcome", Value: "known"}, {Name: "grpc-status", Value: "0"}}}, nil, metadata.MD{}},
		"refused": {[]entity.Metadata{nil, {{Name: "a", Value: "1"}}}, &entity.Refusal{Description: "no"}, metadata.MD{"a": {"1"}}},
		"unknown": {[]entity.Metadata{nil, {{Name: "a", Value: "1"}}}, entity.ErrUnknownOutcome, metadata.MD{"a": {"1"}, "kairn-outcome": {"unknown"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, newStreamGRPC(t, func(_ context.Context, _ entity.Call, client entity.Exchange) error {
				for _, md := range tt.said {
					if err := client.Send([]byte("m"), md); err != nil {
						return err
					}
				}
				return tt.end
			}, Options{}))
			s := talk(t.Context(), t, c, "Talk")
			for range tt.said {
				hears(s)
			}
			hears(s)
			got := s.Trailer()
			delete(got, "content-type") // where there were no headers before
			if !maps.EqualFunc(got, tt.want, slices.Equal[[]string]) {
				t.Errorf("trailers %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRequestOfOneMessageIsInTheCall(t *testing.T) {
	c := connect(t, newStreamGRPC(t, func(_ context.Context, call entity.Call, client entity.Exchange) error {
		for range 3 {
			if err := client.Send(call.Payload, call.Metadata); err != nil {
				return err
			}
		}
		return nil
	}, Options{}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x", "y", "z-bin", "\x00\xff")
	s := talk(ctx, t, c, "Watch")
	tell(t, s, "a")
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "a", "a", "EOF"} {
		if got := hears(s); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	header, err := s.Header()
	if err != nil || strings.Join(header.Get("x"), " ") != "y" || strings.Join(header.Get("z-bin"), " ") != "\x00\xff" {
		t.Errorf("headers %v, %v", header, err)
	}
	for n := range 3 {
		if n == 1 {
			continue
		}
		s := talk(t.Context(), t, c, "Watch")
		for range n {
			tell(t, s, "a")
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, s.RecvMsg(new(Raw)), codes.InvalidArgument, "")
	}
}

func TestHowStreamedCallsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error
		code    codes.Code
		text    string
		outcome string
	}{
		"refused":          {&entity.Refusal{Description: "no"}, codes.Unknown, "no", ""},
		"by the function":  {&entity.Status{Code: uint32(codes.NotFound), Description: "gone"}, codes.NotFound, "gone", ""},
		"with no code":     {&entity.Status{Code: 99, Description: "gone"}, codes.Unknown, "gone", ""},
		"with OK":          {&entity.Status{Description: "gone"}, codes.Unknown, "gone", ""},
		"breaking rules":   {fmt.Errorf("a: %w: %w", &entity.Status{Code: 5}, entity.ErrProtocol), codes.Internal, "", ""},
		"function is lost": {fmt.Errorf("a: %w", entity.ErrUnknownOutcome), codes.Unavailable, "", "unknown"},
		"whatever":         {errSome, codes.Internal, "entity failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, newStreamGRPC(t, func(_ context.Context, _ entity.Call, client entity.Exchange) error {
				if err := client.Send([]byte("a"), nil); err != nil {
					return err
				}
				return tt.err
			}, Options{}))
			s := talk(t.Context(), t, c, "Talk")
			if got := hears(s); got != "a" {
				t.Errorf("heard %q", got)
			}
			wantStatus(t, s.RecvMsg(new(Raw)), tt.code, tt.text)
			if got := strings.Join(s.Trailer().Get(outcome.Trailer), " "); got != tt.outcome {
				t.Errorf("outcome %q, want %q", got, tt.outcome)
			}
		})
	}
}

func TestMessageThatIsTooLargeEndsTheCall(t *testing.T) {
	c := connect(t, newStreamGRPC(t, func(ctx context.Context, call entity.Call, client entity.Exchange) error {
		return fmt.Errorf("call %s: %w", call.Command, parrot(ctx, call, client))
	}, Options{MaxReceive: 10}))
	s := talk(t.Context(), t, c, "Talk")
	tell(t, s, "more than ten bytes")
	wantStatus(t, s.RecvMsg(new(Raw)), codes.ResourceExhausted, "")
}

func TestClientThatGoesAwayEndsItsCall(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	c := connect(t, newStreamGRPC(t, func(ctx context.Context, call entity.Call, _ entity.Exchange) error {
		close(began)
		<-ctx.Done()
		<-call.Done
		ended <- context.Cause(ctx)
		return ctx.Err()
	}, Options{}))
	ctx, cancel := context.WithCancel(t.Context())
	talk(ctx, t, c, "Talk")
	<-began
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestDeadlineOfAStreamedCall(t *testing.T) {
	c := connect(t, newStreamGRPC(t, func(ctx context.Context, call entity.Call, client entity.Exchange) error {
		if at, ok := ctx.Deadline(); !ok || !call.Deadline.Equal(at) || time.Until(at) > time.Minute {
			t.Errorf("deadline %v, of the call %v", at, call.Deadline)
		}
		return parrot(ctx, call, client)
	}, Options{}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := talk(ctx, t, c, "Talk")
	tell(t, s, "a")
	if got := hears(s); got != "a" {
		t.Errorf("heard %q", got)
	}
}

func TestStreamsAreEndedAfterTheDrainTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreamGRPC(t, func(ctx context.Context, call entity.Call, client entity.Exchange) error {
			if err := client.Send([]byte(call.Command), nil); err != nil {
				return err
			}
			<-ctx.Done()
			return fmt.Errorf("call: %w", context.Cause(ctx))
		}, Options{Drain: time.Minute})
		c, stop, ended := bubble(t, s)
		defer c.Close()
		streams := []grpc.ClientStream{talk(t.Context(), t, c, "Talk"), talk(t.Context(), t, c, "Talk")}
		for _, s := range streams {
			hears(s)
		}
		start := time.Now()
		stop()
		for _, s := range streams {
			wantStatus(t, s.RecvMsg(new(Raw)), codes.Unavailable, "call: outcome unknown: the proxy is stopping")
			if got := strings.Join(s.Trailer().Get(outcome.Trailer), " "); got != "unknown" {
				t.Errorf("outcome %q", got)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d < time.Minute || d > time.Minute+lastWords {
			t.Errorf("Run took %v to end", d)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// ways are those in which connect-go can call.
var ways = map[string]struct {
	client  func(testing.TB) *http.Client
	options []connect.ClientOption
	bidi    bool
}{
	"connect, HTTP/2":       {h2c, nil, true},
	"connect, HTTP/1.1":     {h1, nil, false},
	"connect, JSON":         {h2c, []connect.ClientOption{connect.WithProtoJSON()}, true},
	"connect, JSON, 1.1":    {h1, []connect.ClientOption{connect.WithProtoJSON()}, false},
	"connect, gzip":         {h2c, []connect.ClientOption{connect.WithSendGzip()}, true},
	"connect, GET":          {h1, []connect.ClientOption{connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}, false},
	"connect, GET, JSON":    {h2c, []connect.ClientOption{connect.WithProtoJSON(), connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}, true},
	"gRPC":                  {h2c, []connect.ClientOption{connect.WithGRPC()}, true},
	"gRPC, gzip":            {h2c, []connect.ClientOption{connect.WithGRPC(), connect.WithSendGzip()}, true},
	"gRPC, JSON":            {h2c, []connect.ClientOption{connect.WithGRPC(), connect.WithProtoJSON()}, true},
	"gRPC-Web, HTTP/2":      {h2c, []connect.ClientOption{connect.WithGRPCWeb()}, true},
	"gRPC-Web, HTTP/1.1":    {h1, []connect.ClientOption{connect.WithGRPCWeb()}, false},
	"gRPC-Web, gzip":        {h1, []connect.ClientOption{connect.WithGRPCWeb(), connect.WithSendGzip()}, false},
	"gRPC-Web, JSON, 1.1":   {h1, []connect.ClientOption{connect.WithGRPCWeb(), connect.WithProtoJSON()}, false},
	"gRPC-Web, JSON, 2":     {h2c, []connect.ClientOption{connect.WithGRPCWeb(), connect.WithProtoJSON()}, true},
	"connect, no gzip, 1.1": {h1, []connect.ClientOption{connect.WithAcceptCompression("gzip", nil, nil)}, false},
}

func each(t *testing.T, r *rig, f func(t *testing.T, client func(method string) *connect.Client[greet.GreetRequest, greet.Greeting], bidi bool)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c := way.client(t)
			f(t, func(method string) *connect.Client[greet.GreetRequest, greet.Greeting] {
				return r.greeter(c, method, way.options...)
			}, way.bidi)
		})
	}
}

func TestCallOfOneMessage(t *testing.T) {
	r := newRig(t, setup{})
	each(t, r, func(t *testing.T, client func(string) *connect.Client[greet.GreetRequest, greet.Greeting], _ bool) {
		for _, name := range []string{"", "Ann", strings.Repeat("long ", 5_000)} {
			request := connect.NewRequest(&greet.GreetRequest{Name: name})
			request.Header().Set("Zone", "b")
			request.Header().Set("Hash-Bin", connect.EncodeBinaryHeader([]byte{0, 255}))
			reply, err := client("Greet").CallUnary(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if reply.Msg.GetText() != name {
				t.Errorf("got %.20q, want %.20q", reply.Msg.GetText(), name)
			}
			hash, err := connect.DecodeBinaryHeader(reply.Header().Get("Hash-Bin"))
			if reply.Header().Get("Zone") != "b" || err != nil || string(hash) != "\x00\xff" {
				t.Errorf("headers %v", reply.Header())
			}
		}
		_, err := client("Greet").CallUnary(t.Context(), connect.NewRequest(&greet.GreetRequest{Name: "refuse"}))
		refused(t, err)
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	if e := new(connect.Error); !errors.As(err, &e) || e.Code() != connect.CodeUnknown || e.Message() != "50% nö" {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestRequestsInAStream(t *testing.T) {
	r := newRig(t, setup{stream: together})
	each(t, r, func(t *testing.T, client func(string) *connect.Client[greet.GreetRequest, greet.Greeting], _ bool) {
		stream := client("GreetAll").CallClientStream(t.Context())
		for range 100 {
			if err := stream.Send(&greet.GreetRequest{Name: strings.Repeat("n", 1000)}); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := stream.CloseAndReceive()
		if err != nil || len(reply.Msg.GetText()) != 100_000 {
			t.Errorf("got %d bytes, %v", len(reply.Msg.GetText()), err)
		}
	})
}

func TestRepliesInAStream(t *testing.T) {
	r := newRig(t, setup{stream: thrice})
	each(t, r, func(t *testing.T, client func(string) *connect.Client[greet.GreetRequest, greet.Greeting], _ bool) {
		stream, err := client("GreetInAllLanguages").CallServerStream(t.Context(), connect.NewRequest(&greet.GreetRequest{Name: "a"}))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; stream.Receive(); n++ {
			if stream.Msg().GetText() != "a" {
				t.Errorf("got %v", stream.Msg())
			}
		}
		refused(t, stream.Err())
		if n != 3 || stream.ResponseTrailer().Get("Last") != "3" {
			t.Errorf("got %d replies, trailers %v", n, stream.ResponseTrailer())
		}
	})
}

func TestConversation(t *testing.T) {
	r := newRig(t, setup{})
	each(t, r, func(t *testing.T, client func(string) *connect.Client[greet.GreetRequest, greet.Greeting], bidi bool) {
		if !bidi {
			t.Skip("HTTP/1.1 has no such streams in connect-go")
		}
		stream := client("GreetEach").CallBidiStream(t.Context())
		for _, name := range []string{"a", "", strings.Repeat("b", 200_000)} {
			if err := stream.Send(&greet.GreetRequest{Name: name}); err != nil {
				t.Fatal(err)
			}
			if reply, err := stream.Receive(); err != nil || reply.GetText() != name {
				t.Fatalf("got %.20q, %v", reply.GetText(), err)
			}
		}
		if err := stream.CloseRequest(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end", err)
		}
		if err := stream.CloseResponse(); err != nil {
			t.Error(err)
		}

		stream = client("GreetEach").CallBidiStream(t.Context())
		if err := stream.Send(&greet.GreetRequest{Name: "refuse"}); err != nil {
			t.Fatal(err)
		}
		_, err := stream.Receive()
		refused(t, err)
	})
}

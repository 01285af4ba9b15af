// SPDX-License-Identifier: Apache-2.0

package action_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/action"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/userfunc"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// onLoopback has serve run on a port of its own, and returns a connection to it.
func onLoopback(b *testing.B, serve func(net.Listener) error) *grpc.ClientConn {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go serve(l) //nolint:errcheck // it ends with the benchmark
	conn, err := discovery.Dial(l.Addr().String(), 0, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return conn
}

// overTCP returns a client of the greeter: of the function behind the proxy's
// parts, all in this process.
func overTCP(b *testing.B, f *function) greet.GreeterClient {
	b.Helper()
	server := grpc.NewServer()
	cloudstate.RegisterActionProtocolServer(server, f)
	b.Cleanup(server.Stop)
	toFunction := onLoopback(b, server.Serve)
	log, c := slog.New(slog.DiscardHandler), catalogue(b, false)
	found := func() (*route.Catalogue, error) { return c, nil }
	report := func(s string) { b.Error(s) }
	actions := action.New(action.Config{
		Function: &userfunc.Function{Conn: toFunction}, Report: report,
		Answer: time.Minute, Submits: 1000, Stats: &action.Stats{},
	})
	calls := router.New(log, router.Config{
		Catalogue: found, Entities: router.ByType{route.Action: actions}, Unary: actions, Streams: actions,
		Report: report, EffectTime: time.Minute, MaxDepth: 8, Stats: &router.Stats{},
	})
	edge := serve.NewGRPC(log, found, calls, calls, serve.Options{Drain: time.Millisecond})
	return greet.NewGreeterClient(onLoopback(b, func(l net.Listener) error { return edge.Run(b.Context(), l) }))
}

// direct is the greeter without a proxy.
type direct struct {
	greet.UnimplementedGreeterServer
}

func (direct) Greet(context.Context, *greet.GreetRequest) (*greet.Greeting, error) {
	return &greet.Greeting{Text: "Hello"}, nil
}

func (direct) GreetInAllLanguages(_ *greet.GreetRequest, s grpc.ServerStreamingServer[greet.Greeting]) error {
	for range messages {
		if err := s.Send(&greet.Greeting{Text: "Hello"}); err != nil {
			return err
		}
	}
	return nil
}

// messages is how many a stream of the benchmarks has.
const messages = 1000

// each runs a benchmark with the proxy, without, and with the barest of proxies.
func each(b *testing.B, f *function, run func(*testing.B, greet.GreeterClient)) {
	b.Run("proxy", func(b *testing.B) { run(b, overTCP(b, f)) })
	b.Run("direct", func(b *testing.B) {
		server := grpc.NewServer()
		greet.RegisterGreeterServer(server, direct{})
		b.Cleanup(server.Stop)
		run(b, greet.NewGreeterClient(onLoopback(b, server.Serve)))
	})
	b.Run("pass-through", func(b *testing.B) {
		server := grpc.NewServer()
		greet.RegisterGreeterServer(server, direct{})
		b.Cleanup(server.Stop)
		to := onLoopback(b, server.Serve)
		hop := grpc.NewServer(grpc.NumStreamWorkers(256))
		greet.RegisterGreeterServer(hop, &passing{to: greet.NewGreeterClient(to)})
		b.Cleanup(hop.Stop)
		run(b, greet.NewGreeterClient(onLoopback(b, hop.Serve)))
	})
}

// measured runs what is to be measured, in many goroutines, and reports its
// processor time.
func measured(b *testing.B, one func() error) {
	b.ReportAllocs()
	b.SetParallelism(32)
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := one(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func BenchmarkUnary(b *testing.B) {
	answer := says("Hello")
	f := &function{unary: func(context.Context, *command) (*response, error) { return answer, nil }}
	each(b, f, func(b *testing.B, client greet.GreeterClient) {
		measured(b, func() error {
			_, err := client.Greet(b.Context(), request("a"))
			return err
		})
	})
}

// BenchmarkStreamedOut has calls with many replies.
func BenchmarkStreamedOut(b *testing.B) {
	answer := says("Hello")
	f := &function{out: func(_ *command, s outStream) error {
		for range messages {
			if err := s.Send(answer); err != nil {
				return err
			}
		}
		return nil
	}}
	each(b, f, func(b *testing.B, client greet.GreeterClient) {
		measured(b, func() error {
			s, err := client.GreetInAllLanguages(b.Context(), request("a"))
			for err == nil {
				_, err = s.Recv()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		})
	})
}

// cpu returns the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// passing passes calls on, as the barest of proxies that decodes messages does.
type passing struct {
	greet.UnimplementedGreeterServer
	to greet.GreeterClient
}

func (p *passing) Greet(ctx context.Context, m *greet.GreetRequest) (*greet.Greeting, error) {
	return p.to.Greet(ctx, m)
}

func (p *passing) GreetInAllLanguages(m *greet.GreetRequest, out grpc.ServerStreamingServer[greet.Greeting]) error {
	in, err := p.to.GreetInAllLanguages(out.Context(), m)
	if err != nil {
		return err
	}
	for {
		g, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(g); err != nil {
			return err
		}
	}
}

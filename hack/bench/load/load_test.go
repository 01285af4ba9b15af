// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/hack/bench/function"
)

func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	register(s)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return ln.Addr().String()
}

func TestRunCountsWhatIsAnsweredInTheWindow(t *testing.T) {
	addr := serve(t, func(s *grpc.Server) { benchpb.RegisterBenchServer(s, function.Direct{}) })
	job := Job{Addr: addr, Conns: 2, Workers: 4, Keys: 3, Prefix: "k", Service: "Bench", Method: "Do", Window: 50 * time.Millisecond, Watch: []int{os.Getpid()}}
	r := Run(t.Context(), job)
	for r.Err == "" && r.Calls == 0 { // a busy machine
		job.Window *= 2
		r = Run(t.Context(), job)
	}
	if r.Err != "" {
		t.Fatal(r.Err)
	}
	if r.Elapsed < job.Window || r.P50 > r.P99 || r.P99 <= 0 || len(r.CPU) != 1 || r.CPU[0] <= 0 || r.Own <= 0 {
		t.Errorf("result %+v", r)
	}
}

func TestRunCallsEachKey(t *testing.T) {
	counted := &counter{calls: map[string]int{}}
	addr := serve(t, func(s *grpc.Server) { benchpb.RegisterBenchServer(s, counted) })
	job := Job{Addr: addr, Conns: 1, Workers: 4, Keys: 7, Prefix: "k", Service: "Bench", Method: "Get", Each: 3}
	if r := Run(t.Context(), job); r.Err != "" {
		t.Fatal(r.Err)
	}
	if len(counted.calls) != job.Keys {
		t.Errorf("%d keys called, want %d", len(counted.calls), job.Keys)
	}
	for key, n := range counted.calls {
		if n != job.Each {
			t.Errorf("key %s called %d times, want %d", key, n, job.Each)
		}
	}
}

func TestRunEndsWithTheFirstError(t *testing.T) {
	addr := serve(t, func(*grpc.Server) {})
	for _, job := range []Job{
		{Addr: addr, Conns: 1, Workers: 2, Keys: 1, Service: "Bench", Method: "Do", Window: time.Hour},
		{Addr: addr, Conns: 1, Workers: 2, Keys: 1, Service: "Bench", Method: "Do", Each: 1},
	} {
		if r := Run(t.Context(), job); !strings.Contains(r.Err, "unknown service") {
			t.Errorf("Run of %+v = %+v, want an error", job, r)
		}
	}
}

func TestStreamsStayOpen(t *testing.T) {
	addr := serve(t, func(s *grpc.Server) {
		if err := function.Register(s, func(m string) { t.Error(m) }); err != nil {
			t.Fatal(err)
		}
	})
	s, err := NewStreams(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(t.Context(), StreamsJob{Streams: 5, Commands: 2}); err != nil {
		t.Fatal(err)
	}
	if len(s.open) != 5 {
		t.Errorf("%d streams are open, want 5", len(s.open))
	}
}

// counter counts the calls of each key.
type counter struct {
	benchpb.UnimplementedBenchServer
	mu    sync.Mutex // protects calls
	calls map[string]int
}

func (c *counter) Get(_ context.Context, r *benchpb.Request) (*benchpb.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[r.GetId()]++
	return &benchpb.Reply{Payload: []byte("x")}, nil
}

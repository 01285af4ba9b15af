// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/hack/bench/function"
	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/raw"
)

func serve(t *testing.T, s *grpc.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(ln) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return ln.Addr().String()
}

// TestCallsArePassedOn has the load generator call the function by the hop, in
// both shapes.
func TestCallsArePassedOn(t *testing.T) {
	fn := grpc.NewServer()
	benchpb.RegisterActionsServer(fn, function.DirectActions{})
	conn, err := grpc.NewClient("passthrough:"+serve(t, fn),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := serve(t, grpc.NewServer(grpc.UnknownServiceHandler(Handler(conn, "Talk")), grpc.ForceServerCodecV2(raw.Codec{})))
	for _, job := range []load.Job{{Method: "Do"}, {Method: "Talk", Streamed: true}} {
		job.Addr, job.Service, job.Conns, job.Workers, job.Keys = addr, "Actions", 1, 3, 2
		job.Window = 20 * time.Millisecond
		r := load.Run(t.Context(), job)
		for r.Err == "" && r.Calls == 0 { // a busy machine
			job.Window *= 2
			r = load.Run(t.Context(), job)
		}
		if r.Err != "" {
			t.Errorf("%s: %s", job.Method, r.Err)
		}
	}
	if r := load.Run(t.Context(), load.Job{Addr: addr, Service: "Actions", Method: "None", Conns: 1, Workers: 1, Keys: 1, Each: 1}); r.Err == "" {
		t.Error("the function's refusal was not passed on")
	}
}

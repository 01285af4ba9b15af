// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"net"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// BenchmarkEcho compares the edge with the least that grpc-go can do: a handler
// that sends back what it received. 128 clients on one connection call it with
// 100 bytes; client and server are in this process, so that the differences
// count, not the figures.
func BenchmarkEcho(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchmark(b, bare(b)) })
	b.Run("edge", func(b *testing.B) { benchmark(b, connect(b, newTestGRPC(b, submit(echo), Options{}))) })
}

func benchmark(b *testing.B, c *grpc.ClientConn) {
	payload := make([]byte, 100)
	b.SetParallelism(64) // times GOMAXPROCS
	b.ReportAllocs()
	before := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := do(b.Context(), c, payload); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpu returns the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bare returns a client of a server that does nothing but echo.
func bare(b *testing.B) *grpc.ClientConn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(newRawCodec()),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			var m Raw
			if err := stream.RecvMsg(&m); err != nil {
				return err
			}
			return stream.SendMsg(&m)
		}))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	client := dial(b, listener.Addr().String())
	b.Cleanup(func() {
		client.Close()
		server.Stop()
		<-ended
	})
	return client
}

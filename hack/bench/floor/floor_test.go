// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/hack/bench/function"
	"github.com/kairn-dev/kairn/hack/bench/raw"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

func TestCommandMessageIsAsTheProtocolSays(t *testing.T) {
	c := &call{key: "k", name: "Do", seq: 300, msg: bytes.Repeat([]byte("m"), 200)}
	b := commandMessage(c)
	if len(b) != cap(b) {
		t.Errorf("message of %d bytes in %d", len(b), cap(b))
	}
	var in cloudstate.EventSourcedStreamIn
	if err := proto.Unmarshal(b, &in); err != nil {
		t.Fatal(err)
	}
	got := in.GetCommand()
	if got.GetEntityId() != "k" || got.GetId() != 300 || got.GetName() != "Do" ||
		got.GetPayload().GetTypeUrl() != request || !bytes.Equal(got.GetPayload().GetValue(), c.msg) {
		t.Errorf("read back %v", got)
	}
	if err := proto.Unmarshal(initMessage("k"), &in); err != nil || in.GetInit().GetEntityId() != "k" {
		t.Errorf("init read back as %v, %v", &in, err)
	}
}

// keep is a log that keeps what it is given.
type keep struct{ events map[string][]int64 }

func (k *keep) commit(group []*call) error {
	for _, c := range group {
		if c.events != nil {
			k.events[c.key] = append(k.events[c.key], c.seq)
		}
	}
	return nil
}

func TestProxyStoresInOrderWhatItAcknowledges(t *testing.T) {
	log := &keep{events: map[string][]int64{}}
	client := serve(t, log)
	const callers, calls, keys = 16, 25, 3
	var wg sync.WaitGroup
	for w := range callers {
		wg.Go(func() {
			for n := range calls {
				req := &benchpb.Request{Id: fmt.Sprint((w + n) % keys)}
				reply, err := client.Do(t.Context(), req)
				if err != nil || len(reply.GetPayload()) == 0 {
					t.Errorf("Do = %v, %v", reply, err)
				}
				if _, err := client.Get(t.Context(), req); err != nil {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for key, seqs := range log.events {
		total += len(seqs)
		for i := 1; i < len(seqs); i++ {
			if seqs[i] <= seqs[i-1] {
				t.Errorf("key %s: %d stored after %d", key, seqs[i], seqs[i-1])
			}
		}
	}
	if total != callers*calls {
		t.Errorf("%d events stored, %d acknowledged", total, callers*calls)
	}
}

func TestLogsTakeGroups(t *testing.T) {
	p, err := OpenPebble(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.db.Close()
	f, err := OpenFile(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.f.Close()
	group := []*call{{key: "a", seq: 1, events: []byte("one")}, {key: "b", seq: 1}, {key: "a", seq: 2, events: []byte("two")}}
	for _, l := range []Log{p, f} {
		if err := l.commit(group); err != nil {
			t.Errorf("%T: %v", l, err)
		}
	}
	got, closer, err := p.db.Get([]byte("a\x00\x00\x00\x00\x00\x00\x00\x00\x02"))
	if err != nil || string(got) != "two" {
		t.Fatalf("second event = %q, %v", got, err)
	}
	closer.Close()
	if st, err := f.f.Stat(); err != nil || st.Size() != 14 {
		t.Errorf("file of %v, %v, want 14 bytes", st.Size(), err)
	}
}

// serve runs a function and the floor before it, and returns a client.
func serve(t *testing.T, log Log) benchpb.BenchClient {
	t.Helper()
	fn := grpc.NewServer()
	if err := function.Register(fn, func(m string) { t.Error(m) }); err != nil {
		t.Fatal(err)
	}
	p := New(dial(t, listen(t, fn), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{}))), log)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // ends after the servers
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	proxy := grpc.NewServer(grpc.UnknownServiceHandler(p.Handler(ctx)), grpc.ForceServerCodecV2(raw.Codec{}))
	return benchpb.NewBenchClient(dial(t, listen(t, proxy)))
}

func listen(t *testing.T, s *grpc.Server) string {
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

func dial(t *testing.T, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

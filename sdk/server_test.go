// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

func TestManyInstancesAtOnce(t *testing.T) {
	f := serve(t, models()...)
	var wg sync.WaitGroup
	for n := range 50 {
		w := f.open(t)
		w.id = fmt.Sprint(n)
		w.init(&cloudstate.EventSourcedInit{ServiceName: modelService, EntityId: w.id})
		wg.Go(func() {
			text := ""
			for range 10 {
				text += w.id
				if got, err := w.try(emit(w.id)); err != nil || got != text {
					t.Errorf("instance %s: state %q, %v; want %q", w.id, got, err, text)
					return
				}
			}
		})
	}
	wg.Wait()
}

// try sends a command and returns the state in the reply. Other goroutines
// than the test's may call it.
func (w *wire) try(actions ...*tck.RequestAction) (string, error) {
	w.last++
	err := w.stream.Send(&cloudstate.EventSourcedStreamIn{Message: &cloudstate.EventSourcedStreamIn_Command{Command: &cloudstate.Command{
		EntityId: w.id, Id: w.last, Name: "Process", Payload: packed(w.t, &tck.Request{Id: w.id, Actions: actions}),
	}}})
	if err != nil {
		return "", err
	}
	out, err := w.stream.Recv()
	if err != nil {
		return "", err
	}
	m := &tck.Response{}
	err = out.GetReply().GetClientAction().GetReply().GetPayload().UnmarshalTo(m)
	return m.GetMessage(), err
}

func TestTheProxysErrorsAreLogged(t *testing.T) {
	f := serve(t, models()...)
	_, err := cloudstate.NewEntityDiscoveryClient(f.conn).ReportError(t.Context(), &cloudstate.UserFunctionError{Message: "no such key"})
	if err != nil {
		t.Fatal(err)
	}
	if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "no such key") {
		t.Errorf("log %s", log)
	}
}

func TestAProxyThatDoesNotFitIsLogged(t *testing.T) {
	f := serve(t, models()...)
	_, err := cloudstate.NewEntityDiscoveryClient(f.conn).Discover(t.Context(), &cloudstate.ProxyInfo{ProtocolMajorVersion: 1, ProxyName: "odd"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"proxy=odd", "another version", "doesn't support the type", "entity=" + modelService} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log has no %q: %s", want, f.log)
		}
	}
}

func TestMetadataGoesInAndOut(t *testing.T) {
	f := serve(t, probes(func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		err := grpc.SetHeader(ctx, metadata.Pairs("answer", strings.Join(in.Get("question"), ","), "raw-bin", "\xff"))
		if err == nil {
			err = grpc.SetHeader(ctx, metadata.Pairs("count", fmt.Sprint(len(in))))
		}
		return &tck.Response{}, err
	}))
	w := f.activate(t, "")
	text := func(key, value string) *cloudstate.MetadataEntry {
		return &cloudstate.MetadataEntry{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: value}}
	}
	raw := &cloudstate.MetadataEntry{Key: "raw-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte("\xff")}}
	for _, tt := range []struct {
		in, want *cloudstate.Metadata
	}{
		{
			&cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{text("Question", "why"), text("question", "how"), raw}},
			&cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{text("answer", "why,how"), text("count", "2"), raw}},
		},
		{nil, &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{text("answer", ""), text("count", "0"), raw}}},
	} {
		w.last++
		w.commandOf(&cloudstate.Command{EntityId: w.id, Id: w.last, Name: "Process", Payload: packed(t, &tck.Request{}), Metadata: tt.in})
		if got := w.recv().GetReply().GetClientAction().GetReply().GetMetadata(); !proto.Equal(got, tt.want) {
			t.Errorf("metadata %v, want %v", got, tt.want)
		}
	}
	w.close()
}

// connect serves the entities in memory, inside of a synctest bubble, which
// fails if anything is left running.
func connect(t *testing.T, entities ...sdk.Entity) (f *function, stop func() error) {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	server, err := sdk.NewServer(slog.New(slog.NewTextHandler(io.Discard, nil)), entities...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return &function{conn: conn}, func() error { cancel(); return <-served }
}

func TestNothingIsLeftOfStreamsThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := connect(t, models()...)
		ctx, cancel := context.WithCancel(t.Context())
		closed, faulty, canceled := f.activate(t, ""), f.activate(t, ""), f.open(t)
		closed.command()
		closed.want(reply(t, ""))
		closed.close()
		faulty.send(&cloudstate.EventSourcedStreamIn{})
		faulty.wantFault(0)
		stream, err := cloudstate.NewEventSourcedClient(f.conn).Handle(ctx)
		if err != nil {
			t.Fatal(err)
		}
		canceled.stream = stream
		canceled.init(&cloudstate.EventSourcedInit{ServiceName: modelService, EntityId: "one"})
		canceled.command()
		canceled.want(reply(t, ""))
		cancel()
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestAStoppingServerAnswersWhatItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		f, stop := connect(t, probes(func(_ context.Context, in *tck.Request) (*tck.Response, error) {
			if len(in.GetActions()) > 0 {
				<-goOn
			}
			return &tck.Response{}, nil
		}))
		idle, busy := f.activate(t, ""), f.activate(t, "")
		idle.command()
		idle.want(reply(t, ""))
		busy.command(emit("slowly"))
		synctest.Wait() // the command is being handled

		stopped := make(chan error, 1)
		go func() { stopped <- stop() }()
		synctest.Wait() // the server is waiting for it
		idle.command()
		if _, err := idle.stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("a command to a stopping server: %v, want Unavailable", err)
		}
		close(goOn)
		busy.want(reply(t, ""))
		if err := <-stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestAStoppingServerDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := connect(t, probes(func(ctx context.Context, _ *tck.Request) (*tck.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		w := f.activate(t, "")
		w.command()
		synctest.Wait()
		start := time.Now()
		if err := stop(); err == nil || !strings.Contains(err.Error(), "commands still run") {
			t.Errorf("Serve: %v, want what it didn't wait for", err)
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestServeTakesItsAddressFromTheEnvironment(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, tt := range []struct{ name, port, want string }{
		{"no number", "http", `PORT="http" is not a port number`},
		{"no port", "70000", `PORT="70000" is not a port number`},
		{"in use", port, "127.0.0.1:" + port},
		{"free", "0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PORT", tt.port)
			t.Setenv("HOST", "")
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := sdk.Serve(ctx, models()...)
			if tt.want == "" && err != nil {
				t.Errorf("Serve: %v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Serve: %v, want %q in it", err, tt.want)
			}
		})
	}
}

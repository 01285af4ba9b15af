// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	model "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
	tck "github.com/kairn-dev/kairn/tck/model"
)

// startFunction serves entities at addr until the function that it returns is
// called. Port 0 takes any.
func startFunction(t *testing.T, addr string, entities ...sdk.Entity) (at string, stop func()) {
	t.Helper()
	server, err := sdk.NewServer(slog.New(slog.DiscardHandler), entities...)
	if err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(ctx, l); err != nil {
			t.Errorf("function: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// A proxyUnderTest is a proxy in this process.
type proxyUnderTest struct {
	log   *logged
	grpc  *grpc.ClientConn
	http  string
	admin string
	stop  func() error
}

// logged is what a proxy has logged; a reader waits for lines to come.
type logged struct {
	mu    sync.Mutex // protects all
	all   []string
	added chan struct{} // closed when a line is added
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(b)) {
		l.all = append(l.all, line)
	}
	close(l.added)
	l.added = make(chan struct{})
	return len(b), nil
}

// await returns the first line with all of parts.
func (l *logged) await(t *testing.T, parts ...string) string {
	t.Helper()
	for from := 0; ; {
		l.mu.Lock()
		all, added := l.all, l.added
		l.mu.Unlock()
		for ; from < len(all); from++ {
			found := true
			for _, p := range parts {
				found = found && strings.Contains(all[from], p)
			}
			if found {
				return all[from]
			}
		}
		select {
		case <-added:
		case <-t.Context().Done():
			t.Fatalf("%q was not logged", parts)
		}
	}
}

func startProxy(t *testing.T, function string, settings ...string) *proxyUnderTest {
	t.Helper()
	host, port, err := net.SplitHostPort(function)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"--user-function-host=" + host, "--user-function-port=" + port,
		"--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data-dir=" + t.TempDir(),
	}, settings...)
	p := &proxyUnderTest{log: &logged{added: make(chan struct{})}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- run(ctx, openStore, args, env(), p.log) }()
	p.stop = sync.OnceValue(func() error { cancel(); return <-ran })
	t.Cleanup(func() { _ = p.stop() })

	var at struct{ GRPC, HTTP, Admin string }
	if err := json.Unmarshal([]byte(p.log.await(t, `"msg":"serving"`)), &at); err != nil {
		t.Fatal(err)
	}
	p.http, p.admin = "http://"+at.HTTP, "http://"+at.Admin
	p.grpc, err = grpc.NewClient("passthrough:///"+at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.grpc.Close() })
	return p
}

// health waits until the health service says so.
func (p *proxyUnderTest) health(t *testing.T, want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	watch, err := healthpb.NewHealthClient(p.grpc).Watch(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for {
		got, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got.GetStatus() == want {
			return
		}
	}
}

func (p *proxyUnderTest) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(body.String())
}

func (p *proxyUnderTest) emit(t *testing.T, id, value string) (string, error) {
	t.Helper()
	in := &model.Request{Id: id}
	if value != "" {
		in.Actions = []*model.RequestAction{{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}}}}
	}
	out, err := model.NewEventSourcedTckModelClient(p.grpc).Process(t.Context(), in)
	return out.GetMessage(), err
}

func TestStateOutlivesTheProxy(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	dir := t.TempDir()
	want := ""
	for round := range 3 {
		p := startProxy(t, function, "--data-dir="+dir)
		p.health(t, healthpb.HealthCheckResponse_SERVING)
		if got, err := p.emit(t, "a", ""); err != nil || got != want {
			t.Fatalf("round %d: state %q, %v; want %q", round, got, err, want)
		}
		for i := range 7 { // some snapshots, at different places
			value := fmt.Sprint(round, i, " ")
			want += value
			if got, err := p.emit(t, "a", value); err != nil || got != want {
				t.Fatalf("reply %q, %v; want %q", got, err, want)
			}
		}
		if err := p.stop(); err != nil {
			t.Fatalf("stopped with %v", err)
		}
	}
}

func TestSecondProxyOnAFolderIsRefused(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	dir := t.TempDir()
	startProxy(t, function, "--data-dir="+dir)
	var out bytes.Buffer
	args := []string{"--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data-dir=" + dir}
	if err := run(t.Context(), openStore, args, env(), &out); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second one ended with %v", err)
	}
}

// TestReadinessFollowsTheFunction starts the proxy first, then a function that
// can't be served, then one that can, and takes that away.
func TestReadinessFollowsTheFunction(t *testing.T) {
	addr, stop := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	stop()
	p := startProxy(t, addr, "--store=memory")
	if code, body := p.get(t, "/ready"); code != http.StatusServiceUnavailable || !strings.Contains(body, "user function") {
		t.Errorf("without function: %d %q", code, body)
	}
	if _, err := p.emit(t, "a", "1"); status.Code(err) != codes.Unavailable {
		t.Errorf("without function: %v", err)
	}
	if code, _ := p.get(t, "/live"); code != http.StatusOK {
		t.Errorf("live: %d", code)
	}

	_, stop = startFunction(t, addr, tck.Entities()...)
	p.health(t, healthpb.HealthCheckResponse_SERVING)
	if code, body := p.get(t, "/ready"); code != http.StatusOK {
		t.Errorf("with function: %d %q", code, body)
	}
	if got, err := p.emit(t, "a", "1"); err != nil || got != "1" {
		t.Errorf("with function: %q, %v", got, err)
	}

	stop()
	p.health(t, healthpb.HealthCheckResponse_NOT_SERVING)
	startFunction(t, addr, tck.EventSourced()[:1]...) // it has changed
	p.health(t, healthpb.HealthCheckResponse_SERVING)
	if got, err := p.emit(t, "a", "2"); err != nil || got != "12" {
		t.Errorf("after the function's restart: %q, %v", got, err)
	}
	_, err := model.NewEventSourcedTwoClient(p.grpc).Call(t.Context(), &model.Request{Id: "a"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an entity that is gone: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0", tck.EventSourced()...) // nobody consumes its events
	p := startProxy(t, function)
	p.health(t, healthpb.HealthCheckResponse_SERVING)
	for range 3 {
		if _, err := p.emit(t, "a", "x"); err != nil {
			t.Fatal(err)
		}
	}
	_, page := p.get(t, "/metrics")
	const entity = `{entity="cloudstate.tck.model.EventSourcedTckModel/event-sourced-tck-model"}`
	for _, want := range []string{
		"kairn_calls_total 3",
		"kairn_commit_writes_total 3",
		"kairn_instances_active" + entity + " 1",
		"kairn_instances_activated_total" + entity + " 1",
		"kairn_commands_received_total" + entity + " 3",
		"kairn_commands_completed_total" + entity + " 3",
		"kairn_command_total_seconds_count" + entity + " 3",
		"kairn_persisted_events_total" + entity + " 3",
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("%q is not among the metrics", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestEveryMetricIsDocumented compares what is served with the page.
func TestEveryMetricIsDocumented(t *testing.T) {
	function, _ := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	p := startProxy(t, function)
	p.health(t, healthpb.HealthCheckResponse_SERVING)
	if _, err := p.emit(t, "a", "x"); err != nil {
		t.Fatal(err)
	}
	_, page := p.get(t, "/metrics")
	documented := readFile(t, "../docs/configuration.md")
	for line := range strings.Lines(page) {
		name, ours := strings.CutPrefix(line, "# TYPE kairn_")
		if name, _, _ = strings.Cut(name, " "); ours && !strings.Contains(documented, "`"+name+"`") {
			t.Errorf("docs/configuration.md lacks %s", name)
		}
	}
}

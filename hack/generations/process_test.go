// SPDX-License-Identifier: Apache-2.0

package generations

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/kairn-dev/kairn/hack/stage"
)

// buildProxy returns the proxy, built once for all tests.
var buildProxy = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kairn-generations-")
	if err != nil {
		return "", err
	}
	programs, err := stage.Build(context.Background(), dir, nil, "proxy")
	if err != nil {
		return "", err
	}
	return programs[0], nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if proxy, err := buildProxy(); err == nil {
		_ = os.RemoveAll(filepath.Dir(proxy))
	}
	os.Exit(code)
}

// A process is a child of this one, which ends with the test at the latest.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed
	*output
}

// An output is what a process says; a reader waits for lines to come.
type output struct {
	mu    sync.Mutex // protects what follows
	lines []string
	added chan struct{} // closed when a line is added
}

func start(t *testing.T, dir string, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd:    exec.Command(program, args...),
		done:   make(chan struct{}),
		output: &output{added: make(chan struct{})},
	}
	p.cmd.Dir, p.cmd.Env = dir, append(os.Environ(), env...)
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(r)
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
		w.Close()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.done
		if t.Failed() {
			t.Logf("%s %v said:\n%s", program, args, p)
		}
	})
	return p
}

func (o *output) read(r io.Reader) {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		o.mu.Lock()
		o.lines = append(o.lines, scan.Text())
		close(o.added)
		o.added = make(chan struct{})
		o.mu.Unlock()
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// await returns the first line with all of parts.
func (p *process) await(ctx context.Context, t *testing.T, parts ...string) string {
	t.Helper()
	for from := 0; ; {
		p.mu.Lock()
		lines, added := p.lines, p.added
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if containsAll(lines[from], parts) {
				return lines[from]
			}
		}
		select {
		case <-added:
		case <-p.done:
			t.Fatalf("it ended (%v) and did not say %q:\n%s", p.err, parts, p)
		case <-ctx.Done():
			t.Fatalf("it did not say %q:\n%s", parts, p)
		}
	}
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// signal tells the process to end.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the process has ended, and reports if not with status 0.
func (p *process) ended(ctx context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("%v: %v\n%s", p.cmd, p.err, p)
		}
	case <-ctx.Done():
		t.Fatalf("%v does not end:\n%s", p.cmd, p)
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// A pair is a function with the proxy beside it.
type pair struct {
	client
	function, proxy *process
	admin           string
}

// startPair starts both, and waits until the proxy has found the function if it
// is to be found. Both have env besides what they need.
func startPair(ctx context.Context, t *testing.T, g *generation, s *shop, data string, found bool, env ...string) *pair {
	t.Helper()
	program, err := buildProxy()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(ctx, t)
	script, err := filepath.Abs(g.script)
	if err != nil {
		t.Fatal(err)
	}
	proxyEnv := append(slices.Clone(env),
		"USER_FUNCTION_PORT="+port, "GRPC_ADDR=127.0.0.1:0", "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATA_DIR="+data)
	env = append(env, "NODE_PATH="+g.modules, "SDK="+g.sdk, "SHOP="+s.dir, "HOST=127.0.0.1", "PORT="+port)
	p := &pair{
		function: start(t, s.dir, env, "node", script),
		proxy:    start(t, s.dir, proxyEnv, program),
	}
	var at struct{ GRPC, Admin string }
	if err := json.Unmarshal([]byte(p.proxy.await(ctx, t, `"msg":"serving"`)), &at); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p.client, p.admin = client{s, conn}, "http://"+at.Admin
	if found {
		p.awaitServing(ctx, t)
	}
	return p
}

func (p *pair) awaitServing(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.function.done: // there is nothing to wait for
			cancel()
		case <-ctx.Done():
		}
	}()
	watch, err := healthpb.NewHealthClient(p.conn).Watch(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for {
		health, err := watch.Recv()
		if err != nil {
			t.Fatalf("%v\n%s", err, p.proxy)
		}
		if health.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return
		}
	}
}

// ready returns what the proxy says when it is asked whether it is.
func (p *pair) ready(ctx context.Context, t *testing.T) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+"/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// stop ends both in order, the proxy first.
func (p *pair) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	p.proxy.terminate(t)
	p.proxy.ended(ctx, t)
	_ = p.function.cmd.Process.Kill() // how it ends is for another test
	<-p.function.done
}

// freePort returns a port that nothing listens on.
func freePort(ctx context.Context, t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// limited returns a context for one test, which takes seconds on a machine that
// has nothing else to do.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

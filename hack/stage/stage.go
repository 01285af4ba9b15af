// SPDX-License-Identifier: Apache-2.0

// Package stage runs the proxy and a user function as processes of this
// machine, for the demonstration and for tests that kill them.
//
// Ports come from the kernel, everything listens on loopback, and what a Stage
// has started ends with it: in order if asked to, by force otherwise, and by
// the kernel on Linux if this process is killed.
package stage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Build compiles packages of this module into dir and returns the programs, in
// order.
func Build(ctx context.Context, dir string, flags []string, packages ...string) ([]string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	programs := make([]string, len(packages))
	for i, p := range packages {
		programs[i] = filepath.Join(dir, filepath.Base(p))
		args := append([]string{"build", "-o", programs[i]}, flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, "./"+p)...)
		cmd.Dir = strings.TrimSpace(string(root))
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", p, err, out)
		}
	}
	return programs, nil
}

// A Stage is a proxy with a user function. Its fields are set before Start.
type Stage struct {
	Proxy    string   // the program
	Function string   // the program; it listens on HOST and PORT
	Env      []string // for the proxy, besides its addresses
	Log      io.Writer

	// HTTP is where REST and all else that is not gRPC alone is served, "host:port",
	// once Start has returned.
	HTTP string

	port     int // of the function; the same each time
	function *process
	proxy    *process
	conn     *grpc.ClientConn
}

// Start starts both and waits until the proxy serves the function. It returns
// a connection to the proxy, which lasts until Stop or Kill.
func (s *Stage) Start(ctx context.Context) (*grpc.ClientConn, error) {
	if err := s.start(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s.conn, nil
}

func (s *Stage) start(ctx context.Context) error {
	if s.port == 0 {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		s.port = port
	}
	port := fmt.Sprint(s.port)
	var err error
	if s.function, err = start(s.Log, s.Function, nil, "HOST=127.0.0.1", "PORT="+port); err != nil {
		return err
	}
	env := append([]string{"USER_FUNCTION_PORT=" + port, "GRPC_ADDR=127.0.0.1:0", "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, s.Env...)
	serving := make(chan addresses, 1)
	if s.proxy, err = start(s.Log, s.Proxy, serving, env...); err != nil {
		return err
	}
	select {
	case at := <-serving:
		s.HTTP = at.HTTP
		return s.connect(ctx, at.GRPC)
	case <-s.proxy.done:
		return fmt.Errorf("proxy ended before it served:\n%s", s.proxy.tail())
	case <-ctx.Done():
		return fmt.Errorf("proxy does not serve: %w:\n%s", context.Cause(ctx), s.proxy.tail())
	}
}

// connect waits until the proxy says that it serves.
func (s *Stage) connect(ctx context.Context, addr string) error {
	var err error
	s.conn, err = grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	watch, err := healthpb.NewHealthClient(s.conn).Watch(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for {
		health, err := watch.Recv()
		if err != nil {
			return fmt.Errorf("proxy is not healthy: %w:\n%s", err, s.proxy.tail())
		}
		if health.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return nil
		}
	}
}

// Stop ends both in order, the proxy first, and reports what went wrong.
func (s *Stage) Stop() error {
	err := errors.Join(s.proxy.signal(syscall.SIGTERM), s.proxy.wait())
	s.Kill()
	return err
}

// Kill ends both with SIGKILL and waits for their end.
func (s *Stage) Kill() {
	for _, p := range []*process{s.proxy, s.function} {
		if p != nil {
			_ = p.signal(syscall.SIGKILL) // it may have ended already
		}
	}
	for _, p := range []*process{s.proxy, s.function} {
		if p != nil {
			_ = p.wait() // killed: what else
		}
	}
	if s.conn != nil {
		_ = s.conn.Close() // what it leads to is dead
	}
	s.proxy, s.function, s.conn = nil, nil, nil
}

// KillFunction ends the function alone, with SIGKILL, and starts it again.
func (s *Stage) KillFunction() error {
	_ = s.function.signal(syscall.SIGKILL) // it may have ended already
	_ = s.function.wait()
	var err error
	s.function, err = start(s.Log, s.Function, nil, "HOST=127.0.0.1", fmt.Sprintf("PORT=%d", s.port))
	return err
}

// freePort returns a port that nothing listens on.
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addresses are where a proxy says that it serves.
type addresses struct{ GRPC, HTTP string }

// A process is a child of this one.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed

	mu   sync.Mutex // protects last
	last [][]byte   // lines that it logged, the last of them
}

// start runs a program. If serving isn't nil, it is told where the program says
// that it listens.
func start(log io.Writer, program string, serving chan<- addresses, env ...string) (*process, error) {
	p := &process{name: filepath.Base(program), cmd: exec.Command(program), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = attributes()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		defer close(p.done)
		p.read(stderr, log, serving)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// read keeps the last lines that p logs.
func (p *process) read(stderr io.Reader, log io.Writer, serving chan<- addresses) {
	const keep = 20
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadBytes('\n')
		if log != nil {
			fmt.Fprintf(log, "%s: %s", p.name, line)
		}
		p.mu.Lock()
		p.last = append(p.last, line)
		p.last = slices.Delete(p.last, 0, max(0, len(p.last)-keep))
		p.mu.Unlock()
		var said struct {
			Msg string
			addresses
		}
		if serving != nil && json.Unmarshal(line, &said) == nil && said.Msg == "serving" {
			serving <- said.addresses
			serving = nil
		}
		if err != nil {
			return
		}
	}
}

func (p *process) tail() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Join(p.last, nil)
}

func (p *process) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

func (p *process) wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%s: %w:\n%s", p.name, p.err, p.tail())
	}
	return nil
}

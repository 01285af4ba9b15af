// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// stopTime is how long a proxy may take to stop before it is killed.
const stopTime = 20 * time.Second

// Addresses are where a proxy serves. HTTP may be missing.
type addresses struct{ GRPC, HTTP string }

// command starts the proxy and returns where it serves.
func (p *parts) command(ctx context.Context, cfg config, function string, logs io.Writer) (addresses, error) {
	host, port, err := net.SplitHostPort(function)
	if err != nil {
		return addresses{}, err
	}
	args := strings.Fields(cfg.proxyCommand)
	running, end := context.WithCancel(p.ctx)
	cmd := exec.CommandContext(running, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "USER_FUNCTION_HOST="+host, "USER_FUNCTION_PORT="+port, "GRPC_ADDR=127.0.0.1:0", "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "REST_ERRORS=text")
	cmd.Env = append(cmd.Env, cfg.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	cmd.Stdout = logs
	stderr, err := cmd.StderrPipe()
	if err != nil {
		end()
		return addresses{}, err
	}
	if err := cmd.Start(); err != nil {
		end()
		return addresses{}, fmt.Errorf("start the proxy: %w", err)
	}
	serving := make(chan addresses, 1) // room for one, so that nobody has to wait for it
	ended := make(chan error, 1)       // likewise
	p.work.Go(func() {
		err := errors.Join(follow(stderr, logs, serving), cmd.Wait())
		if running.Err() == nil {
			p.failed(fmt.Errorf("the proxy has ended: %w", errors.Join(err, io.ErrUnexpectedEOF)))
		}
		ended <- err
	})
	p.stop = func() error {
		end()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("the proxy did not stop well: %w", err)
		}
		return nil
	}
	select {
	case at := <-serving:
		return at, nil
	case <-ctx.Done():
		return addresses{}, fmt.Errorf("wait for the proxy to serve: %w", context.Cause(ctx))
	}
}

// follow copies the proxy's log and sends the addresses that it serves on.
func follow(from io.Reader, to io.Writer, serving chan<- addresses) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var line struct {
			Msg string
			addresses
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			select {
			case serving <- line.addresses:
			default: // it has said so before
			}
		}
		fmt.Fprintf(to, "proxy: %s\n", lines.Text())
	}
	return lines.Err()
}

// ready waits until the proxy can be called. A proxy without a health service
// is believed to be ready when it accepts connections.
func (p *parts) ready(ctx context.Context, proxy string) error {
	conn, err := p.dial(proxy) // not recorded, since no case has to do with it
	if err != nil {
		return err
	}
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("wait for the proxy to be ready: %w", err)
	}
	for {
		switch is, err := watch.Recv(); {
		case status.Code(err) == codes.Unimplemented:
			return nil
		case err != nil:
			return fmt.Errorf("wait for the proxy to be ready: %w", err)
		case is.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING:
			return nil
		}
	}
}

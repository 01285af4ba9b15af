// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	model "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// asProxy is the environment variable that makes this test program the proxy.
const asProxy = "KAIRN_TEST_IS_PROXY"

func TestMain(m *testing.M) {
	switch os.Getenv(asProxy) {
	case "":
	case troubled:
		serveTroubled()
		return
	default:
		main()
		return
	}
	os.Exit(m.Run())
}

// A stuck instance says when it has a command, and keeps it.
type stuck struct {
	model.UnimplementedEventSourcedTwoServer
	has, release chan struct{}
}

func (s *stuck) Call(context.Context, *model.Request) (*model.Response, error) {
	s.has <- struct{}{}
	<-s.release
	return &model.Response{}, nil
}

func (s *stuck) applied(*model.Persisted) {}

// startStuck runs a proxy as a process, and gives its function a command that
// is not answered. The status of that comes with failed.
func startStuck(t *testing.T, settings ...string) (proxy *exec.Cmd, out *logged, failed <-chan error) {
	t.Helper()
	s := &stuck{has: make(chan struct{}, 1), release: make(chan struct{})}
	function, _ := startFunction(t, "127.0.0.1:0", sdk.EventSourced[*stuck]{
		Service:       &model.EventSourcedTwo_ServiceDesc,
		PersistenceID: "stuck",
		New:           func(string) *stuck { return s },
		Events:        []sdk.EventHandler[*stuck]{sdk.On((*stuck).applied)},
	})
	t.Cleanup(func() { close(s.release) }) // before the function is stopped
	_, port, err := net.SplitHostPort(function)
	if err != nil {
		t.Fatal(err)
	}
	proxy = exec.CommandContext(t.Context(), os.Args[0], append(settings, "--user-function-port="+port)...)
	proxy.Env = append(os.Environ(), asProxy+"=1", "STORE=memory", "GRPC_ADDR=127.0.0.1:0", "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0")
	out = &logged{added: make(chan struct{})}
	proxy.Stderr = out
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	var at struct{ GRPC string }
	if err := json.Unmarshal([]byte(out.await(t, `"msg":"serving"`)), &at); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	(&proxyUnderTest{grpc: conn}).health(t, healthpb.HealthCheckResponse_SERVING)
	ended := make(chan error, 1)
	go func() {
		_, err := model.NewEventSourcedTwoClient(conn).Call(t.Context(), &model.Request{Id: "a"})
		ended <- err
	}()
	<-s.has
	return proxy, out, ended
}

func TestStoppingTakesNoLongerThanItMay(t *testing.T) {
	proxy, out, failed := startStuck(t, "--shutdown-timeout=50ms")
	if err := proxy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := proxy.Wait(); err != nil {
		t.Errorf("the proxy ended with %v, want 0; it logged %q", err, out.all)
	}
	if err := <-failed; status.Code(err) != codes.Unavailable {
		t.Errorf("the command that was cut off: %v", err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	proxy, out, _ := startStuck(t, "--shutdown-timeout=24h")
	if err := proxy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	out.await(t, `"msg":"stopping"`)
	if err := proxy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := proxy.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != interrupted {
		t.Errorf("the proxy ended with %v, want status %d", err, interrupted)
	}
}

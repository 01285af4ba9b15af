// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/route"
)

// serve serves f at a real address until the test ends.
func serve(t *testing.T, network, address string, f *function) net.Addr {
	t.Helper()
	lis, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	cloudstate.RegisterEntityDiscoveryServer(srv, f)
	ended := make(chan error)
	go func() { ended <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-ended
	})
	return lis.Addr()
}

// follow runs discovery of target until the test ends; found and lost get what
// it says.
func follow(t *testing.T, target string, limit int) (found chan *route.Catalogue, lost chan error) {
	t.Helper()
	// A proxy of the environment must not be asked for a function beside us.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("https_proxy", "http://127.0.0.1:1")
	conn, err := discovery.Dial(target, limit)
	if err != nil {
		t.Fatal(err)
	}
	found, lost = make(chan *route.Catalogue, 100), make(chan error, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- discovery.Run(ctx, slog.New(slog.DiscardHandler), discovery.Config{
			Conn: conn, Supported: supported,
			Found: func(c *route.Catalogue) { found <- c },
			Lost:  func(reason error) { lost <- reason },
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		conn.Close()
	})
	return found, lost
}

func TestDialRealAddresses(t *testing.T) {
	for _, name := range []string{"address", "localhost", "dns", "unix", "unix url"} {
		t.Run(name, func(t *testing.T) {
			network, address := "tcp", "127.0.0.1:0"
			if strings.HasPrefix(name, "unix") {
				network, address = "unix", filepath.Join(t.TempDir(), "fn")
			}
			target := serve(t, network, address, answering(specOf(t, model))).String()
			switch name {
			case "localhost":
				target = strings.Replace(target, "127.0.0.1", "localhost", 1)
			case "dns":
				target = "dns:///" + target
			case "unix":
				target = "unix:" + target
			case "unix url":
				target = "unix://" + target
			}
			found, _ := follow(t, target, 0)
			if c := <-found; !c.HasService(model) {
				t.Error("found something else")
			}
		})
	}
}

func TestDialLimitsMessages(t *testing.T) {
	addr := serve(t, "tcp", "127.0.0.1:0", answering(specOf(t, model)))
	_, lost := follow(t, addr.String(), 100)
	<-lost // not reached yet
	if err := <-lost; !strings.Contains(err.Error(), "ResourceExhausted") {
		t.Errorf("lost: %v, want RESOURCE_EXHAUSTED", err)
	}
}

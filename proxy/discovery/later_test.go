// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	kalix "github.com/kairn-dev/kairn/proto/kalix/protocol"
	"github.com/kairn-dev/kairn/proxy/discovery"
)

// A laterFunction is a user function of a generation after Cloudstate. It keeps
// what it is asked.
type laterFunction struct {
	kalix.UnimplementedDiscoveryServer
	spec *kalix.Spec

	mu    sync.Mutex // protects what follows
	sick  bool
	calls []string
	infos []*kalix.ProxyInfo
}

func (f *laterFunction) called(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
}

// take returns what was called since it was last asked.
func (f *laterFunction) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *laterFunction) fallSick(sick bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sick = sick
}

func (f *laterFunction) Discover(_ context.Context, info *kalix.ProxyInfo) (*kalix.Spec, error) {
	f.mu.Lock()
	f.infos = append(f.infos, info)
	f.mu.Unlock()
	if info.GetProtocolMajorVersion() == 0 && info.GetProtocolMinorVersion() == 0 {
		f.called("probe")
		return &kalix.Spec{ServiceInfo: f.spec.GetServiceInfo()}, nil
	}
	f.called("discover")
	return f.spec, nil
}

func (f *laterFunction) ReportError(_ context.Context, e *kalix.UserFunctionError) (*emptypb.Empty, error) {
	f.called("report " + e.GetMessage())
	return new(emptypb.Empty), nil
}

func (f *laterFunction) HealthCheck(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	f.called("health")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sick {
		return nil, status.Error(codes.Internal, "unwell")
	}
	return new(emptypb.Empty), nil
}

func (f *laterFunction) ProxyTerminated(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	f.called("terminated")
	return new(emptypb.Empty), nil
}

// startLater starts a process of f, which speaks Kalix, or Akka Serverless.
func (w *world) startLater(f *laterFunction, akka bool) {
	lis := w.listen()
	w.srv = grpc.NewServer()
	desc := kalix.Discovery_ServiceDesc
	if akka {
		desc.ServiceName = "akkaserverless.protocol.Discovery"
	}
	w.srv.RegisterService(&desc, f)
	srv := w.srv
	w.serving.Go(func() { _ = srv.Serve(lis) })
}

// laterSpec serves an action.
func laterSpec(t *testing.T, typ string, major, minor int32) *kalix.Spec {
	t.Helper()
	return &kalix.Spec{
		Proto:       specOf(t, model).GetProto(),
		ServiceInfo: &kalix.ServiceInfo{ServiceName: "fn", ProtocolMajorVersion: major, ProtocolMinorVersion: minor},
		Components:  []*kalix.Component{{ComponentType: typ, ServiceName: model}},
	}
}

func wantCalls(t *testing.T, f *laterFunction, want ...string) {
	t.Helper()
	if got := f.take(); !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// TestLaterFunction is probed, discovered once, and told when the proxy ends.
func TestLaterFunction(t *testing.T) {
	for name, tt := range map[string]struct {
		akka         bool
		typ          string
		major, minor int32
		supported    []string
	}{
		"Kalix": {false, "kalix.component.action.Actions", 1, 1, []string{
			"kalix.component.eventsourcedentity.EventSourcedEntities", "kalix.component.action.Actions",
		}},
		"Akka Serverless": {true, "akkaserverless.component.action.Actions", 0, 7, []string{
			"akkaserverless.component.eventsourcedentity.EventSourcedEntities", "akkaserverless.component.action.Actions",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &laterFunction{spec: laterSpec(t, tt.typ, tt.major, tt.minor)}
			inWorldWith(t, discovery.Config{ProxyPort: 9001}, func(w *world) {
				w.startLater(f, tt.akka)
				w.want(notYet, found)
				wantCalls(w.T, f, "probe", "discover")
				want := &kalix.ProxyInfo{
					ProtocolMajorVersion: tt.major, ProtocolMinorVersion: tt.minor, ProxyName: "kairn-proxy", ProxyVersion: "1.2.3",
					SupportedEntityTypes: tt.supported,
					ProxyHostname:        "127.0.0.1", InternalProxyHostname: "127.0.0.1", ProxyPort: 9001,
				}
				if got := f.infos[1]; !proto.Equal(got, want) {
					w.Errorf("discover(%v), want %v", got, want)
				}
				if w.log.count("user function answered", "dialect="+name[:4]) == 0 && w.log.count(`dialect="`+name) == 0 {
					w.Errorf("log:\n%s", &w.log)
				}
				w.pass(25 * time.Second)
				wantCalls(w.T, f, "health", "health")
				w.want()
			})
			wantCalls(t, f, "terminated")
		})
	}
}

func TestLaterFunctionThatGoesAwayIsNotToldSo(t *testing.T) {
	f := &laterFunction{spec: laterSpec(t, "kalix.component.action.Actions", 1, 1)}
	inWorld(t, func(w *world) {
		w.startLater(f, false)
		w.want(notYet, found)
		w.kill()
		w.want(gone)
		wantCalls(w.T, f, "probe", "discover")
		w.start(answering(specOf(w.T, model))) // now of another generation
		w.pass(time.Second)
		w.want(found)
	})
	wantCalls(t, f)
}

// TestLaterFunctionOfUnknownVersion is not discovered: it would wait for the end
// of a proxy that doesn't serve it.
func TestLaterFunctionOfUnknownVersion(t *testing.T) {
	f := &laterFunction{spec: laterSpec(t, "kalix.component.action.Actions", 2, 0)}
	inWorld(t, func(w *world) {
		w.startLater(f, false)
		w.want(notYet, "lost: user function is not available: protocol version 2.0 is not supported; ...")
		wantCalls(w.T, f, "probe", "report protocol version 2.0 is not supported; supported is 1.0 and later minor versions")
		w.pass(time.Hour)
		wantCalls(w.T, f)
	})
}

func TestViewIsRefused(t *testing.T) {
	f := &laterFunction{spec: laterSpec(t, "kalix.component.view.Views", 1, 1)}
	inWorld(t, func(w *world) {
		const problem = "service " + model + " is a view, which queries what other components have stored: this is not supported"
		w.startLater(f, false)
		w.want(notYet, "lost: user function is not available: "+problem)
		wantCalls(w.T, f, "probe", "discover", "report "+problem)
	})
	wantCalls(t, f, "terminated")
}

// TestSickFunction is lost when it has not answered three times in a row, and
// found when it does.
func TestSickFunction(t *testing.T) {
	f := &laterFunction{spec: laterSpec(t, "kalix.component.action.Actions", 1, 1)}
	inWorld(t, func(w *world) {
		w.startLater(f, false)
		w.want(notYet, found)
		f.fallSick(true)
		w.pass(21 * time.Second)
		w.want()
		f.fallSick(false)
		w.pass(10 * time.Second)
		f.fallSick(true)
		w.pass(20 * time.Second)
		w.want()
		w.pass(40 * time.Second)
		w.want("lost: user function is not available: health check: Internal: unwell")
		f.fallSick(false)
		w.pass(10 * time.Second)
		w.want(found)
		if w.log.count("level=WARN", "not healthy") != 1 || w.log.count("healthy again") != 1 {
			w.Errorf("log:\n%s", &w.log)
		}
	})
}

// TestFunctionOfNoGeneration has a server at the port that knows none of the
// questions.
func TestFunctionOfNoGeneration(t *testing.T) {
	inWorld(t, func(w *world) {
		lis := w.listen()
		w.srv = grpc.NewServer()
		srv := w.srv
		w.serving.Go(func() { _ = srv.Serve(lis) })
		w.want(notYet, "lost: user function is not available: discover: Unimplemented: unknown service cloudstate.EntityDiscovery")
	})
}

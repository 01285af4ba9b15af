// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// bubble runs s without a network, so within a synctest bubble. The bubble
// fails if a goroutine is left over.
func bubble(t *testing.T, s *GRPC, options ...grpc.DialOption) (c *grpc.ClientConn, stop context.CancelFunc, ended <-chan error) {
	listener := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(t.Context())
	end := make(chan error, 1)
	go func() { end <- s.Run(ctx, listener) }()
	c = dial(t, "bufconn", append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return listener.DialContext(ctx)
	}))...)
	return c, stop, end
}

func TestRunFinishesTheCallsThatItHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := make(chan func(entity.Answer), 1)
		c, stop, ended := bubble(t, newTestGRPC(t, submit(func(_ entity.Call, done func(entity.Answer)) { taken <- done }), Options{}))
		defer c.Close()
		replied := make(chan error, 1)
		go func() {
			_, err := do(t.Context(), c, nil)
			replied <- err
		}()
		done := <-taken
		stop()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Run has ended before the call: %v", err)
		default:
		}
		if _, err := do(t.Context(), c, nil); err == nil {
			t.Error("a call was taken while stopping")
		}
		done(entity.Answer{})
		if err := <-replied; err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestRunCutsCallsOffAfterTheDrainTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := make(chan (<-chan struct{}), 1)
		s := newTestGRPC(t, submit(func(call entity.Call, _ func(entity.Answer)) { taken <- call.Done }), Options{Drain: time.Minute})
		c, stop, ended := bubble(t, s)
		defer c.Close()
		replied := make(chan error, 1)
		var trailer metadata.MD
		go func() {
			_, err := do(t.Context(), c, nil, grpc.Trailer(&trailer))
			replied <- err
		}()
		gone := <-taken
		start := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("Run took %v to end", d)
		}
		<-gone
		wantStatus(t, <-replied, codes.Unavailable, ErrCutOff.Error())
		if got := trailer.Get("kairn-outcome"); len(got) != 1 || got[0] != "unknown" {
			t.Errorf("trailer %v: the function may still have the call", trailer)
		}
	})
}

func TestStreamsOfOurOwnDontHoldRunUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop, ended := bubble(t, newTestGRPC(t, submit(echo), Options{Drain: time.Hour}))
		defer c.Close()
		watch, err := healthpb.NewHealthClient(c).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		reflect, err := reflectionpb.NewServerReflectionClient(c).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("Run took %v to end", d)
		}
		_, err = reflect.Recv()
		wantStatus(t, err, codes.Unavailable, "the proxy is stopping")
		for err = nil; err == nil; {
			_, err = watch.Recv()
		}
		wantStatus(t, err, codes.Unavailable, "the proxy is stopping")
	})
}

func TestIdleConnectionIsTakenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop, ended := bubble(t, newTestGRPC(t, submit(echo), Options{}), grpc.WithIdleTimeout(0))
		start := time.Now()
		if _, err := do(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()                                       // the call may be over before the client says that it is ready
		c.WaitForStateChange(t.Context(), connectivity.Ready) // until the fake clock has moved far enough
		if d := time.Since(start); c.GetState() != connectivity.Idle || d < maxConnectionIdle {
			t.Errorf("the client is %v after %v", c.GetState(), d)
		}
		c.Close()
		stop()
		<-ended
	})
}

// A broken listener fails once it is asked to accept.
type brokenListener struct{ net.Listener }

func (brokenListener) Accept() (net.Conn, error) { return nil, errSome }

func TestRunEndsWhenAListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := bufconn.Listen(1), brokenListener{bufconn.Listen(1)}
		err := newTestGRPC(t, submit(echo), Options{}).Run(t.Context(), good, bad)
		if !errors.Is(err, errSome) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestHealthFollowsServingAndTheCatalogue(t *testing.T) {
	var catalogue atomic.Pointer[route.Catalogue]
	s := NewGRPC(slog.New(slog.DiscardHandler), func() (*route.Catalogue, error) {
		if c := catalogue.Load(); c != nil {
			return c, nil
		}
		return nil, errSome
	}, submit(echo), streamFunc(noStreams), Options{})
	health := healthpb.NewHealthClient(connect(t, s))

	const (
		unknown = healthpb.HealthCheckResponse_SERVICE_UNKNOWN // as NOT_FOUND
		not     = healthpb.HealthCheckResponse_NOT_SERVING
		serving = healthpb.HealthCheckResponse_SERVING
	)
	check := func(when, service string, want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		resp, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if want == unknown {
			wantStatus(t, err, codes.NotFound, "")
		} else if err != nil || resp.GetStatus() != want {
			t.Errorf("%s: %q is %v, %v, want %v", when, service, resp.GetStatus(), err, want)
		}
	}
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "test.A"})
	if err != nil {
		t.Fatal(err)
	}
	watched := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if resp, err := watch.Recv(); err != nil || resp.GetStatus() != want {
			t.Errorf("watched %v, %v, want %v", resp.GetStatus(), err, want)
		}
	}
	watched(unknown)

	check("at first", "", not)
	check("at first", "test.A", unknown)
	s.SetServing(true)
	check("without a catalogue", "", not)

	catalogue.Store(catalogueOf(t, "A", "B"))
	s.SetServing(true)
	watched(serving)
	for _, name := range []string{"", "test.A", "test.B"} {
		check("served", name, serving)
	}
	s.SetServing(false)
	watched(not)
	for _, name := range []string{"", "test.A", "test.B"} {
		check("not ready", name, not)
	}
	catalogue.Store(catalogueOf(t, "B"))
	s.SetServing(true)
	watched(unknown)
	check("replaced", "test.A", unknown)
	check("replaced", "test.B", serving)
	list, err := health.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil || len(list.GetStatuses()) != 2 {
		t.Errorf("listed %v, %v", list, err)
	}
	catalogue.Store(nil)
	s.SetServing(true)
	check("lost", "test.B", not)
	check("lost", "", not)
}

func TestReflectionListsTheServicesOfTheFunction(t *testing.T) {
	stream, err := reflectionpb.NewServerReflectionClient(connect(t, newTestGRPC(t, submit(echo), Options{}))).
		ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	got := resp.GetListServicesResponse().GetService()
	if len(got) != 2 || got[1].GetName() != "test.Things" {
		t.Errorf("got %v", got)
	}
}

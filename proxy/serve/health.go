// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"maps"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health knows what the clients of grpc.health.v1 are told.
type health struct {
	*grpchealth.Server

	mu     sync.Mutex          // protects served, and the order of changes
	served map[string]struct{} // the services of the last catalogue
}

func newHealth() *health {
	h := &health{Server: grpchealth.NewServer(), served: make(map[string]struct{})}
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	return h
}

// set gives the status of the proxy and of these services. Others that were
// served before are unknown from now on.
func (h *health) set(serving bool, services []string) {
	h.mu.Lock()
	defer h.mu.Unlock()

	gone := h.served
	h.served = make(map[string]struct{}, len(services))
	for _, name := range services {
		h.served[name] = struct{}{}
		delete(gone, name)
	}
	for name := range gone {
		h.SetServingStatus(name, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
	}
	h.setServed(serving)
}

// pause says that nothing is served, without saying what there might be.
func (h *health) pause() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.setServed(false)
}

// setServed sets the status of all that is served. It needs h.mu.
func (h *health) setServed(serving bool) {
	s := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		s = healthpb.HealthCheckResponse_SERVING
	}
	for name := range h.served {
		h.SetServingStatus(name, s)
	}
	h.SetServingStatus("", s)
}

// stop says NOT_SERVING for good.
func (h *health) stop() { h.Shutdown() }

// Check is what the protocol wants of a service that isn't served any more:
// only watchers are told SERVICE_UNKNOWN.
func (h *health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	resp, err := h.Server.Check(ctx, r)
	if resp.GetStatus() == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return resp, err
}

// List leaves out the services that aren't served any more.
func (h *health) List(ctx context.Context, r *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	resp, err := h.Server.List(ctx, r)
	maps.DeleteFunc(resp.GetStatuses(), func(_ string, s *healthpb.HealthCheckResponse) bool {
		return s.GetStatus() == healthpb.HealthCheckResponse_SERVICE_UNKNOWN
	})
	return resp, err
}

// watched is health with watchers that don't keep the server from stopping.
type watched struct {
	*health
	stopping <-chan struct{}
}

// Watch tells the watcher at the end that nothing is served, and sends it away.
func (w *watched) Watch(r *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-w.stopping:
		case <-ctx.Done():
		}
	}()
	err := w.health.Watch(r, &watchStream{ServerStream: stream, ctx: ctx})
	select {
	case <-w.stopping:
	default:
		return err
	}
	last := &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}
	if err := stream.Send(last); err != nil {
		return err
	}
	return status.Error(codes.Unavailable, "the proxy is stopping")
}

// A watchStream is a stream that ends with ctx.
type watchStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream is asked for its context
}

func (s *watchStream) Context() context.Context { return s.ctx }

func (s *watchStream) Send(m *healthpb.HealthCheckResponse) error { return s.SendMsg(m) }

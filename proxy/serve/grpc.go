// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // registers the compression
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve/reflection"
)

const (
	streamWorkers     = 256 // measured: saves a tenth of the CPU per call
	maxHeaderBytes    = 64 << 10
	streamWindow      = 64 << 10 // static: a window that grows lets clients fill the memory
	connWindow        = 1 << 20
	handshakeTime     = 20 * time.Second
	pingAfter         = time.Minute
	pingTimeout       = 20 * time.Second
	minClientPing     = 10 * time.Second
	maxConnectionIdle = 30 * time.Minute
	lastWords         = 500 * time.Millisecond // for calls that are cut off to be told
)

// A Submitter carries calls out.
type Submitter interface {
	// Submit starts the call and never blocks. Done is called exactly once,
	// from any goroutine, perhaps before Submit returns, and must not block
	// either; it never does here. The bytes of the answer belong to the edge
	// from then on, those of the call to the Submitter.
	Submit(call entity.Call, done func(entity.Answer))
}

// A Streamer carries out calls that are streamed, and calls of actions.
type Streamer interface {
	// Stream carries out the call and returns when it has ended; ctx ends it.
	// A request of one message is in the call, one of many comes from client.
	// The messages of client are the Streamer's, to read.
	Stream(ctx context.Context, call entity.Call, client entity.Exchange) error
}

// Options says how a GRPC serves. The zero value of a field stands for its
// default.
type Options struct {
	// MaxReceive is how many bytes a request message may have, decompressed;
	// 4 MiB by default.
	MaxReceive int

	// MaxCalls is how many calls one connection may carry at once; 10,000 by
	// default.
	MaxCalls uint32

	// Drain is how long Run waits for running calls at its end; 10 s by
	// default.
	Drain time.Duration
}

// GRPC serves the user function's services, health and reflection.
type GRPC struct {
	log       *slog.Logger
	catalogue func() (*route.Catalogue, error)
	submitter Submitter
	streamer  Streamer
	options   Options
	health    *health
	own       ownServices
	stopping  chan struct{} // closed when Run begins to end
	exchanges sync.Pool     // of *exchange
	clients   sync.Pool     // of *client
	streams   *streams
}

// NewGRPC returns a GRPC that finds the methods to serve in the catalogue of
// the moment, or the reason why there is none. Catalogue is called for each
// call. Health says NOT_SERVING until SetServing is called.
func NewGRPC(log *slog.Logger, catalogue func() (*route.Catalogue, error), to Submitter, streamer Streamer, o Options) *GRPC {
	o.MaxReceive = cmp.Or(o.MaxReceive, 4<<20)
	o.MaxCalls = cmp.Or(o.MaxCalls, 10_000)
	o.Drain = cmp.Or(o.Drain, 10*time.Second)
	s := &GRPC{
		log:       log,
		catalogue: catalogue,
		submitter: to,
		streamer:  streamer,
		options:   o,
		health:    newHealth(),
		own:       ownServices{},
		stopping:  make(chan struct{}),
		streams:   newStreams(),
	}
	s.exchanges.New = func() any { return s.streams.newExchange() }
	s.register(s.own)
	return s
}

// register adds the services of the proxy's own.
func (s *GRPC) register(to grpc.ServiceRegistrar) {
	healthpb.RegisterHealthServer(to, &watched{health: s.health, stopping: s.stopping})
	reflection.Register(to, s.schema, s.stopping)
}

// SetServing tells the clients of health whether the proxy as a whole and each
// service of the catalogue are served. Call it when that, or the catalogue, has
// changed. It may be called at any time, before Run too.
func (s *GRPC) SetServing(ok bool) {
	services, _, err := s.schema()
	if err != nil {
		s.health.pause()
		return
	}
	s.health.set(ok, services)
}

// Run serves on the listeners until ctx is done or one of them fails, then
// finishes the calls that run and returns. It closes the listeners. It may be
// called once.
func (s *GRPC) Run(ctx context.Context, listeners ...net.Listener) error {
	server := s.newServer()
	ended := make(chan error, len(listeners)) // nobody waits to tell
	for _, l := range listeners {
		go func() { ended <- server.Serve(l) }()
	}

	var errs []error
	select {
	case <-ctx.Done():
	case err := <-ended:
		errs = append(errs, err)
	}
	s.health.stop()
	close(s.stopping)
	s.drain(server)
	for len(errs) < len(listeners) {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// drain stops the server, by force if the drain time isn't enough.
func (s *GRPC) drain(server *grpc.Server) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		server.GracefulStop()
	}()
	limit := time.NewTimer(s.options.Drain)
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
		s.log.Warn("calls cut off", "after", s.options.Drain)
		s.streams.cut()
		limit.Reset(lastWords)
		select {
		case <-drained:
		case <-limit.C:
		}
		server.Stop()
		<-drained
	}
}

func (s *GRPC) newServer() *grpc.Server {
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(newRawCodec()),
		grpc.UnknownServiceHandler(s.handle),
		grpc.InTapHandle(tapped),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(s.options.MaxReceive),
		grpc.MaxConcurrentStreams(s.options.MaxCalls),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: maxConnectionIdle,
			Time:              pingAfter,
			Timeout:           pingTimeout,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             minClientPing,
			PermitWithoutStream: true,
		}),
	)
	s.register(server)
	return server
}

// schema returns the names of the services and the files they are from.
func (s *GRPC) schema() ([]string, *protoregistry.Files, error) {
	catalogue, err := s.catalogue()
	if err != nil {
		return nil, nil, err
	}
	var services []string
	for _, e := range catalogue.Entities() {
		services = append(services, e.Service)
	}
	return services, catalogue.Files(), nil
}

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
)

const (
	maxRequests       = 1000 // of one connection at once: each has a goroutine and some 14 KiB
	maxHeaderBytes    = 64 << 10
	maxHeaderFields   = 200
	streamWindow      = 64 << 10
	connWindow        = 1 << 20
	maxFrame          = 64 << 10
	headerTime        = 20 * time.Second
	writeTime         = 30 * time.Second
	pingAfter         = time.Minute
	pingTimeout       = 20 * time.Second
	maxConnectionIdle = 30 * time.Minute
	lastWords         = 500 * time.Millisecond // for requests that are cut off to say so
)

// A Config says what a Port serves.
type Config struct {
	RPC   http.Handler // calls
	REST  http.Handler // all else
	Ready func() error // why the proxy should be sent nothing, or nil

	// Certificate is what TLS shows; without it there is no TLS.
	Certificate *Certificate

	CORS  CORS
	Drain time.Duration // for requests that run at the end; 10 s by default
	Stats *Stats
}

// Stats counts requests. Its zero value is ready for use.
type Stats struct {
	GRPC, GRPCWeb, Connect, REST atomic.Int64
}

// A Port serves every protocol.
type Port struct {
	Config
	log *slog.Logger
}

// New returns a Port.
func New(log *slog.Logger, cfg Config) *Port {
	cfg.Drain = cmp.Or(cfg.Drain, 10*time.Second)
	return &Port{cfg, log}
}

// ServeHTTP serves one request.
func (p *Port) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if probe := r.Header["K-Network-Probe"]; len(probe) > 0 {
		p.answerProbe(w, r, probe[0])
		return
	}
	if origin := r.Header["Origin"]; len(origin) > 0 && p.CORS.on() {
		if p.CORS.answer(w, r, origin[0]) {
			return
		}
	}
	protocol := rpc.Of(r)
	p.Stats.count(protocol)
	if tooMuch(r) {
		refuse(w, r, protocol)
		return
	}
	if protocol == rpc.None {
		p.REST.ServeHTTP(w, r)
		return
	}
	p.RPC.ServeHTTP(w, r)
}

func (s *Stats) count(protocol rpc.Protocol) {
	switch protocol {
	case rpc.GRPC:
		s.GRPC.Add(1)
	case rpc.GRPCWeb:
		s.GRPCWeb.Add(1)
	case rpc.Connect:
		s.Connect.Add(1)
	default:
		s.REST.Add(1)
	}
}

// Run serves on l until ctx is done or it fails, then finishes the requests that
// run and returns. It closes l. It may be called once.
func (p *Port) Run(ctx context.Context, l net.Listener) error {
	whole := context.WithoutCancel(ctx)
	base, cut := context.WithCancelCause(whole)
	defer cut(nil)
	server := p.newServer(base)
	ended := make(chan error, 1)
	go func() { ended <- p.serve(server, impatient{l}) }()
	select {
	case err := <-ended:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
	}
	p.drain(whole, server, cut)
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *Port) serve(server *http.Server, l net.Listener) error {
	if p.Certificate != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// drain stops the server, by force if the drain time isn't enough.
func (p *Port) drain(ctx context.Context, server *http.Server, cut context.CancelCauseFunc) {
	if shutdown(ctx, server, p.Drain) == nil {
		return
	}
	p.log.Warn("requests cut off", "after", p.Drain)
	cut(serve.ErrCutOff)
	if shutdown(ctx, server, lastWords) != nil {
		_ = server.Close() // it only says what the listener says, which is closed already
	}
}

func shutdown(ctx context.Context, server *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return server.Shutdown(ctx)
}

func (p *Port) newServer(base context.Context) *http.Server {
	s := &http.Server{
		Handler:           p,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       maxConnectionIdle,
		MaxHeaderBytes:    2 * maxHeaderBytes, // so that those of a call can be refused in its own words
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxRequests,
			MaxReadFrameSize:              maxFrame,
			MaxReceiveBufferPerConnection: connWindow,
			MaxReceiveBufferPerStream:     streamWindow,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
			WriteByteTimeout:              writeTime,
		},
	}
	s.Protocols.SetHTTP1(true)
	if p.Certificate != nil {
		s.Protocols.SetHTTP2(true)
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.Certificate.get}
	} else {
		s.Protocols.SetUnencryptedHTTP2(true)
	}
	return s
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/port"
	"github.com/kairn-dev/kairn/proxy/serve/rest"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
	"github.com/kairn-dev/kairn/proxy/validate"
)

// lines are what the proxy listens on.
type lines struct {
	grpc, http, admin net.Listener
	certificate       *port.Certificate // of http; nil for no TLS
}

func listen(ctx context.Context, log *slog.Logger, cfg config) (l lines, err error) {
	if cfg.edge.cert != "" {
		if l.certificate, err = port.LoadCertificate(log, cfg.edge.cert, cfg.edge.key); err != nil {
			return l, err
		}
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var lc net.ListenConfig
	for _, line := range []struct {
		what, addr string
		listener   *net.Listener
	}{
		{"gRPC", cfg.edge.grpcAddr, &l.grpc},
		{"HTTP", cfg.edge.httpAddr, &l.http},
		{"the admin port", cfg.adminAddr, &l.admin},
	} {
		if *line.listener, err = lc.Listen(ctx, "tcp", line.addr); err != nil {
			return l, fmt.Errorf("serve %s: %w", line.what, err)
		}
	}
	return l, nil
}

func (l lines) close() {
	for _, listener := range []net.Listener{l.grpc, l.http, l.admin} {
		if listener != nil {
			_ = listener.Close() // nothing was served
		}
	}
}

// newEdge makes what serves clients: p.grpc and p.port, and what they have to
// know of a catalogue.
func (p *parts) newEdge(cfg config, to *router.Router, stats *port.Stats) {
	drain := cfg.shutdown * 3 / 4
	gate := validate.New(to)
	p.grpc = serve.NewGRPC(p.log, p.catalogue, gate, gate, serve.Options{MaxReceive: cfg.maxMessage, Drain: drain})
	plain := rest.New(p.log, p.catalogue, gate, gate, rest.Options{
		MaxReceive: cfg.maxMessage,
		BareErrors: cfg.edge.restErrors == textErrors,
		Origins:    cfg.edge.origins,
	})
	p.use = func(c *route.Catalogue) []string {
		wrong := plain.Use(c)
		if cfg.edge.validation {
			wrong = append(wrong, gate.Use(c)...)
		}
		return wrong
	}
	p.port = port.New(p.log, port.Config{
		RPC:   rpc.New(p.grpc, p.catalogue, rpc.Options{MaxReceive: cfg.maxMessage}),
		REST:  plain,
		Ready: p.ready,
		CORS:  port.CORS{Origins: cfg.edge.origins, Credentials: cfg.edge.credentials},
		Drain: drain,
		Stats: stats,
	})
}

// serveClients serves on both ports until ctx is done or one of them fails.
func (p *parts) serveClients(ctx context.Context, l lines) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var errs [2]error
	var work sync.WaitGroup
	work.Go(func() { defer end(); errs[0] = p.grpc.Run(ctx, l.grpc) })
	work.Go(func() { defer end(); errs[1] = p.port.Run(ctx, l.http) })
	work.Wait()
	return errors.Join(errs[:]...)
}

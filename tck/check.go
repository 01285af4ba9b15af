// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/sdk"
	"github.com/kairn-dev/kairn/tck/action"
	"github.com/kairn-dev/kairn/tck/cases"
	"github.com/kairn-dev/kairn/tck/crdt"
	"github.com/kairn-dev/kairn/tck/eventsourced"
	"github.com/kairn-dev/kairn/tck/exchange"
	"github.com/kairn-dev/kairn/tck/intercept"
	"github.com/kairn-dev/kairn/tck/model"
	"github.com/kairn-dev/kairn/tck/report"
	"github.com/kairn-dev/kairn/tck/script"
	"github.com/kairn-dev/kairn/tck/suite"
	"github.com/kairn-dev/kairn/tck/valueentity"
)

// chosen returns the cases whose numbers are in a list, all if it is empty.
func chosen(list string) ([]suite.Case, error) {
	all := cases.All()
	if list == "" {
		return all, nil
	}
	var some []suite.Case
	for number := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(c suite.Case) bool { return c.Number == strings.TrimSpace(number) })
		if i < 0 {
			return nil, fmt.Errorf("there is no case %q", number)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// left returns the cases, of which those in a list are pending.
func left(run []suite.Case, list string) ([]suite.Case, error) {
	if list == "" {
		return run, nil
	}
	out, err := chosen(list)
	for i := range run {
		if slices.ContainsFunc(out, func(c suite.Case) bool { return c.Number == run[i].Number }) {
			run[i].LeftOut = true
		}
	}
	return run, err
}

// check runs the cases and prints what becomes of each.
func check(ctx context.Context, cfg config, out, logs io.Writer) (results []report.Result, err error) {
	run, err := chosen(cfg.cases)
	if err == nil {
		run, err = left(run, cfg.except)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &parts{ctx: ctx, log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn})), failed: cancel}
	defer func() { err = errors.Join(err, p.close()) }()
	target, err := p.target(cfg, logs)
	if err != nil {
		return nil, err
	}
	r := &suite.Run{
		Target:   target,
		Barriers: []suite.Barrier{eventsourced.Barrier(), valueentity.Barrier(), action.Barrier(), crdt.Barrier()},
		Done:     printer(out),
	}
	results = r.Cases(ctx, run)
	if ctx.Err() != nil {
		return results, context.Cause(ctx)
	}
	return results, nil
}

// printer returns what prints results, with a heading for each section.
func printer(out io.Writer) func(*report.Result) {
	section := ""
	return func(r *report.Result) {
		if r.Section != section {
			section = r.Section
			fmt.Fprintf(out, "\n%s\n\n", section)
		}
		fmt.Fprint(out, "  ")
		if err := report.Line(out, r); err != nil {
			fmt.Fprintln(out, err)
		}
	}
}

// parts are what a run has started. They end with its context.
type parts struct {
	//nolint:containedctx // it is that of the run, whose only value this is
	ctx    context.Context
	log    *slog.Logger
	failed context.CancelCauseFunc // ends the run
	work   sync.WaitGroup          // what serves
	conns  []*grpc.ClientConn
	stop   func() error // stops the proxy; nil if we have not started it
}

// close ends everything and waits for that; the proxy first, since it uses the
// others. The error says that the proxy did not end well.
func (p *parts) close() error {
	var err error
	if p.stop != nil {
		err = p.stop()
	}
	p.failed(nil)
	for _, c := range p.conns {
		_ = c.Close() // fails only if closed before
	}
	p.work.Wait()
	return err
}

// target starts what the configuration asks for.
func (p *parts) target(cfg config, logs io.Writer) (*suite.Target, error) {
	address := cfg.function
	if address == "" {
		own, err := sdk.NewServer(p.log, model.Entities()...)
		if err != nil {
			return nil, err
		}
		if address, err = p.serve("127.0.0.1:0", own.Serve); err != nil {
			return nil, err
		}
	}
	target := &suite.Target{Log: exchange.NewLog(), HTTP: strings.TrimSuffix(cfg.http, "/"), StoreFails: cfg.storeFails}
	recorded, err := p.dial(address, exchange.Record(target.Log, exchange.SuiteToFunction)...)
	if err != nil {
		return nil, err
	}
	target.Function = recorded
	ctx, cancel := context.WithTimeout(p.ctx, cfg.wait)
	defer cancel()
	if cfg.proxy == "" && cfg.proxyCommand == "" {
		target.Spec, err = suite.Discover(ctx, recorded)
		return target, err
	}
	listen, err := p.between(target, cfg.listen, address)
	if err != nil {
		return nil, err
	}
	proxy := cfg.proxy
	if cfg.proxyCommand != "" {
		at, err := p.command(ctx, cfg, listen, logs)
		if err != nil {
			return nil, err
		}
		proxy = at.GRPC
		if target.HTTP == "" && at.HTTP != "" {
			target.HTTP = "http://" + at.HTTP
		}
	}
	if err := target.Discovered(ctx); err != nil {
		return nil, err
	}
	if target.Proxy, err = p.dial(proxy, exchange.Record(target.Log, exchange.ClientToProxy)...); err != nil {
		return nil, err
	}
	return target, p.ready(ctx, proxy)
}

// between starts what stands between the proxy and the function, and returns
// its address.
func (p *parts) between(target *suite.Target, listen, function string) (string, error) {
	target.Script = script.New(target.Spec)
	address, err := p.serve("127.0.0.1:0", target.Script.Serve)
	if err != nil {
		return "", err
	}
	if target.Divert, err = p.dial(address); err != nil {
		return "", err
	}
	plain, err := p.dial(function)
	if err != nil {
		return "", err
	}
	target.Between = intercept.New(target.Log, plain)
	return p.serve(listen, target.Between.Serve)
}

// serve has f serve on an address and returns it, with its port.
func (p *parts) serve(address string, f func(context.Context, net.Listener) error) (string, error) {
	var lc net.ListenConfig
	lis, err := lc.Listen(p.ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	p.work.Go(func() {
		if err := f(p.ctx, lis); err != nil {
			p.failed(err)
		}
	})
	return lis.Addr().String(), nil
}

func (p *parts) dial(address string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0))
	conn, err := grpc.NewClient("passthrough:///"+address, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	p.conns = append(p.conns, conn)
	return conn, nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/report"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// anyPort has the kernel choose.
const anyPort = "127.0.0.1:0"

// An order says how to start a target.
type order struct {
	target   string
	function string // address
	listen   string
	gogc     string // "" is what it runs with by itself, or 400
	pprof    bool
}

// startTarget starts the process of a target, whose store is empty.
func (b *bench) startTarget(g *proc.Group, o order) (*proc.Process, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	switch o.target {
	case report.Echo:
		return b.startRole(g, o, "echo")
	case report.Floor:
		return b.startRole(g, o, "floor", "-function", o.function, "-store", "pebble", "-dir", dir)
	case report.Hop:
		return b.startRole(g, o, "hop", "-function", o.function)
	case report.FloorLog:
		return b.startRole(g, o, "floor", "-function", o.function, "-store", "file", "-dir", dir)
	}
	host, port, err := net.SplitHostPort(o.function)
	if err != nil {
		return nil, err
	}
	store := "memory"
	if slices.Contains([]string{report.Kairn, report.Keyed, report.Values}, o.target) {
		store = "embedded"
	}
	program := b.proxy
	if o.target == report.Older {
		program = b.older
	}
	return g.Start(proc.Spec{Name: o.target, Path: program, Env: []string{
		"USER_FUNCTION_HOST=" + host, "USER_FUNCTION_PORT=" + port,
		"GRPC_ADDR=" + o.listen, "HTTP_ADDR=" + anyPort, "ADMIN_ADDR=" + anyPort,
		"STORE=" + store, "DATA_DIR=" + dir,
		"PPROF=" + strconv.FormatBool(o.pprof), "GOGC=" + o.gogc,
	}})
}

// startRole starts this program in a role.
func (b *bench) startRole(g *proc.Group, o order, role string, args ...string) (*proc.Process, error) {
	if o.gogc == "" {
		o.gogc = "400"
	}
	if o.listen == "" {
		o.listen = anyPort
	}
	args = append([]string{role, "-listen", o.listen, "-pprof=" + strconv.FormatBool(o.pprof)}, args...)
	return g.Start(proc.Spec{Name: role, Path: b.self, Args: args, Env: []string{"GOGC=" + o.gogc}})
}

// serviceOf returns the service that a target is called with.
func serviceOf(target string) string {
	switch target {
	case report.Values, report.MemoryValues:
		return "Values"
	case report.Actions, report.Hop:
		return "Actions"
	case report.Counters:
		return "Counters"
	}
	return "Bench"
}

// A running target has discovered its function.
type running struct {
	name     string
	proxy    *proc.Process
	function *proc.Process
	at       proc.Addresses
	samples  []report.Sample
}

// launch starts a target with a function of its own and waits until it serves.
func (b *bench) launch(ctx context.Context, g *proc.Group, o order) (*running, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	function, err := b.startRole(g, order{}, "function")
	if err != nil {
		return nil, err
	}
	at, err := function.Serving(ctx)
	if err != nil {
		return nil, err
	}
	o.function, o.listen = at.GRPC, anyPort
	proxy, err := b.startTarget(g, o)
	if err != nil {
		return nil, err
	}
	r := &running{name: o.target, proxy: proxy, function: function}
	if r.at, err = proxy.Serving(ctx); err != nil {
		return nil, err
	}
	return r, r.ready(ctx)
}

// ready waits until the proxy has discovered the function. The others have
// nothing to discover.
func (r *running) ready(ctx context.Context) error {
	if !slices.Contains(kairns, r.name) {
		return nil
	}
	for {
		code, err := get(ctx, "http://"+r.at.Admin+"/ready", nil)
		if err == nil && code == http.StatusOK {
			return nil
		}
		if wait := pause(ctx, 5*time.Millisecond); wait != nil {
			return fmt.Errorf("%s is not ready: %w", r.name, errors.Join(wait, err))
		}
	}
}

// do has a process do a job, the load generator or that of bare streams.
func do(ctx context.Context, p *proc.Process, job any) (load.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*patience, errors.New("the calls don't come to an end"))
	defer cancel()
	var result load.Result
	if err := p.Do(ctx, job, &result); err != nil {
		return result, err
	}
	if result.Err != "" {
		return result, errors.New(result.Err)
	}
	return result, nil
}

// explained returns err. If there is one, it stores what the goroutines of r
// are at, if r tells, for whoever wants to know why.
func (b *bench) explained(ctx context.Context, r *running, err error) error {
	if err == nil || r.at.Admin == "" || ctx.Err() != nil {
		return err
	}
	f, made := os.CreateTemp("", "kairn-bench-goroutines-*.txt")
	if made != nil {
		return errors.Join(err, made)
	}
	_ = f.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if got := download(ctx, "http://"+r.at.Admin+"/debug/pprof/goroutine?debug=2", f.Name()); got != nil {
		return errors.Join(err, got)
	}
	return fmt.Errorf("%w; see %s", err, f.Name())
}

// dial connects again and again without delay, to see the moment when someone
// listens.
func dial(addr string) (*grpc.ClientConn, error) {
	const again = time.Millisecond
	return grpc.NewClient("passthrough:"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: again, Multiplier: 1, MaxDelay: again},
			MinConnectTimeout: time.Second,
		}))
}

// firstReply waits until the service at addr answers.
func firstReply(ctx context.Context, addr string) error {
	return untilAnswered(ctx, addr, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := benchpb.NewBenchClient(conn).Get(ctx, &benchpb.Request{Id: "first"})
		return err
	})
}

// firstDiscovery waits until the function at addr answers.
func firstDiscovery(ctx context.Context, addr string) error {
	return untilAnswered(ctx, addr, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := cloudstate.NewEntityDiscoveryClient(conn).Discover(ctx, &cloudstate.ProxyInfo{})
		return err
	})
}

func untilAnswered(ctx context.Context, addr string, ask func(context.Context, *grpc.ClientConn) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		err := ask(ctx, conn)
		if err == nil {
			return nil
		}
		if wait := pause(ctx, time.Millisecond); wait != nil {
			return fmt.Errorf("no answer from %s: %w", addr, err)
		}
	}
}

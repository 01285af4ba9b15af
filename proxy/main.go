// SPDX-License-Identifier: Apache-2.0

// Kairn-proxy is the sidecar that keeps the state of a user function's
// entities. It speaks the Cloudstate protocol to the function and serves the
// function's own gRPC services to everybody else.
//
// This package only reads the configuration, builds the parts and waits; see
// proxy --help for the settings, and the packages below for what the parts
// promise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/kairn-dev/kairn/proxy/action"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve/port"
)

// version is set by the linker.
var version = "dev"

// What is bounded without a setting, since nobody has needed one.
const (
	maxUndecided      = 64      // commands of one instance; from the placement protocol
	maxUndecidedBytes = 1 << 20 // likewise
	maxSends          = 3
	maxRecent         = 16 // replies that an instance knows without its store
	rememberEffects   = 7 * 24 * time.Hour
	maxLoads          = 256
	maxDepth          = 64
	maxActions        = 10_000 // calls of actions that forwards and effects have led to
	effectTime        = 30 * time.Second
	maxNotices        = 64               // of events, that are carried out at once
	leaseTime         = 6 * time.Second  // from the placement protocol
	drainTime         = 10 * time.Second // likewise
	maxMoves          = 64               // likewise
	storeTime         = 5 * time.Second  // for a change of the placement, or a look at it
	unusable          = 5 * time.Second  // until a member gives its shards away whose function is lost
	grace             = 5 * time.Second  // for the function to end a half-closed stream
	farewell          = 2 * time.Second  // for the function to hear that the proxy ends
	garbage           = 400              // percent; measured: a quarter less CPU than at 100
	interrupted       = 130              // exit status after a second signal, as of a shell
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2) // the second may come before the first was looked at
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(interrupted)
	}()
	if err := dispatch(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		os.Exit(1)
	}
}

// dispatch carries out the command that args begin with, and serves if there is
// none. An error has been reported on trouble.
func dispatch(ctx context.Context, args []string, getenv func(string) string, out, trouble io.Writer) error {
	commands := map[string]func(context.Context, []string, func(string) string, io.Writer) error{
		"migrate": migrate,
	}
	if len(args) > 0 && commands[args[0]] != nil {
		err := commands[args[0]](ctx, args[1:], getenv, out)
		if err != nil {
			fmt.Fprintf(trouble, "kairn-proxy %s: %v\n", args[0], err)
		}
		return err
	}
	return run(ctx, openStore, args, getenv, trouble)
}

// run serves until ctx is done, then stops what it has started, last first. An
// error has been reported on out.
func run(ctx context.Context, open opener, args []string, getenv func(string) string, out io.Writer) error {
	cfg, err := configFrom(args, getenv, os.Stdout) // help is what was asked for
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		fmt.Fprintf(out, "kairn-proxy: these settings are wrong:\n%v\n", err)
		return err
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if limit := softLimit(memoryLimits); limit > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	log := newLogger(cfg.log, out)
	if err := serveAll(ctx, log, cfg, open); err != nil {
		log.Error("proxy failed", "err", err)
		return err
	}
	log.Info("stopped")
	return nil
}

func newLogger(l logging, out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.level}
	if l.format == "text" {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// serveAll starts the parts, waits for the end, and stops them in reverse.
func serveAll(ctx context.Context, log *slog.Logger, cfg config, open opener) error {
	lines, err := listen(ctx, log, cfg)
	if err != nil {
		return err
	}
	function := net.JoinHostPort(cfg.function.host, strconv.Itoa(cfg.function.port))
	conn, err := discovery.Dial(function, cfg.maxMessage)
	if err != nil {
		return err
	}
	defer conn.Close()

	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // one failure is enough
		}
	}
	store, err := open(ctx, log, cfg)
	if err != nil {
		return err
	}
	counted := &counters{
		Lane: &lane.Stats{}, Router: &router.Stats{}, Actions: &action.Stats{}, Outbox: &outbox.Stats{}, HTTP: &port.Stats{}, Store: store,
	}
	p := newParts(log, cfg, counted, store, conn)
	p.port.Certificate = lines.certificate
	running := p.start(ctx, fail, lines)
	tidy := begin(ctx, fail, func(ctx context.Context) error { return giveBack(ctx, counted.Router.Calls.Load) })

	log.Info("serving", "grpc", lines.grpc.Addr().String(), "http", lines.http.Addr().String(), "admin", lines.admin.Addr().String(),
		"function", function, "store", cfg.store, "version", version)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	log.Info("stopping")
	ctx = context.WithoutCancel(ctx)
	p.stop(ctx, running, cfg.shutdown)
	return errors.Join(err, tidy.stop(ctx), store.Close())
}

// SPDX-License-Identifier: Apache-2.0

// Bench measures the proxy against what is possible: go run ./hack/bench.
//
// It prints a table, judges the goals, and writes all figures as JSON to the
// file that OUT or -out names. Figures of two runs compare only if they are of
// the same machine; the ratios of one run are what to look at.
//
// # Targets
//
// All of them serve the same service to the same load generator.
//
//   - echo: the service itself, without a proxy
//   - floor: the least that a proxy on grpc-go can do and be durable, on the
//     library that the embedded store uses (package floor)
//   - floor-log: the same on a bare file
//   - kairn-memory, kairn: the proxy with the memory and the embedded store
//   - kairn-older: the proxy that -older names, with the memory store; not there
//     without it
//   - kairn-keyed: the proxy with the embedded store, each call of which has an
//     idempotency key
//   - kairn-memory-values, kairn-values: the same, called as a value entity
//   - hop: the least that a proxy on grpc-go can do for what has no state: pass
//     messages on (package hop)
//   - kairn-actions: the proxy, called as an action, which is what hop is for
//   - kairn-counters: the same, called as a CRDT entity; to be compared with
//     kairn-memory-values
//
// # What makes it fair
//
// Each target is a process of its own and has a user function of its own, the
// same program started the same way; nothing of one target can burden another
// but by time on the CPU and the disk, and while one is measured the others do
// nothing (it is waited for). All are started anew, with empty folders, for
// each scenario, and every key is called once before anything is measured.
// Then come the rounds: in each one every target has its turn, and each round
// begins with another one, so that what the machine does meanwhile meets them
// all. A turn has a lead-in that isn't counted. An error of any call ends the
// run.
//
// One load generator serves all of them, with as many connections. It, the
// function and the target share the CPUs, so operations per second say as much
// of the former as of the latter; CPU time per command is the target's alone.
// Every process runs with GOGC=400, which is the proxy's own default, and the
// gRPC servers with 256 stream workers.
//
// # The edge
//
// One proxy with the memory store is called in all ways, which take turns: gRPC
// over its own port and over the shared one, REST, and both in turn on one
// connection. What goes through the client of package http is compared with gRPC
// through it, since that client costs more than grpc-go's; REST over HTTP/1.1 is
// called with as little client as can be, one connection for each worker.
//
// # Memory of instances
//
// A target is first called as often as there will be instances, but on one key,
// so that store and heap are warm; then each instance is called once. After
// both, the garbage collector is run from outside, and when the resident memory
// no longer changes it is read. A heap keeps room for garbage in proportion to
// what lives in it, whatever that is, so a ratio depends little on GOGC as long
// as it is the same in both; but what was garbage while the calls ran counts
// too, the more the higher it is. Judged is therefore the ratio at Go's own
// default of 100; that at 400 is shown beside it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	runtime.LockOSThread() // the children live as long as the thread that starts them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, or takes the role that the first argument names: all processes
// but the proxy are this program.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if role, ok := roles[args[0]]; ok {
			return role(ctx, args[1:])
		}
	}
	cfg, err := configFrom(args, os.Getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	b, err := newBench(ctx, log, cfg)
	if err != nil {
		return err
	}
	defer b.close()
	err = b.measure(ctx)
	b.finish()
	if err != nil { // what there is until then is not lost, but is no result
		return errors.Join(err, b.show())
	}
	return errors.Join(b.show(), b.store())
}

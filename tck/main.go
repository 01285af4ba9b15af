// SPDX-License-Identifier: Apache-2.0

// Tck is the conformance suite for user functions and proxies that speak the
// Cloudstate protocol.
//
//	go run ./tck -function 127.0.0.1:8080
//
// tests a function, by speaking to it as a proxy does. Without -function, the
// function is our own (package tck/model), in this process.
//
//	go run ./tck -proxy-command "bin/kairn-proxy --store=memory"
//	go run ./tck -listen 127.0.0.1:8090 -proxy 127.0.0.1:9000 -function 127.0.0.1:8080
//
// test a proxy too, which the suite starts, or which was started with
// USER_FUNCTION_PORT=8090, so that the suite stands between it and the function.
// A proxy whose tests can make its store fail (package tck/trouble says how) is
// tested for that with -store-fails.
//
// Each case has a number, that of the reference's suite where it has such a
// case; those beyond it begin with a letter. A case that fails is followed by
// who said what to whom. Cases beyond the reference stand in sections of their own,
// whose names begin with Kairn. The last line is "N passed, N failed", the line before
// it says how many cases could not run, if any; the reason is with each. The
// exit code is 1 if a case failed, and 2 if the suite could not do its work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/kairn-dev/kairn/tck/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run returns the exit code.
func run(ctx context.Context, args []string) int {
	cfg, err := configFrom(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "tck: %v\n", err)
		return 2
	}
	results, err := check(ctx, cfg, os.Stdout, os.Stderr)
	if err = errors.Join(err, write(cfg, results)); err != nil {
		fmt.Fprintf(os.Stderr, "tck: %v\n", err)
		return 2
	}
	if err := report.Summary(os.Stdout, results); err != nil {
		return 2
	}
	if report.Count(results, report.Failed) > 0 {
		return 1
	}
	return 0
}

// write writes the reports that were asked for.
func write(cfg config, results []report.Result) error {
	var errs []error
	if cfg.json != "" {
		errs = append(errs, toFile(cfg.json, results, report.JSON))
	}
	if cfg.junit != "" {
		errs = append(errs, toFile(cfg.junit, results, report.JUnit))
	}
	return errors.Join(errs...)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/floor"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

// patience is how long anything may take that isn't measured.
const patience = 60 * time.Second

// A bench is one run of the benchmark.
type bench struct {
	config
	log     *slog.Logger
	self    string // this program, for the roles
	dir     string // for everything that is stored; removed at the end
	folders int    // made in dir
	report  report.Report
}

// newBench prepares what all measurements need.
func newBench(ctx context.Context, log *slog.Logger, cfg config) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cfg.dir, "kairn-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{config: cfg, log: log, self: self, dir: dir}
	if err := b.build(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.log.Warn("folder is left", "err", err)
	}
}

// build makes the proxy, if it is a target and not given.
func (b *bench) build(ctx context.Context) error {
	if b.proxy != "" || !slices.ContainsFunc(b.targets, func(t string) bool { return slices.Contains(kairns, t) }) {
		return nil
	}
	b.proxy = filepath.Join(b.dir, "kairn-proxy")
	b.log.Info("building the proxy")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags=grpcnotrace", "-o", b.proxy, "github.com/kairn-dev/kairn/proxy")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the proxy: %w", err)
	}
	return nil
}

// folder makes a new one.
func (b *bench) folder() (string, error) {
	b.folders++
	dir := filepath.Join(b.dir, fmt.Sprint(b.folders))
	return dir, os.Mkdir(dir, 0o700)
}

// measure measures everything that was asked for.
func (b *bench) measure(ctx context.Context) error {
	if err := b.conditions(); err != nil {
		return err
	}
	for _, s := range scenarios {
		if err := b.step(s.name, func() error { return b.throughput(ctx, s) }); err != nil {
			return err
		}
	}
	if err := b.step(instances, func() error { return b.measureInstances(ctx) }); err != nil {
		return err
	}
	if err := b.step(idle, func() error { return b.measureIdle(ctx) }); err != nil {
		return err
	}
	if err := b.step(start, func() error { return b.measureStarts(ctx) }); err != nil {
		return err
	}
	return b.step(edge, func() error { return b.measureEdge(ctx) })
}

// step does a measurement if it was asked for.
func (b *bench) step(name string, do func() error) error {
	if !slices.Contains(b.only, name) {
		return nil
	}
	b.log.Info("measuring", "what", name)
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// proxies returns the targets that are one and keep their events.
func (b *bench) proxies() []string {
	return slices.DeleteFunc(slices.Clone(b.targets), func(t string) bool {
		return t != report.Floor && t != report.Kairn
	})
}

func (b *bench) conditions() error {
	sync, err := syncMicros(b.dir)
	if err != nil {
		return err
	}
	b.report.Conditions = report.Conditions{
		Time:        time.Now().UTC().Truncate(time.Second),
		Go:          runtime.Version(),
		Platform:    runtime.GOOS + "/" + runtime.GOARCH,
		CPUs:        runtime.NumCPU(),
		Load:        loadAverage(),
		SyncMicros:  sync,
		Rounds:      b.rounds,
		Seconds:     b.window.Seconds(),
		Connections: b.conns,
		Measurements: []string{
			"load generator, function and target share the CPUs: look at ratios and at CPU time per command",
			"each target has a function process of its own; all are started anew for each scenario",
			"GOGC=400 everywhere, but for the memory of instances, which is judged at " + report.JudgedGOGC,
		},
	}
	return nil
}

// syncMicros returns the median time of appending to a file durably.
func syncMicros(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var each []float64
	block := make([]byte, 4096)
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := floor.Sync(f); err != nil {
			return 0, err
		}
		each = append(each, float64(time.Since(begin).Nanoseconds())/1e3)
	}
	return report.Median(each), nil
}

// loadAverage returns that of the last minute, as text; "?" where there is none.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	return strings.Fields(string(b))[0]
}

// finish completes the report.
func (b *bench) finish() {
	b.report.Conditions.Load += " to " + loadAverage()
	b.report.Judge()
}

// show writes the report for people.
func (b *bench) show() error { return b.report.WriteText(os.Stdout) }

// store writes the report to the file that was named, if any.
func (b *bench) store() error {
	if b.out == "" {
		return nil
	}
	f, err := os.Create(b.out)
	if err != nil {
		return err
	}
	return errors.Join(b.report.WriteJSON(f), f.Close())
}

// pause reports whether d passed before ctx was done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

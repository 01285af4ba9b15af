// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

// lead is how long a target is under load before it is measured.
const lead = 300 * time.Millisecond

// throughput measures all targets in a scenario.
func (b *bench) throughput(ctx context.Context, s scenario) error {
	var g proc.Group
	defer g.Close()
	generator, err := b.startRole(&g, order{}, "load")
	if err != nil {
		return err
	}
	var all []*running
	for _, name := range b.targets {
		if !s.has(name) {
			continue
		}
		r, err := b.launch(ctx, &g, order{target: name, pprof: true})
		if err != nil {
			return err
		}
		activate := b.job(r, s)
		activate.Each, activate.Window, activate.Streamed = 1, 0, false
		if s.method == talk {
			activate.Method = "Do"
		}
		if _, err := do(ctx, generator, activate); err != nil {
			return fmt.Errorf("%s: activating: %w", name, err)
		}
		all = append(all, r)
	}
	for round := range b.rounds {
		for i := range all {
			r := all[(i+round)%len(all)]
			if err := b.turn(ctx, generator, all, r, s); err != nil {
				return fmt.Errorf("%s: round %d: %w", r.name, round+1, b.explained(ctx, r, err))
			}
		}
		b.log.Info("measured", "what", s.name, "round", round+1)
	}
	for _, r := range all {
		series := report.NewSeries(r.name, s.name, r.samples)
		if s.method != talk {
			if series.Allocations, err = allocations(ctx, generator, r, b.job(r, s)); err != nil {
				return fmt.Errorf("%s: allocations: %w", r.name, err)
			}
		}
		b.report.Series = append(b.report.Series, series)
		if err := b.profileOf(ctx, generator, r, s); err != nil {
			return fmt.Errorf("%s: profile: %w", r.name, err)
		}
	}
	return nil
}

func (b *bench) job(r *running, s scenario) load.Job {
	return load.Job{
		Addr: r.at.GRPC, Conns: b.conns,
		Workers: s.workers, Keys: s.keys, Prefix: "key", Service: serviceOf(r.name), Method: s.method,
		Streamed: s.method == talk, Keyed: r.name == report.Keyed,
		Lead: lead, Window: b.window,
		Watch: []int{r.proxy.PID(), r.function.PID()},
	}
}

// turn measures one target once.
func (b *bench) turn(ctx context.Context, generator *proc.Process, all []*running, r *running, s scenario) error {
	if err := quiet(ctx, all); err != nil {
		return err
	}
	result, err := do(ctx, generator, b.job(r, s))
	if err != nil {
		return err
	}
	if result.Calls == 0 {
		return errors.New("no call was answered in time")
	}
	rss, err := proc.RSS(r.proxy.PID())
	if err != nil {
		return err
	}
	r.samples = append(r.samples, sampleOf(result, rss))
	return nil
}

func sampleOf(r load.Result, rss int64) report.Sample {
	each := func(d time.Duration) float64 { return micros(d) / float64(r.Calls) }
	return report.Sample{
		Ops:      float64(r.Calls) / r.Elapsed.Seconds(),
		P50:      micros(r.P50),
		P99:      micros(r.P99),
		CPU:      each(r.CPU[0]),
		Function: each(r.CPU[1]),
		Load:     each(r.Own),
		RSS:      mebi(rss),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
func mebi(bytes int64) float64       { return float64(bytes) / (1 << 20) }

// quiet waits until no target has anything left to do, such as files to
// rewrite; but not for ever.
func quiet(ctx context.Context, all []*running) error {
	const (
		look  = 50 * time.Millisecond
		idle  = 2 * time.Millisecond // of CPU time meanwhile
		tries = 40
	)
	before := time.Duration(-1 << 40)
	for range tries {
		var now time.Duration
		for _, r := range all {
			spent, err := proc.CPU(r.proxy.PID())
			if err != nil {
				return err
			}
			now += spent
		}
		if now-before < idle {
			return nil
		}
		before = now
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// profileOf stores a CPU profile of a target under load, if asked for.
func (b *bench) profileOf(ctx context.Context, generator *proc.Process, r *running, s scenario) error {
	if b.profile == "" || r.at.Admin == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	const seconds = 5
	job := b.job(r, s)
	job.Window = (seconds + 1) * time.Second
	var wg sync.WaitGroup
	var got error
	wg.Go(func() {
		name := filepath.Join(b.profile, r.name+"-"+s.name+".pprof")
		got = download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", r.at.Admin, seconds), name)
	})
	_, err := do(ctx, generator, job)
	wg.Wait()
	return errors.Join(err, got)
}

func download(ctx context.Context, url, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	code, err := get(ctx, url, f)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s: status %d", url, code)
	}
	return errors.Join(err, f.Close())
}

// get writes what url says to w, which may be nil, and returns the status.
func get(ctx context.Context, url string, w io.Writer) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if w == nil {
		w = io.Discard
	}
	_, err = io.Copy(w, resp.Body)
	return resp.StatusCode, err
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

// measureInstances measures the memory that active instances take in each
// proxy, and bare streams in a client that does nothing with them.
func (b *bench) measureInstances(ctx context.Context) error {
	for _, gogc := range []string{report.JudgedGOGC, "400"} {
		times := 3
		if gogc != report.JudgedGOGC {
			times = 1
		}
		for _, target := range append([]string{report.Bare}, b.proxies()...) {
			i := report.Instances{Target: target, GOGC: gogc, Count: b.instances}
			for range times {
				before, after, err := b.growth(ctx, target, gogc)
				if err != nil {
					return fmt.Errorf("%s: %w", target, err)
				}
				i.Before, i.After = append(i.Before, before), append(i.After, after)
			}
			b.log.Info("measured", "what", instances, "of", target, "gogc", gogc)
			b.report.Instances = append(b.report.Instances, i)
		}
	}
	return nil
}

// A crop is a process that can be made to have many instances.
type crop struct {
	proc  *proc.Process
	admin string
	warm  func() error
	grow  func() error
}

// growth returns the MiB of a target without and with instances.
func (b *bench) growth(ctx context.Context, target, gogc string) (before, after float64, err error) {
	var g proc.Group
	defer g.Close()
	sow := b.proxyCrop
	if target == report.Bare {
		sow = b.bareCrop
	}
	c, err := sow(ctx, &g, order{target: target, gogc: gogc, pprof: true})
	if err != nil {
		return 0, 0, err
	}
	if err = c.warm(); err != nil {
		return 0, 0, fmt.Errorf("warming: %w", err)
	}
	if before, err = settled(ctx, c.proc, c.admin); err != nil {
		return 0, 0, err
	}
	if err = c.grow(); err != nil {
		return 0, 0, fmt.Errorf("activating: %w", err)
	}
	after, err = settled(ctx, c.proc, c.admin)
	return before, after, err
}

func (b *bench) bareCrop(ctx context.Context, g *proc.Group, o order) (crop, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	function, err := b.startRole(g, order{}, "function")
	if err != nil {
		return crop{}, err
	}
	at, err := function.Serving(within)
	if err != nil {
		return crop{}, err
	}
	streams, err := b.startRole(g, o, "streams", "-function", at.GRPC)
	if err != nil {
		return crop{}, err
	}
	at, err = streams.Serving(within)
	open := func(n, commands int) func() error {
		return func() error {
			_, err := do(ctx, streams, load.StreamsJob{Streams: n, Commands: commands})
			return err
		}
	}
	return crop{proc: streams, admin: at.Admin, warm: open(1, b.instances), grow: open(b.instances, 1)}, err
}

func (b *bench) proxyCrop(ctx context.Context, g *proc.Group, o order) (crop, error) {
	generator, err := b.startRole(g, order{}, "load")
	if err != nil {
		return crop{}, err
	}
	r, err := b.launch(ctx, g, o)
	if err != nil {
		return crop{}, err
	}
	call := func(prefix string, keys, times int) func() error {
		return func() error {
			job := load.Job{Addr: r.at.GRPC, Conns: 1, Workers: 32, Keys: keys, Prefix: prefix, Service: serviceOf(r.name), Method: "Do", Each: times}
			_, err := do(ctx, generator, job)
			return b.explained(ctx, r, err)
		}
	}
	return crop{proc: r.proxy, admin: r.at.Admin, warm: call("one", 1, b.instances), grow: call("many", b.instances, 1)}, nil
}

// settled returns the MiB that a process has resident when that no longer
// changes. If it has an admin port, its garbage is collected first.
func settled(ctx context.Context, p *proc.Process, admin string) (float64, error) {
	if admin != "" {
		for range 2 { // pools are only emptied by the second one
			code, err := get(ctx, "http://"+admin+"/debug/pprof/heap?gc=1", nil)
			if err != nil {
				return 0, err
			}
			if code != http.StatusOK {
				return 0, fmt.Errorf("collecting garbage: status %d", code)
			}
		}
	}
	const (
		look   = 250 * time.Millisecond
		enough = 64        // looks without a change; a proxy gives memory back 10 to 12 s after its last call
		change = 128 << 10 // bytes that are none
		most   = 60_000 / 250
	)
	still, last := 0, int64(0)
	for range most {
		rss, err := proc.RSS(p.PID())
		if err != nil {
			return 0, err
		}
		still++
		if max(rss-last, last-rss) > change {
			still, last = 0, rss
		}
		if still == enough {
			break
		}
		if err := pause(ctx, look); err != nil {
			return 0, err
		}
	}
	return mebi(last), nil
}

// measureIdle measures proxies that have discovered their function.
func (b *bench) measureIdle(ctx context.Context) error {
	const times = 3
	for _, target := range b.proxies() {
		i := report.Idle{Target: target}
		for range times {
			rss, err := b.idleOnce(ctx, target)
			if err != nil {
				return fmt.Errorf("%s: %w", target, err)
			}
			i.RSS = append(i.RSS, rss)
		}
		b.report.Idle = append(b.report.Idle, i)
	}
	return nil
}

func (b *bench) idleOnce(ctx context.Context, target string) (float64, error) {
	var g proc.Group
	defer g.Close()
	r, err := b.launch(ctx, &g, order{target: target})
	if err != nil {
		return 0, err
	}
	return settled(ctx, r.proxy, "")
}

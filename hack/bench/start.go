// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

// measureStarts measures how long it takes until a proxy answers. The three
// ways to start take turns.
func (b *bench) measureStarts(ctx context.Context) error {
	for _, target := range b.proxies() {
		s := report.Start{Target: target}
		for range b.starts {
			for _, way := range []struct {
				into *[]float64
				once func(context.Context, string) (float64, error)
			}{{&s.Function, b.startFunction}, {&s.Proxy, b.startProxy}, {&s.Both, b.startBoth}} {
				ms, err := way.once(ctx, target)
				if err != nil {
					return fmt.Errorf("%s: %w", target, err)
				}
				*way.into = append(*way.into, ms)
			}
		}
		b.report.Start = append(b.report.Start, s)
	}
	return nil
}

// startFunction returns the milliseconds until a function answers.
func (b *bench) startFunction(ctx context.Context, _ string) (float64, error) {
	var g proc.Group
	defer g.Close()
	addr, err := free(ctx)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := b.startRole(&g, order{listen: addr}, "function"); err != nil {
		return 0, err
	}
	err = firstDiscovery(ctx, addr)
	return since(begin), err
}

// startProxy returns the milliseconds until a proxy answers whose function is
// up.
func (b *bench) startProxy(ctx context.Context, target string) (float64, error) {
	var g proc.Group
	defer g.Close()
	addr, err := free(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := b.startRole(&g, order{listen: addr}, "function"); err != nil {
		return 0, err
	}
	if err := firstDiscovery(ctx, addr); err != nil {
		return 0, err
	}
	return b.untilReply(ctx, &g, time.Now, target, addr)
}

// startBoth returns the milliseconds until a proxy answers that is started at
// the same time as its function.
func (b *bench) startBoth(ctx context.Context, target string) (float64, error) {
	var g proc.Group
	defer g.Close()
	addr, err := free(ctx)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := b.startRole(&g, order{listen: addr}, "function"); err != nil {
		return 0, err
	}
	return b.untilReply(ctx, &g, func() time.Time { return begin }, target, addr)
}

// untilReply starts a proxy and returns the milliseconds from begin to its
// first reply.
func (b *bench) untilReply(ctx context.Context, g *proc.Group, begin func() time.Time, target, function string) (float64, error) {
	addr, err := free(ctx)
	if err != nil {
		return 0, err
	}
	from := begin()
	if _, err := b.startTarget(g, order{target: target, function: function, listen: addr}); err != nil {
		return 0, err
	}
	err = firstReply(ctx, addr)
	return since(from), err
}

func since(t time.Time) float64 { return micros(time.Since(t)) / 1e3 }

// free returns an address that nobody listens at just now.
func free(ctx context.Context) (string, error) {
	ln, err := listen(ctx, anyPort)
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

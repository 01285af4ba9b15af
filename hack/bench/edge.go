// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

// A way is how the edge of one proxy is called.
type way struct {
	name   string
	load   string // way of the load generator
	shared bool   // whether over the shared port
}

var ways = []way{
	{report.Native, "", false},
	{report.NativeHTTP2, load.WayHTTP2, false},
	{report.Shared, "", true},
	{report.GRPCFirst, load.WayGRPCFirst, true},
	{report.RESTFirst, load.WayRESTFirst, true},
	{report.REST, load.WayREST, true},
	{report.RESTHTTP2, load.WayRESTHTTP2, true},
}

// measureEdge has one proxy, with the memory store, called in all ways, which
// take turns.
func (b *bench) measureEdge(ctx context.Context) error {
	var g proc.Group
	defer g.Close()
	generator, err := b.startRole(&g, order{}, "load")
	if err != nil {
		return err
	}
	r, err := b.launch(ctx, &g, order{target: report.Memory, pprof: true})
	if err != nil {
		return err
	}
	samples := map[string][]report.Sample{}
	for round := range b.rounds {
		for i := range ways {
			w := ways[(i+round)%len(ways)]
			if err := quiet(ctx, []*running{r}); err != nil {
				return err
			}
			r.samples = nil
			result, err := do(ctx, generator, b.edgeJob(r, w))
			if err != nil {
				return fmt.Errorf("%s: round %d: %w", w.name, round+1, b.explained(ctx, r, err))
			}
			samples[w.name] = append(samples[w.name], sampleOf(result, 0))
		}
		b.log.Info("measured", "what", edge, "round", round+1)
	}
	for _, w := range ways {
		s := report.NewSeries(w.name, report.Edge, samples[w.name])
		if s.Allocations, err = allocations(ctx, generator, r, b.edgeJob(r, w)); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		b.report.Series = append(b.report.Series, s)
	}
	return nil
}

func (b *bench) edgeJob(r *running, w way) load.Job {
	job := b.job(r, scenario{workers: 128, keys: 1000, method: "Do"})
	job.Way = w.load
	if w.shared {
		job.Addr = r.at.HTTP
	}
	return job
}

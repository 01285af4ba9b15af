// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

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
		if s.Allocations, err = b.allocations(ctx, generator, r, w); err != nil {
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

// allocations returns how many the proxy makes for a call.
func (b *bench) allocations(ctx context.Context, generator *proc.Process, r *running, w way) (float64, error) {
	const each = 10
	job := b.edgeJob(r, w)
	job.Each = each
	before, err := mallocs(ctx, r)
	if err != nil {
		return 0, err
	}
	if _, err := do(ctx, generator, job); err != nil {
		return 0, err
	}
	after, err := mallocs(ctx, r)
	return (after - before) / float64(job.Keys*each), err
}

// mallocs returns how many allocations a proxy has made, by its metrics.
func mallocs(ctx context.Context, r *running) (float64, error) {
	var page bytes.Buffer
	if _, err := get(ctx, "http://"+r.at.Admin+"/metrics", &page); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(&page)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(n, 64)
		}
	}
	return 0, fmt.Errorf("%s does not tell its allocations", r.name)
}

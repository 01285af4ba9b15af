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
)

// mallocsTotal is the metric that says how many allocations there were.
const mallocsTotal = "go_memstats_mallocs_total"

// allocations returns how many the target makes for a call of the job's.
func allocations(ctx context.Context, generator *proc.Process, r *running, job load.Job) (float64, error) {
	const calls = 10_000
	job.Each, job.Streamed = calls/job.Keys, false
	before, err := mallocs(ctx, r)
	if err != nil {
		return 0, err
	}
	if _, err := do(ctx, generator, job); err != nil {
		return 0, err
	}
	after, err := mallocs(ctx, r)
	return (after - before) / float64(job.Keys*job.Each), err
}

// mallocs returns how many allocations a target has made, by its metrics.
func mallocs(ctx context.Context, r *running) (float64, error) {
	var page bytes.Buffer
	if _, err := get(ctx, "http://"+r.at.Admin+"/metrics", &page); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(&page)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), mallocsTotal+" "); ok {
			return strconv.ParseFloat(n, 64)
		}
	}
	return 0, fmt.Errorf("%s does not tell its allocations", r.name)
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteJSON writes r for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes r for people.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.conditions(w)
	r.series(t)
	r.memory(t)
	r.starts(t)
	r.goals(t)
	return t.Flush()
}

// line writes a line of a table, whose cells end with tabs.
func line(w io.Writer, cells ...any) {
	for _, c := range cells {
		if f, ok := c.(float64); ok {
			c = figure(f)
		}
		fmt.Fprintf(w, "%v\t", c)
	}
	fmt.Fprintln(w)
}

// figure shows three digits at least.
func figure(f float64) string {
	switch {
	case f >= 100 || f <= -100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10 || f <= -10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func (r *Report) conditions(w io.Writer) {
	c := r.Conditions
	fmt.Fprintf(w, "%s, %s, %d CPUs, load average %s; fdatasync takes %s us\n", c.Go, c.Platform, c.CPUs, c.Load, figure(c.SyncMicros))
	fmt.Fprintf(w, "%d rounds of %v s, interleaved; medians; %d client connection(s)\n", c.Rounds, c.Seconds, c.Connections)
	for _, note := range c.Measurements {
		fmt.Fprintf(w, "- %s\n", note)
	}
}

func (r *Report) series(t *tabwriter.Writer) {
	scenario := ""
	for _, s := range r.Series {
		if s.Scenario != scenario {
			scenario = s.Scenario
			_ = t.Flush()
			fmt.Fprintf(t, "\n")
			if scenario != Edge {
				line(t, scenario, "ops/s", "p50 us", "p99 us", "CPU us/op", "allocations", "RSS MiB", "function us/op", "load us/op", "ops to floor", "CPU to floor")
			} else {
				line(t, scenario, "ops/s", "p50 us", "p99 us", "CPU us/op", "allocations", "function us/op", "load us/op", "ops to gRPC's port", "CPU to it")
			}
		}
		m := s.Median
		if scenario == Edge {
			line(t, s.Target, m.Ops, m.P50, m.P99, m.CPU, s.Allocations, m.Function, m.Load,
				r.to(Native, s, ops), r.to(Native, s, cpu))
			continue
		}
		line(t, s.Target, m.Ops, m.P50, m.P99, m.CPU, s.Allocations, m.RSS, m.Function, m.Load,
			r.to(Floor, s, ops), r.to(Floor, s, cpu))
	}
}

// to shows the ratio of s to base.
func (r *Report) to(base string, s Series, field func(Sample) float64) string {
	ratio, ok := r.ratio(s.Target, base, s.Scenario, field)
	if !ok || s.Target == base {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", ratio.Value, ratio.Low, ratio.High)
}

func (r *Report) memory(t *tabwriter.Writer) {
	if len(r.Instances) > 0 {
		_ = t.Flush()
		fmt.Fprintf(t, "\n")
		line(t, "active instances", "GOGC", "count", "before MiB", "after MiB", "KiB each", "times")
		for _, i := range r.Instances {
			line(t, i.Target, i.GOGC, i.Count, Median(i.Before), Median(i.After), i.Each(), len(i.After))
		}
	}
	if len(r.Idle) > 0 {
		_ = t.Flush()
		fmt.Fprintf(t, "\n")
		line(t, "idle", "RSS MiB", "times")
		for _, i := range r.Idle {
			line(t, i.Target, Median(i.RSS), len(i.RSS))
		}
	}
}

func (r *Report) starts(t *tabwriter.Writer) {
	if len(r.Start) == 0 {
		return
	}
	_ = t.Flush()
	fmt.Fprintf(t, "\n")
	line(t, "start, ms", "function alone", "proxy, function up", "both at once", "beyond the function", "times")
	for _, s := range r.Start {
		line(t, s.Target, Median(s.Function), Median(s.Proxy), Median(s.Both), s.Beyond(), len(s.Both))
	}
}

func (r *Report) goals(t *tabwriter.Writer) {
	_ = t.Flush()
	fmt.Fprintf(t, "\n")
	line(t, "goal", "limit", "measured", "rounds", "")
	for _, g := range r.Goals {
		limit, value, rounds := "<= ", "-", ""
		if g.AtLeast {
			limit = ">= "
		}
		if g.Verdict != NotMeasured {
			value = figure(g.Value)
		}
		if g.High > 0 {
			rounds = fmt.Sprintf("%.2f-%.2f", g.Low, g.High)
		}
		line(t, g.Name, limit+figure(g.Limit)+unit(g), value, rounds, string(g.Verdict))
	}
}

func unit(g Goal) string {
	if g.Unit == "ratio" {
		return ""
	}
	return " " + g.Unit
}

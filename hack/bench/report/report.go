// SPDX-License-Identifier: Apache-2.0

// Package report is what the benchmark has to say: the figures, how they stand
// to the goals, and how that is shown. It measures nothing.
//
// A figure of a target in a scenario is the median of its rounds. A ratio is
// that of two medians; its range is that of the ratios within one round, where
// both ran on the machine in about the same state.
package report

import (
	"math"
	"slices"
	"time"
)

// The targets, by the names that they have in tables and flags.
const (
	Echo     = "echo"
	Floor    = "floor"
	FloorLog = "floor-log"
	Memory   = "kairn-memory"
	Older    = "kairn-older" // an older proxy, with the memory store
	Kairn    = "kairn"
	Keyed    = "kairn-keyed"

	MemoryValues = "kairn-memory-values"
	Values       = "kairn-values"

	// Ways to call one proxy, in the scenario Edge.
	Native      = "grpc-port"       // by grpc-go, over the port for gRPC alone
	NativeHTTP2 = "grpc-port-http2" // by the client of package http
	Shared      = "shared-port"     // gRPC by grpc-go
	GRPCFirst   = "mixed-grpc-first"
	RESTFirst   = "mixed-rest-first"
	REST        = "rest"
	RESTHTTP2   = "rest-http2"

	Hop      = "hop"            // passes calls on
	Actions  = "kairn-actions"  // called as an action
	Counters = "kairn-counters" // called as a CRDT entity

	Bare = "bare-streams" // of the measurement of memory only
)

// The scenarios that goals are about.
const (
	Workers128 = "128-workers"
	Workers16  = "16-workers"
	HotKey     = "hot-key"
	Read       = "read-only"
	Edge       = "edge"
	Streams    = "streams" // both ways, a message each way at a time
)

// A Report is all figures of a run.
type Report struct {
	Conditions Conditions  `json:"conditions"`
	Series     []Series    `json:"series,omitempty"`
	Instances  []Instances `json:"instances,omitempty"`
	Idle       []Idle      `json:"idle,omitempty"`
	Start      []Start     `json:"start,omitempty"`
	Goals      []Goal      `json:"goals"`
}

// Conditions are what one must know to compare two reports.
type Conditions struct {
	Time         time.Time `json:"time"`
	Go           string    `json:"go"`
	Platform     string    `json:"platform"`
	CPUs         int       `json:"cpus"`
	Load         string    `json:"load_average"` // of the machine, at the start and at the end
	SyncMicros   float64   `json:"fdatasync_us"` // median, of 4 KiB appended to a file in the same folder
	Rounds       int       `json:"rounds"`
	Seconds      float64   `json:"seconds"`
	Connections  int       `json:"connections"`
	Measurements []string  `json:"notes"`
}

// A Sample is one round of a target in a scenario.
type Sample struct {
	Ops      float64 `json:"ops_per_second"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	CPU      float64 `json:"cpu_us_per_command"`
	Function float64 `json:"function_cpu_us_per_command"`
	Load     float64 `json:"load_cpu_us_per_command"`
	RSS      float64 `json:"rss_mib"`
}

// A Series is all rounds of a target in a scenario, in order.
type Series struct {
	Target   string   `json:"target"`
	Scenario string   `json:"scenario"`
	Median   Sample   `json:"median"`
	Rounds   []Sample `json:"rounds"`

	Allocations float64 `json:"allocations_per_command,omitempty"` // of the target
}

// NewSeries returns the series of rounds, of which there must be one at least.
func NewSeries(target, scenario string, rounds []Sample) Series {
	of := func(field func(Sample) float64) float64 {
		all := make([]float64, len(rounds))
		for i, r := range rounds {
			all[i] = field(r)
		}
		return Median(all)
	}
	return Series{Target: target, Scenario: scenario, Rounds: rounds, Median: Sample{
		Ops:      of(ops),
		P50:      of(func(s Sample) float64 { return s.P50 }),
		P99:      of(func(s Sample) float64 { return s.P99 }),
		CPU:      of(cpu),
		Function: of(func(s Sample) float64 { return s.Function }),
		Load:     of(func(s Sample) float64 { return s.Load }),
		RSS:      of(func(s Sample) float64 { return s.RSS }),
	}}
}

func ops(s Sample) float64 { return s.Ops }
func cpu(s Sample) float64 { return s.CPU }

// Instances is what many active instances cost a target in memory, each time
// that it was tried.
type Instances struct {
	Target string    `json:"target"`
	GOGC   string    `json:"gogc"`
	Count  int       `json:"count"`
	Before []float64 `json:"before_mib"`
	After  []float64 `json:"after_mib"`
}

// Each returns the KiB of one instance: the median of all tries.
func (i Instances) Each() float64 {
	each := make([]float64, len(i.After))
	for n := range each {
		each[n] = (i.After[n] - i.Before[n]) * 1024 / float64(i.Count)
	}
	return Median(each)
}

// Idle is the memory of a target that has discovered its function and has not
// been called.
type Idle struct {
	Target string    `json:"target"`
	RSS    []float64 `json:"rss_mib"`
}

// Start is how long it takes until things answer, in milliseconds from the
// start of the processes.
type Start struct {
	Target   string    `json:"target"`
	Function []float64 `json:"function_ms"` // the function alone, to its first answer to discover
	Proxy    []float64 `json:"proxy_ms"`    // the proxy, with the function up, to the first reply
	Both     []float64 `json:"both_ms"`     // both at once, to the first reply
}

// Beyond returns how much longer both take than the function alone.
func (s Start) Beyond() float64 { return Median(s.Both) - Median(s.Function) }

// Median returns the median of v, the mean of the middle two of an even
// number, and NaN of none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(v))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// find returns the series of target in scenario, and false if there is none.
func (r *Report) find(target, scenario string) (Series, bool) {
	i := slices.IndexFunc(r.Series, func(s Series) bool { return s.Target == target && s.Scenario == scenario })
	if i < 0 {
		return Series{}, false
	}
	return r.Series[i], true
}

// A Ratio is how two series stand to each other.
type Ratio struct {
	Value     float64 `json:"value"`
	Low, High float64 `json:"-"`
}

// ratio compares a field of target with that of base, and returns false if
// they weren't both measured.
func (r *Report) ratio(target, base, scenario string, field func(Sample) float64) (Ratio, bool) {
	a, ok1 := r.find(target, scenario)
	b, ok2 := r.find(base, scenario)
	if !ok1 || !ok2 {
		return Ratio{}, false
	}
	var each []float64
	for i := range min(len(a.Rounds), len(b.Rounds)) {
		each = append(each, field(a.Rounds[i])/field(b.Rounds[i]))
	}
	return Ratio{Value: field(a.Median) / field(b.Median), Low: slices.Min(each), High: slices.Max(each)}, true
}

// first returns the first of all that has the name, and false if none has.
func first[T any](all []T, name string, of func(T) string) (T, bool) {
	i := slices.IndexFunc(all, func(t T) bool { return of(t) == name })
	if i < 0 {
		var none T
		return none, false
	}
	return all[i], true
}

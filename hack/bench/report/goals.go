// SPDX-License-Identifier: Apache-2.0

package report

import "math"

// JudgedGOGC is the GOGC at which the memory of instances is compared: see
// package main for the reason.
const JudgedGOGC = "100"

// A Verdict says whether a goal was reached.
type Verdict string

// What a verdict can be.
const (
	Reached     Verdict = "reached"
	Missed      Verdict = "missed"
	NotMeasured Verdict = "not measured"
)

// A Goal is a figure that has a limit.
type Goal struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	AtLeast bool    `json:"at_least"` // else at most
	Limit   float64 `json:"limit"`
	Value   float64 `json:"value"`         // 0 if not measured
	Low     float64 `json:"low,omitempty"` // range over the rounds, of ratios only
	High    float64 `json:"high,omitempty"`
	Verdict Verdict `json:"verdict"`
}

// Judge sets the goals of r from its figures.
func (r *Report) Judge() {
	r.Goals = []Goal{
		r.compare("throughput to the floor's, 128 workers", Workers128, ops, true, 0.8),
		r.compare("proxy CPU to the floor's, 128 workers", Workers128, cpu, false, 1.3),
		r.compare("throughput to the floor's, 16 workers", Workers16, ops, true, 0.8),
		r.compare("proxy CPU to the floor's, 16 workers", Workers16, cpu, false, 1.3),
		r.compare("throughput to the floor's, hot key", HotKey, ops, true, 0.8),
		r.instances(),
		r.idle(),
		r.start(),
		r.values("value entities' throughput to event sourced, 128 workers", Values, Kairn, 0.9),
		r.values("the same with the memory store", MemoryValues, Memory, 0.9),
		r.edge("gRPC over the shared port, to the port for it", Shared, Native, ops, 0.4),
		r.edge("half of the requests REST, gRPC first, to gRPC alone by the same client", GRPCFirst, NativeHTTP2, ops, 0.4),
		r.edge("the same, REST first", RESTFirst, NativeHTTP2, ops, 0.4),
		r.edge("REST with 200 bytes of JSON, to gRPC over its port", REST, Native, ops, 0.4),
		r.edge("its proxy CPU, to that of gRPC over its port", REST, Native, cpu, 2.5),
		r.values("CRDT counters' throughput to value entities, memory store, 128 workers", Counters, MemoryValues, 0.9),
		r.actions("actions' throughput to a bare hop's, 128 workers", Workers128, ops, true, 0.85),
		r.actions("actions' proxy CPU to a bare hop's, 128 workers", Workers128, cpu, false, 1.2),
		r.actions("messages of 128 action streams to a bare hop's", Streams, ops, true, 0.8),
		r.values("throughput with idempotency keys to that without", Keyed, Kairn, 0.85),
		r.values("throughput to an older proxy's, memory store, 128 workers", Memory, Older, 0.97),
	}
}

func (r *Report) compare(name, scenario string, field func(Sample) float64, atLeast bool, limit float64) Goal {
	g := Goal{Name: name, Unit: "ratio", AtLeast: atLeast, Limit: limit}
	return r.judgeRatio(g, Kairn, Floor, scenario, field)
}

func (r *Report) values(name, target, base string, limit float64) Goal {
	return r.judgeRatio(Goal{Name: name, Unit: "ratio", AtLeast: true, Limit: limit}, target, base, Workers128, ops)
}

func (r *Report) edge(name, target, base string, field func(Sample) float64, limit float64) Goal {
	g := Goal{Name: name, Unit: "ratio", AtLeast: limit < 1, Limit: limit}
	return r.judgeRatio(g, target, base, Edge, field)
}

func (r *Report) actions(name, scenario string, field func(Sample) float64, atLeast bool, limit float64) Goal {
	g := Goal{Name: name, Unit: "ratio", AtLeast: atLeast, Limit: limit}
	return r.judgeRatio(g, Actions, Hop, scenario, field)
}

func (r *Report) judgeRatio(g Goal, target, base, scenario string, field func(Sample) float64) Goal {
	ratio, ok := r.ratio(target, base, scenario, field)
	g.Low, g.High = ratio.Low, ratio.High
	return g.judge(ratio.Value, ok)
}

func (r *Report) instances() Goal {
	g := Goal{Name: "RSS of an active instance to a bare stream's", Unit: "ratio", Limit: 1.3}
	at := func(i Instances) string { return i.Target + i.GOGC }
	kairn, ok1 := first(r.Instances, Kairn+JudgedGOGC, at)
	bare, ok2 := first(r.Instances, Bare+JudgedGOGC, at)
	if !ok1 || !ok2 {
		return g.judge(0, false)
	}
	return g.judge(kairn.Each()/bare.Each(), true)
}

func (r *Report) idle() Goal {
	g := Goal{Name: "idle RSS", Unit: "MiB", Limit: 33}
	kairn, ok := first(r.Idle, Kairn, func(i Idle) string { return i.Target })
	if !ok {
		return g.judge(0, false)
	}
	return g.judge(Median(kairn.RSS), true)
}

func (r *Report) start() Goal {
	g := Goal{Name: "start to first reply beyond the function's own start", Unit: "ms", Limit: 100}
	kairn, ok := first(r.Start, Kairn, func(s Start) string { return s.Target })
	if !ok {
		return g.judge(0, false)
	}
	return g.judge(kairn.Beyond(), true)
}

// judge returns g with its value and what that means.
func (g Goal) judge(value float64, measured bool) Goal {
	if !measured || math.IsNaN(value) || math.IsInf(value, 0) {
		g.Low, g.High, g.Verdict = 0, 0, NotMeasured
		return g
	}
	g.Value = value
	switch {
	case g.AtLeast && value >= g.Limit, !g.AtLeast && value <= g.Limit:
		g.Verdict = Reached
	default:
		g.Verdict = Missed
	}
	return g
}

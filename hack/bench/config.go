// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/report"
)

// A config is what can be said to the benchmark.
type config struct {
	rounds    int
	window    time.Duration
	conns     int
	instances int
	starts    int
	targets   []string
	only      []string // measurements
	profile   string
	dir       string
	proxy     string
	older     string // another proxy, the target report.Older; "" if there is none
	out       string
}

// A scenario is a way to call the targets.
type scenario struct {
	name    string
	workers int
	keys    int
	method  string
}

var scenarios = []scenario{
	{report.Workers128, 128, 1000, "Do"},
	{report.Workers16, 16, 1000, "Do"},
	{report.HotKey, 128, 1, "Do"},
	{report.Read, 128, 1000, "Get"},
	{report.Streams, 128, 1000, talk},
}

// talk is the method whose calls are streams both ways.
const talk = "Talk"

// has reports whether a target can be called as the scenario says, and whether
// that says anything: what has no state has no keys.
func (s scenario) has(target string) bool {
	stateless := target == report.Hop || target == report.Actions
	return s.name == report.Workers128 || stateless == (s.method == talk)
}

// The measurements that are no scenarios.
const (
	instances = "instances"
	idle      = "idle"
	start     = "start"
	edge      = "edge"
)

// kairns are the targets that are our proxy.
var kairns = []string{report.Memory, report.Older, report.Kairn, report.Keyed, report.MemoryValues, report.Values, report.Actions, report.Counters}

var targets = append([]string{report.Echo, report.Floor, report.FloorLog, report.Hop}, kairns...)

// measurements returns the names of all there are.
func measurements() []string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return append(all, instances, idle, start, edge)
}

func configFrom(args []string, getenv func(string) string) (config, error) {
	var c config
	var seconds float64
	var only, of string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&c.rounds, "rounds", 5, "rounds of each scenario")
	f.Float64Var(&seconds, "seconds", 2, "seconds that a target is measured in each round")
	f.IntVar(&c.conns, "conns", 1, "connections of the load generator")
	f.IntVar(&c.instances, "instances", 10_000, "active instances to measure memory with")
	f.IntVar(&c.starts, "starts", 20, "how often starts are measured")
	f.StringVar(&of, "targets", strings.Join(targets, ","), "what to measure")
	f.StringVar(&only, "only", strings.Join(measurements(), ","), "what to measure of it")
	f.StringVar(&c.profile, "profile", "", "folder for a CPU profile of each proxy in each scenario, taken after the rounds")
	f.StringVar(&c.dir, "dir", "", "where to make a folder for the stores; default is that for temporary files")
	f.StringVar(&c.proxy, "proxy", "", "kairn-proxy to measure; default is to build ./proxy")
	f.StringVar(&c.older, "older", "", "an older kairn-proxy, to be measured beside this one as the target "+report.Older)
	f.StringVar(&c.out, "out", getenv("OUT"), "file for all figures as JSON; default is $OUT")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.rounds < 1 || seconds <= 0 || c.conns < 1 || c.instances < 1 || c.starts < 1 {
		return c, fmt.Errorf("numbers must be above 0")
	}
	c.window = time.Duration(seconds * float64(time.Second))
	var err error
	if c.targets, err = choose(of, targets); err != nil {
		return c, fmt.Errorf("-targets: %w", err)
	}
	if c.older == "" {
		c.targets = slices.DeleteFunc(c.targets, func(t string) bool { return t == report.Older })
	}
	if c.only, err = choose(only, measurements()); err != nil {
		return c, fmt.Errorf("-only: %w", err)
	}
	return c, nil
}

// choose returns those of all that the list names, in the order of all.
func choose(list string, all []string) ([]string, error) {
	named := strings.Split(list, ",")
	for _, n := range named {
		if !slices.Contains(all, n) {
			return nil, fmt.Errorf("%q is none of %s", n, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return !slices.Contains(named, n) }), nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/hack/bench/load"
	"github.com/kairn-dev/kairn/hack/bench/report"
)

func TestConfigFrom(t *testing.T) {
	getenv := func(string) string { return "out.json" }
	c, err := configFrom([]string{"-seconds", "0.5", "-targets", "kairn,echo", "-only", "start"}, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if c.out != "out.json" || c.window != 500*time.Millisecond || c.rounds != 5 {
		t.Errorf("config %+v", c)
	}
	if want := []string{report.Echo, report.Kairn}; !slices.Equal(c.targets, want) {
		t.Errorf("targets %v, want %v", c.targets, want)
	}
	if c, err := configFrom([]string{"-older", "proxy"}, getenv); err != nil || !slices.Contains(c.targets, report.Older) {
		t.Errorf("targets %v, %v: not the older proxy", c.targets, err)
	}
	if c, err := configFrom(nil, getenv); err != nil || slices.Contains(c.targets, report.Older) {
		t.Errorf("targets %v, %v: an older proxy that is not there", c.targets, err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-targets dapr", "none of echo"},
		{"-only nothing", "none of 128-workers"},
		{"-rounds 0", "above 0"},
		{"more", "unexpected argument"},
	} {
		if _, err := configFrom(strings.Fields(tt.args), getenv); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("configFrom(%s) = %v, want %q in it", tt.args, err, tt.want)
		}
	}
}

func TestSampleIsPerCommand(t *testing.T) {
	got := sampleOf(load.Result{
		Calls: 1000, Elapsed: 2 * time.Second, P50: time.Millisecond, P99: 2 * time.Millisecond,
		CPU: []time.Duration{30 * time.Millisecond, 20 * time.Millisecond}, Own: 10 * time.Millisecond,
	}, 3<<20)
	want := report.Sample{Ops: 500, P50: 1000, P99: 2000, CPU: 30, Function: 20, Load: 10, RSS: 3}
	if got != want {
		t.Errorf("sample %+v, want %+v", got, want)
	}
}

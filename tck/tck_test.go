// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/tck/cases"
	"github.com/kairn-dev/kairn/tck/report"
	"github.com/kairn-dev/kairn/tck/suite"
)

func TestOurFunctionPassesAllModelCases(t *testing.T) {
	var out bytes.Buffer
	results, err := check(t.Context(), config{wait: time.Minute}, &out, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	all := cases.All() // some have messages of 13 MiB
	for i := range results {
		r := &results[i]
		if !slices.ContainsFunc(all, func(c suite.Case) bool { return c.Number == r.Number && c.Kind == suite.Model }) {
			if r.Status != report.Pending || r.Reason != "the proxy was not given" {
				t.Errorf("case %s is %s (%s) without a proxy", r.Number, r.Status, r.Reason)
			}
			continue
		}
		want(t, r)
	}
}

// TestOurProxyPassesAllCases has the proxy's tests be the proxy, since they have
// stores that fail on demand.
func TestOurProxyPassesAllCases(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kairn-proxy")
	args := []string{"test", "-c", "-o", binary}
	if raced() {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(args, "../proxy")...).CombinedOutput(); err != nil {
		t.Fatalf("build the proxy: %v\n%s", err, out)
	}
	for _, store := range []string{"memory", "embedded"} {
		t.Run(store, func(t *testing.T) {
			results, err := check(t.Context(), config{
				proxyCommand: binary,
				listen:       "127.0.0.1:0",
				wait:         time.Minute,
				env:          []string{"KAIRN_TEST_IS_PROXY=troubled", "STORE=" + store, "DATA_DIR=" + t.TempDir()},
				storeFails:   true,
			}, &bytes.Buffer{}, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			for i := range results {
				r := &results[i]
				want(t, r)
			}
		})
	}
}

func want(t *testing.T, r *report.Result) {
	t.Helper()
	t.Run(r.Number, func(t *testing.T) {
		if r.Status != report.Passed {
			t.Errorf("%s is %s: %s\n\n%s", r.Name, r.Status, r.Reason, r.Exchange)
		}
	})
}

// raced reports whether this test runs with the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestEveryCaseHasItsOwnNumberAndAName(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases.All() {
		if seen[c.Number] || c.Name == "" || c.Section == "" || c.Run == nil {
			t.Errorf("case %+v", c)
		}
		seen[c.Number] = true
	}
}

func TestCasesAreChosenByNumber(t *testing.T) {
	some, err := chosen("91, 72")
	if err != nil || len(some) != 2 || some[0].Number != "91" || some[1].Number != "72" {
		t.Errorf("chosen %v, %v", some, err)
	}
	if _, err := chosen("91,4711"); err == nil {
		t.Error("a case that does not exist was chosen")
	}
	if some, err = left(some, "72,1"); err != nil || some[0].LeftOut || !some[1].LeftOut {
		t.Errorf("left %v, %v", some, err)
	}
	if _, err := left(some, "4711"); err == nil {
		t.Error("a case that does not exist was left out")
	}
}

func TestAProxyThatDoesNotStartIsAnError(t *testing.T) {
	for name, command := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "nothing"),
		"exits":   "go version",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cfg := config{proxyCommand: command, listen: "127.0.0.1:0", wait: time.Minute}
			if _, err := check(ctx, cfg, t.Output(), t.Output()); err == nil || ctx.Err() != nil {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestConfigFrom(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string // part of the error
	}{
		{"", ""},
		{"-function 127.0.0.1:8080", ""},
		{"-function 127.0.0.1:8080 -listen 127.0.0.1:8090 -proxy 127.0.0.1:9000 -http http://127.0.0.1:9000", ""},
		{"-proxy 127.0.0.1:9000", "-proxy needs -listen"},
		{"-proxy 127.0.0.1:9000 -listen :8090 -proxy-command proxy", "exclude each other"},
		{"-http http://127.0.0.1:9000", "-http needs a proxy"},
		{"extra", `unexpected argument "extra"`},
		{"-nonsense", "not defined"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			_, err := configFrom(strings.Fields(tt.args), t.Output())
			if err == nil != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

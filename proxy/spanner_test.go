// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/kairn-dev/kairn/proxy/store/spannerstore/emulator"
	tck "github.com/kairn-dev/kairn/tck/model"
)

// TestStateInSpanner makes the tables, and has two proxies of a service one after
// the other, beside one of another service.
func TestStateInSpanner(t *testing.T) {
	e, err := emulator.Start(t.Context(), os.Getenv)
	if err != nil {
		if emulator.Missing(os.Stderr, "a proxy on Spanner", err, os.Getenv) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer e.Stop()
	t.Setenv(emulator.Variable, e.Host())
	name, err := e.Database(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	function, _ := startFunction(t, "127.0.0.1:0", tck.Entities()...)
	settings := []string{"--store=spanner", "--spanner-database=" + name, "--service-name=shop"}
	var out bytes.Buffer
	if err := run(t.Context(), openStore, append(settings, "--grpc-addr=127.0.0.1:0", "--http-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0"), env(), &out); err == nil ||
		!strings.Contains(err.Error(), "kairn-proxy migrate --spanner-database="+name) {
		t.Fatalf("a proxy on a database without tables ended with %v", err)
	}
	if err := dispatch(t.Context(), []string{"migrate"}, env("SPANNER_DATABASE", name), &out, &out); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	want := ""
	for range 2 {
		p := startProxy(t, function, settings...)
		p.health(t, healthpb.HealthCheckResponse_SERVING)
		for _, value := range []string{"a ", "b ", "c ", "d ", "e ", "f "} { // with a snapshot among them
			want += value
			if got, err := p.emit(t, "1", value); err != nil || got != want {
				t.Fatalf("reply %q, %v; want %q", got, err, want)
			}
		}
		if _, page := p.get(t, "/metrics"); !strings.Contains(page, "kairn_spanner_commit_calls_total") {
			t.Error("no metrics of Spanner")
		}
		if err := p.stop(); err != nil {
			t.Fatalf("stopped with %v", err)
		}
	}
	other := startProxy(t, function, "--store=spanner", "--spanner-database="+name, "--service-name=other")
	other.health(t, healthpb.HealthCheckResponse_SERVING)
	if got, err := other.emit(t, "1", ""); err != nil || got != "" {
		t.Errorf("another service has %q, %v", got, err)
	}
}

func TestSpannerNeedsADatabaseAndAName(t *testing.T) {
	_, err := configFrom([]string{"--store=spanner", "--spanner-database=kairn"}, env(), &bytes.Buffer{})
	for _, want := range []string{"--spanner-database", "--service-name"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

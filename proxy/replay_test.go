// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	model "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/sdk"
)

// A ledger counts its events. It emits as many as it is asked for, and looks now
// and then how much memory is in use.
type ledger struct {
	model.UnimplementedEventSourcedTckModelServer
	events int
	look   func()
}

func (l *ledger) apply(*model.Persisted) {
	l.events++
	if l.events%5000 == 0 {
		l.look()
	}
}

func (l *ledger) Process(ctx context.Context, in *model.Request) (*model.Response, error) {
	for _, a := range in.GetActions() {
		sdk.Emit(ctx, &model.Persisted{Value: a.GetEmit().GetValue()})
	}
	return &model.Response{Message: fmt.Sprint(l.events)}, nil
}

// TestLongJournalIsReplayedInBoundedMemory lets a new proxy bring up an instance of
// 100,000 events, 50 MB, for a function that takes its time: while it looks at the
// memory that is in use, which is the proxy's too, the proxy may run ahead.
func TestLongJournalIsReplayedInBoundedMemory(t *testing.T) {
	const events, at, bound = 100_000, 1000, 16 << 20
	var used []uint64 // since the last replay began; written by the function, which has one command at a time
	entity := sdk.EventSourced[*ledger]{
		Service:       &model.EventSourcedTckModel_ServiceDesc,
		PersistenceID: "ledger",
		New: func(string) *ledger {
			used = nil
			return &ledger{look: func() {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				used = append(used, m.HeapAlloc)
			}}
		},
		Events: []sdk.EventHandler[*ledger]{sdk.On((*ledger).apply)},
	}
	function, _ := startFunction(t, "127.0.0.1:0", entity)
	dir := t.TempDir()
	process := func(p *proxyUnderTest, emit int) string {
		t.Helper()
		in := &model.Request{Id: "a"}
		value := strings.Repeat("v", 500)
		for range emit {
			in.Actions = append(in.Actions, &model.RequestAction{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}}})
		}
		out, err := model.NewEventSourcedTckModelClient(p.grpc).Process(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return out.GetMessage()
	}
	first := startProxy(t, function, "--data-dir="+dir)
	first.health(t, healthpb.HealthCheckResponse_SERVING)
	for range events / at {
		process(first, at)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := startProxy(t, function, "--data-dir="+dir)
	second.health(t, healthpb.HealthCheckResponse_SERVING)
	if got := process(second, 0); got != fmt.Sprint(events) {
		t.Errorf("after the replay the function counts %s events, want %d", got, events)
	}
	low, high := used[0], used[0]
	for _, u := range used {
		low, high = min(low, u), max(high, u)
	}
	if len(used) != events/5000 || high-low > bound {
		t.Errorf("%d looks at the memory in use, from %d to %d MiB: more than %d apart", len(used), low>>20, high>>20, bound>>20)
	}
	t.Logf("memory in use: %d to %d KiB", low>>10, high>>10)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kairn-dev/kairn/proxy/action"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/replica"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/serve/port"
	"github.com/kairn-dev/kairn/proxy/stats"
	"github.com/kairn-dev/kairn/proxy/store/filestore"
	"github.com/kairn-dev/kairn/proxy/store/spannerstore"
)

// counters are what the parts count, for the metrics.
type counters struct {
	Lane     *lane.Stats
	Outbox   *outbox.Stats
	Router   *router.Stats
	Actions  *action.Stats
	HTTP     *port.Stats
	Live     *live.Set
	Replicas *replica.Set
	Store    store
}

// handler serves the metrics in the formats of Prometheus.
func (n *counters) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(n,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe sends nothing: which metrics there are depends on what is served.
func (n *counters) Describe(chan<- *prometheus.Desc) {}

// Collect sends what has been counted.
func (n *counters) Collect(out chan<- prometheus.Metric) {
	e := exporter{out}
	n.collectCalls(e)
	n.collectStore(e)
	active := n.Live.Active()
	for name, s := range n.Live.Stats() {
		e.gauge("instances_active", "Instances that are awake.", float64(active[name]), name)
		collectInstances(e, name, s)
		collectCommands(e, name, s)
	}
	active = n.Replicas.Active()
	for name, s := range n.Replicas.Stats() {
		e.gauge("instances_active", "Instances that are awake.", float64(active[name]), name)
		collectReplicas(e, name, s)
	}
}

func collectReplicas(e exporter, name string, s *replica.Stats) {
	e.counter("instances_activated_total", "Instances brought up.", &s.Activated, name)
	e.counter("instances_passivated_total", "Instances given up for lack of commands.", &s.Passivated, name)
	e.counter("instances_failed_total", "Instances given up for trouble.", &s.Broken, name)
	e.histogram("instance_active_seconds", "Time from activation to its end.", &s.ActiveTime, name)
	e.histogram("instance_recovery_seconds", "Time to bring an instance up.", &s.Recovery, name)
	e.counter("commands_received_total", "Commands that came.", &s.Received, name)
	e.counter("commands_completed_total", "Commands with a reply.", &s.Completed, name)
	e.counter("commands_failed_total", "Commands with an error or a refusal.", &s.Failed, name)
	e.histogram("command_total_seconds", "Time from a command's arrival to its release.", &s.Total, name)
	e.gauge("crdt_streams_open", "Streamed calls of CRDT entities that are open.", float64(s.Open.Load()), name)
	e.counter("crdt_messages_total", "Messages of streamed calls.", &s.Messages, name)
	e.counter("crdt_cancelled_total", "Streamed calls that the function was told are over.", &s.Cancelled, name)
	e.counter("crdt_deltas_total", "Changes that the function was told.", &s.Deltas, name)
}

func (n *counters) collectCalls(e exporter) {
	e.counter("calls_total", "Calls from outside.", &n.Router.Calls)
	e.protocols(n.HTTP)
	e.counter("action_calls_total", "Calls of actions that have ended.", &n.Actions.Calls)
	e.counter("action_calls_failed_total", "Calls of actions that ended with an error or a refusal.", &n.Actions.Failed)
	e.counter("action_requests_total", "Messages of calls that were sent to actions.", &n.Actions.Requests)
	e.counter("action_replies_total", "Messages that actions answered with.", &n.Actions.Replies)
	e.counter("forwards_total", "Forwards that functions asked for.", &n.Router.Forwards)
	e.counter("effects_total", "Side effects that functions asked for.", &n.Router.Effects)
	e.counter("effects_failed_total", "Side effects that could not be carried out and are not tried again.", &n.Router.EffectsFailed)
	e.gauge("outbox_rows", "Stored effects and forwards that are not done.", float64(n.Outbox.Rows.Load()))
	e.gauge("outbox_parked_rows", "Of these, those that are not tried again by themselves.", float64(n.Outbox.Parked.Load()))
	e.counter("outbox_delivered_total", "Stored effects and forwards that were carried out.", &n.Outbox.Delivered)
	e.counter("outbox_refused_total", "Of these, those that their target refused.", &n.Outbox.Refused)
	e.counter("outbox_retried_total", "Tries that failed.", &n.Outbox.Retried)
}

func (n *counters) collectStore(e exporter) {
	e.counter("commits_total", "Groups of writes brought to the store.", &n.Lane.Commits)
	e.counter("commit_writes_total", "Commands whose writes were brought to the store.", &n.Lane.Writes)
	e.counter("commit_bytes_total", "Bytes of these writes.", &n.Lane.Bytes)
	e.counter("commit_refused_total", "Writes that the store refused.", &n.Lane.Refused)
	e.counter("commit_resent_total", "Commits sent again because their outcome was unknown.", &n.Lane.Resent)
	e.histogram("commit_seconds", "Time for one commit.", &n.Lane.Duration)
	if s, ok := n.Store.(*spannerstore.Store); ok {
		m := s.Stats()
		e.counter("spanner_commit_calls_total", "Calls of Commit, those sent again included.", &m.Commits)
		e.counter("spanner_commit_aborted_total", "Calls of Commit that met another transaction.", &m.Aborted)
		e.counter("spanner_commit_failed_total", "Calls of Commit that failed otherwise.", &m.Failed)
		e.counter("spanner_violations_total", "Rows that were there and should not have been, which is a bug.", &m.Violations)
		e.counter("spanner_reads_total", "Reads.", &m.Reads)
		e.counter("spanner_beats_lost_total", "Renewals of the lease without an answer.", &m.BeatsLost)
	}
	if s, ok := n.Store.(*filestore.Store); ok {
		m := s.Metrics()
		e.gauge("store_disk_bytes", "Bytes of all files of the embedded store.", float64(m.DiskBytes))
		e.gauge("store_disk_full", "1 while writes are refused for want of room on the disk.", float64(oneIf(m.DiskFull)))
		e.gauge("store_log_bytes", "Bytes of the write-ahead log.", float64(m.LogBytes))
		e.gauge("store_memory_bytes", "Bytes of the embedded store's tables and cache in memory.", float64(m.MemoryBytes))
		e.gauge("store_compaction_debt_bytes", "Bytes that wait to be merged.", float64(m.CompactionDebt))
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func collectInstances(e exporter, name string, s *live.Stats) {
	e.counter("instances_activated_total", "Instances brought up.", &s.Activated, name)
	e.counter("instances_passivated_total", "Instances given up for lack of commands.", &s.Passivated, name)
	e.counter("instances_failed_total", "Instances given up for trouble.", &s.Broken, name)
	e.histogram("instance_active_seconds", "Time from activation to its end.", &s.ActiveTime, name)
	e.histogram("instance_recovery_seconds", "Time to bring an instance up.", &s.Recovery, name)
	e.volume("loaded_events", "Events read to bring instances up.", &s.LoadedEvents, name)
	e.volume("loaded_snapshots", "Snapshots read to bring instances up.", &s.LoadedSnapshots, name)
	e.volume("loaded_values", "Values read to bring instances up.", &s.LoadedValues, name)
}

func collectCommands(e exporter, name string, s *live.Stats) {
	e.counter("commands_received_total", "Commands that came.", &s.Received, name)
	e.counter("commands_stashed_total", "Commands that had to wait for their turn.", &s.Stashed, name)
	e.counter("commands_unstashed_total", "Commands that waited and got their turn.", &s.Unstashed, name)
	e.counter("commands_completed_total", "Commands with a reply.", &s.Completed, name)
	e.counter("commands_failed_total", "Commands with an error or a refusal.", &s.Failed, name)
	e.counter("commands_recalled_total", "Commands that were carried out before, as the store had to be asked.", &s.Recalled, name)
	e.histogram("command_stash_seconds", "Time that commands waited for their turn.", &s.StashTime, name)
	e.histogram("command_processing_seconds", "Time from the function being given a command to its answer.", &s.Processing, name)
	e.histogram("command_persist_seconds", "Time from the function's answer to the release of a command that writes.", &s.Persist, name)
	e.histogram("command_total_seconds", "Time from a command's arrival to its release.", &s.Total, name)
	e.volume("persisted_events", "Events stored.", &s.PersistedEvents, name)
	e.volume("persisted_snapshots", "Snapshots stored.", &s.PersistedSnapshots, name)
	e.volume("persisted_values", "Values stored or deleted.", &s.PersistedValues, name)
}

// An exporter sends metrics, whose names it begins with kairn_. The last
// argument of its methods is the entity, for metrics that have one.
type exporter struct{ out chan<- prometheus.Metric }

func (e exporter) desc(name, help string, entity []string) *prometheus.Desc {
	var labels []string
	if len(entity) > 0 {
		labels = []string{"entity"}
	}
	return prometheus.NewDesc("kairn_"+name, help, labels, nil)
}

func (e exporter) counter(name, help string, n *atomic.Int64, entity ...string) {
	e.out <- prometheus.MustNewConstMetric(e.desc(name, help, entity), prometheus.CounterValue, float64(n.Load()), entity...)
}

// protocols sends how many requests came over the shared port by each protocol.
func (e exporter) protocols(s *port.Stats) {
	desc := prometheus.NewDesc("kairn_http_requests_total", "Requests on the shared port.", []string{"protocol"}, nil)
	for name, n := range map[string]*atomic.Int64{"grpc": &s.GRPC, "grpc-web": &s.GRPCWeb, "connect": &s.Connect, "rest": &s.REST} {
		e.out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.Load()), name)
	}
}

func (e exporter) gauge(name, help string, v float64, entity ...string) {
	e.out <- prometheus.MustNewConstMetric(e.desc(name, help, entity), prometheus.GaugeValue, v, entity...)
}

func (e exporter) histogram(name, help string, h *stats.Histogram, entity ...string) {
	count, sum, buckets := h.Read()
	e.out <- prometheus.MustNewConstHistogram(e.desc(name, help, entity), count, sum, buckets, entity...)
}

func (e exporter) volume(name, help string, v *live.Volume, entity ...string) {
	e.counter(name+"_total", help, &v.Count, entity...)
	e.counter(name+"_bytes_total", help+" In bytes.", &v.Bytes, entity...)
}

// SPDX-License-Identifier: Apache-2.0

// Package load calls the benchmark's service, as many workers in a closed loop:
// each sends its next call when it has the answer to the last one.
//
// The calls are encoded before and the answers aren't decoded, since whatever
// the generator uses is missing to what it measures on the same machine.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/hack/bench/proc"
	"github.com/kairn-dev/kairn/hack/bench/raw"
)

// A Job says what to call.
type Job struct {
	Addr    string
	Conns   int
	Workers int
	Keys    int    // drawn from uniformly
	Prefix  string // of the keys
	Service string // such as "Bench"
	Method  string // such as "Do"
	Way     string // one of the constants; "" for gRPC by grpc-go

	// Streamed has each worker open one stream, and a call be a message of it
	// and the answer to that.
	Streamed bool

	// Keyed gives each call an idempotency key of its own.
	Keyed bool

	// Each has each key called so often, shared by the workers. Lead, Window
	// and Watch are of no use then.
	Each int

	Lead   time.Duration // load that is not counted, before
	Window time.Duration // load that is counted
	Watch  []int         // processes whose CPU time in the window is wanted
}

// A Result says how that went.
type Result struct {
	Err     string // what ended the job; the rest is not valid then
	Calls   int64  // answered in the window
	Elapsed time.Duration
	P50     time.Duration
	P99     time.Duration
	CPU     []time.Duration // of the processes of Watch, in the window
	Own     time.Duration   // CPU time of the load generator itself
}

// Run carries out a job. An error of any call ends it: a benchmark that
// counts errors as answers is fast.
func Run(ctx context.Context, job Job) Result {
	r, err := run(ctx, job)
	if err != nil {
		return Result{Err: err.Error()}
	}
	return r
}

func run(ctx context.Context, job Job) (Result, error) {
	g, err := newGenerator(job)
	if err != nil {
		return Result{}, err
	}
	var r Result
	if job.Each > 0 {
		err = g.callEach(ctx)
	} else {
		r, err = g.measure(ctx)
	}
	return r, errors.Join(err, g.close())
}

// What the workers are in.
const (
	leading int32 = iota
	counting
	stopping
)

type generator struct {
	job      Job
	method   string
	requests [][]byte // one for each key
	conns    []*grpc.ClientConn
	http     *httpCaller         // nil if conns are called
	streams  []grpc.ClientStream // one for each worker, if the job is streamed
	phase    atomic.Int32
}

// lastKey is the last idempotency key that was given out, to any job: their
// targets live longer than they.
var lastKey atomic.Int64

func newGenerator(job Job) (*generator, error) {
	g := &generator{job: job, method: "/kairn.bench." + job.Service + "/" + job.Method, streams: make([]grpc.ClientStream, job.Workers)}
	payload := make([]byte, 100)
	for k := range job.Keys {
		m := raw.AppendBytes(nil, 1, fmt.Sprintf("%s-%06d", job.Prefix, k))
		g.requests = append(g.requests, raw.AppendBytes(m, 2, payload))
	}
	if job.Way != "" {
		g.http = newHTTPCaller(job, g.requests)
		return g, nil
	}
	for range job.Conns {
		conn, err := grpc.NewClient("passthrough:"+job.Addr,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
		if err != nil {
			return nil, errors.Join(err, g.close())
		}
		g.conns = append(g.conns, conn)
	}
	return g, nil
}

func (g *generator) close() error {
	var errs []error
	if g.http != nil {
		g.http.close()
	}
	for _, c := range g.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (g *generator) call(ctx context.Context, worker, key int) error {
	if g.http != nil {
		return g.http.call(ctx, worker, key)
	}
	var reply []byte
	err := g.exchange(ctx, worker, &g.requests[key], &reply)
	if err == nil && len(reply) == 0 {
		return errors.New("empty reply")
	}
	return err
}

func (g *generator) exchange(ctx context.Context, worker int, msg, reply *[]byte) error {
	conn := g.conns[worker%len(g.conns)]
	if g.job.Keyed {
		ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", strconv.FormatInt(lastKey.Add(1), 10))
	}
	if !g.job.Streamed {
		return conn.Invoke(ctx, g.method, msg, reply)
	}
	if g.streams[worker] == nil {
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, g.method)
		if err != nil {
			return err
		}
		g.streams[worker] = s
	}
	if err := g.streams[worker].SendMsg(msg); err != nil && !errors.Is(err, io.EOF) { // RecvMsg says why
		return err
	}
	return g.streams[worker].RecvMsg(reply)
}

// callEach calls every key job.Each times, as activation and to fill.
func (g *generator) callEach(ctx context.Context) error {
	var next atomic.Int64
	last := int64(g.job.Keys * g.job.Each)
	return g.work(ctx, func(ctx context.Context, worker int) error {
		for n := next.Add(1) - 1; n < last; n = next.Add(1) - 1 {
			if err := g.call(ctx, worker, int(n)%g.job.Keys); err != nil {
				return err
			}
		}
		return nil
	})
}

// work runs the workers to their end or the first error.
func (g *generator) work(ctx context.Context, worker func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for w := range g.job.Workers {
		wg.Go(func() {
			if err := worker(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (g *generator) measure(ctx context.Context) (Result, error) {
	hists := make([]*hdrhistogram.Histogram, g.job.Workers)
	for w := range hists {
		hists[w] = newHistogram()
	}
	var result Result
	var conducted error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var conductor sync.WaitGroup
	conductor.Go(func() { conducted = g.conduct(ctx, &result) })
	worked := g.work(ctx, func(ctx context.Context, w int) error { return g.loop(ctx, w, hists[w]) })
	cancel() // the conductor, if the workers failed
	conductor.Wait()
	if err := errors.Join(worked, conducted); err != nil {
		return Result{}, err
	}
	total := newHistogram()
	for _, h := range hists {
		total.Merge(h)
	}
	result.Calls = total.TotalCount()
	result.P50 = time.Duration(total.ValueAtQuantile(50)) * time.Microsecond
	result.P99 = time.Duration(total.ValueAtQuantile(99)) * time.Microsecond
	return result, nil
}

// newHistogram counts microseconds to a minute, three digits of them.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// loop calls until it is told to stop, and counts what is answered in the
// window.
func (g *generator) loop(ctx context.Context, worker int, h *hdrhistogram.Histogram) error {
	random := rand.New(rand.NewPCG(uint64(worker), 1))
	for g.phase.Load() != stopping {
		key := random.IntN(len(g.requests))
		begin := time.Now()
		if err := g.call(ctx, worker, key); err != nil {
			return err
		}
		if g.phase.Load() == counting {
			if err := h.RecordValue(time.Since(begin).Microseconds()); err != nil {
				return err
			}
		}
	}
	return nil
}

// conduct leads the workers through their phases and reads the clocks at both
// ends of the window.
func (g *generator) conduct(ctx context.Context, r *Result) error {
	defer g.phase.Store(stopping)
	watch := append(slices.Clip(g.job.Watch), os.Getpid())
	if !wait(ctx, g.job.Lead) {
		return nil // the workers say why
	}
	before, err := clocks(watch)
	if err != nil {
		return err
	}
	begin := time.Now()
	g.phase.Store(counting)
	if !wait(ctx, g.job.Window) {
		return nil
	}
	g.phase.Store(stopping)
	r.Elapsed = time.Since(begin)
	after, err := clocks(watch)
	if err != nil {
		return err
	}
	for i := range after {
		after[i] -= before[i]
	}
	r.CPU, r.Own = after[:len(after)-1], after[len(after)-1]
	return nil
}

func clocks(pids []int) ([]time.Duration, error) {
	all := make([]time.Duration, len(pids))
	for i, pid := range pids {
		var err error
		if all[i], err = proc.CPU(pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// wait reports whether d passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proxy/dialect"
)

// A Reporter tells the user function, and the log, what it does wrong while it
// runs. It does so one by one in the background; of a flood it drops the most.
// Its methods may be called by many goroutines.
type Reporter struct {
	log     *slog.Logger
	conn    grpc.ClientConnInterface
	dialect atomic.Pointer[dialect.Dialect]
	queue   chan string  // has room for a burst
	dropped atomic.Int64 // since it was last said
}

// NewReporter returns a Reporter to the function at conn. It reports while
// [Reporter.Run] runs.
func NewReporter(log *slog.Logger, conn grpc.ClientConnInterface) *Reporter {
	r := &Reporter{log: log, conn: conn, queue: make(chan string, 64)}
	r.Speak(dialect.Cloudstate)
	return r
}

// Speak has errors reported in the dialect d from now on.
func (r *Reporter) Speak(d *dialect.Dialect) { r.dialect.Store(d) }

// ReportError leaves message to be reported, and returns at once. If too many
// are waiting, it is dropped.
func (r *Reporter) ReportError(message string) {
	select {
	case r.queue <- message:
	default:
		r.dropped.Add(1)
	}
}

// A report has reportTimeout to be taken; after it comes reportPause, so that a
// function which does something wrong in each command isn't busy with hearing
// that.
const (
	reportTimeout = 5 * time.Second
	reportPause   = 100 * time.Millisecond
)

// Run reports until ctx is done, and then returns nil.
func (r *Reporter) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-r.queue:
			r.report(ctx, message)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reportPause):
		}
	}
}

func (r *Reporter) report(ctx context.Context, message string) {
	if n := r.dropped.Swap(0); n > 0 {
		r.log.Warn("too many errors to report to the user function", "dropped", n)
	}
	r.log.Error("user function made an error", "problem", message)
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := report(ctx, r.conn, r.dialect.Load(), message); err != nil {
		r.log.Debug("user function did not take a report", "err", err)
	}
}

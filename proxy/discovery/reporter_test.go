// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/proxy/discovery"
)

// reporting runs test with a Reporter to f, or to nothing if f is nil.
func reporting(t *testing.T, f *function, test func(*discovery.Reporter, *logged)) {
	synctest.Test(t, func(t *testing.T) {
		var h host
		var log logged
		if f != nil {
			h.start(f)
		}
		conn, err := discovery.Dial("function", 0, grpc.WithContextDialer(h.dial))
		if err != nil {
			t.Fatal(err)
		}
		r := discovery.NewReporter(slog.New(slog.NewTextHandler(&log, nil)), conn)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			conn.Close()
			h.kill()
		})
		test(r, &log)
	})
}

func TestReporterReportsInOrder(t *testing.T) {
	f := answering(nil)
	reporting(t, f, func(r *discovery.Reporter, log *logged) {
		r.ReportError("one")
		r.ReportError("two")
		<-time.After(time.Second)
		if got := f.reported(); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("reports %q", got)
		}
		if log.count("level=ERROR", "problem=one") != 1 || log.count("level=ERROR", "problem=two") != 1 {
			t.Error("not all is on the log")
		}
	})
}

func TestReporterDropsAFlood(t *testing.T) {
	f := answering(nil)
	f.deaf = true
	reporting(t, f, func(r *discovery.Reporter, log *logged) {
		began := time.Now()
		for i := range 10_000 {
			r.ReportError(fmt.Sprint(i))
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the caller waited %v", d)
		}
		<-time.After(time.Hour)
		n := len(f.reported())
		if n < 10 || n > 100 {
			t.Errorf("%d reports of 10,000 errors", n)
		}
		for _, m := range regexp.MustCompile(`dropped=(\d+)`).FindAllStringSubmatch(log.String(), -1) {
			dropped, _ := strconv.Atoi(m[1])
			n += dropped
		}
		if n != 10_000 {
			t.Errorf("%d errors were reported or said to be dropped, want 10,000", n)
		}
	})
}

func TestReporterWithoutFunction(t *testing.T) {
	reporting(t, nil, func(r *discovery.Reporter, log *logged) {
		r.ReportError("one")
		<-time.After(time.Minute)
		if log.count("level=ERROR", "problem=one") != 1 {
			t.Error("it is not on the log")
		}
	})
}

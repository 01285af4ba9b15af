// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/dialect"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A Config says whom to ask and whom to tell.
type Config struct {
	// Conn is the connection to the user function, made by [Dial]. Others may
	// use it too.
	Conn         *grpc.ClientConn
	ProxyVersion string
	Supported    []string      // the entity types to offer
	ProxyPort    int           // where the function reaches the proxy on its own host; 0 if it can't
	Timeout      time.Duration // of a call; 5 s if 0
	AnyVersion   bool          // whether to accept functions of any protocol version

	// Headers says of an entity's service whether its commands carry the
	// metadata of their calls; nil is as false for all.
	Headers func(service string) bool

	// Found and Lost are called by Run, one at a time, and must not block.
	//
	// Found is called when the function has answered and all is well.
	Found func(*route.Catalogue)

	// Lost is called when the function is away or unfit, first of all when Run
	// begins, and again when the reason is another one. The reason is for
	// people, and wraps [entity.ErrUnavailable].
	Lost func(reason error)
}

// How long to wait before a call that failed is made again.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 10 * time.Second
)

// errGone is why work for a connection that was lost is given up.
var errGone = errors.New("the connection to it was lost")

// Run follows the user function until ctx is done, and then returns nil; it
// returns an error if somebody closes the connection.
func Run(ctx context.Context, log *slog.Logger, cfg Config) error {
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	f := &follower{Config: cfg, log: log}
	f.log.Info("waiting for the user function", "target", f.target())
	f.lost("it has not been reached yet")
	for {
		err := f.connect(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it is the end that was asked for
		}
		if err != nil {
			return err
		}
		f.follow(ctx)
	}
}

// wait returns after d, or when ctx is done.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A follower is the state of one Run, and owned by it.
type follower struct {
	Config
	log    *slog.Logger
	reason string // last given to Lost; "" after Found

	began time.Time     // when the last connection was begun
	pause time.Duration // before that
}

func (f *follower) target() string { return strings.TrimPrefix(f.Conn.Target(), passthrough) }

// lost tells that the function can't be used, and reports whether that or its
// reason is news.
func (f *follower) lost(reason string) bool {
	if reason == f.reason {
		return false
	}
	f.reason = reason
	f.Lost(fmt.Errorf("user function is %w: %s", entity.ErrUnavailable, reason))
	return true
}

// connect returns when the connection is ready, with an error if it never will.
func (f *follower) connect(ctx context.Context) error {
	remind := newReminder()
	for {
		state := f.Conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return errors.New("connection to the user function was closed")
		case connectivity.Idle:
			f.begin(ctx)
		}
		change, cancel := context.WithDeadline(ctx, remind.next)
		f.Conn.WaitForStateChange(change, state)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if remind.due() {
			f.log.Info("still waiting for the user function", "target", f.target(), "waited", remind.waited())
		}
	}
}

// begin begins to connect. That is done at once, but grows slower if each
// connection ends soon: grpc itself slows down only if there is none at all.
func (f *follower) begin(ctx context.Context) {
	if time.Since(f.began) > time.Second {
		f.pause = 0
	} else {
		f.pause = min(max(2*f.pause, 10*time.Millisecond), time.Second)
	}
	wait(ctx, f.pause)
	f.began = time.Now()
	f.Conn.Connect()
}

// follow asks the function and returns when the connection is lost, or ctx is
// done.
func (f *follower) follow(ctx context.Context) {
	conn, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		if f.Conn.WaitForStateChange(conn, connectivity.Ready) {
			cancel(errGone)
		}
	})
	if spec, err := f.ask(conn); err == nil {
		f.serve(conn, spec)
		f.farewell(ctx, spec.Dialect)
	}
	if ctx.Err() != nil {
		return
	}
	if f.reason == "" {
		f.log.Warn("connection to the user function lost", "target", f.target())
	}
	f.lost(errGone.Error())
}

// serve tells everybody what comes of an answer, and returns when conn is done.
func (f *follower) serve(conn context.Context, spec *dialect.Spec) {
	if c := f.judge(conn, spec); c != nil && spec.Dialect.Methods.HealthCheck != "" {
		f.checkHealth(conn, c)
	}
	<-conn.Done()
}

// ask calls discover until it is answered or conn is done.
func (f *follower) ask(conn context.Context) (*dialect.Spec, error) {
	remind := newReminder()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		spec, err := f.discover(conn)
		switch {
		case err == nil:
			return spec, nil
		case conn.Err() != nil:
			return nil, context.Cause(conn)
		}
		news := f.lost("discover: " + reasonOf(err))
		if remind.due() || news {
			f.log.Warn("user function does not answer discover", "err", err, "waited", remind.waited())
		}
		wait(conn, jitter(pause))
	}
}

// judge tells everybody what comes of an answer, and returns the catalogue if
// all is well.
func (f *follower) judge(conn context.Context, spec *dialect.Spec) *route.Catalogue {
	f.logService(spec)
	catalogue, warning, err := f.check(spec)
	if warning != "" {
		f.log.Warn(warning, "version", version(spec.Service), "supported", fmt.Sprintf("%d.%d", spec.Dialect.Major, spec.Dialect.Minor))
	}
	if err != nil {
		f.refuse(conn, spec.Dialect, problems(err))
		return nil
	}
	for _, e := range catalogue.Entities() {
		log := f.log.With("service", e.Service, "type", e.Type, "persistence_id", e.PersistenceID)
		if e.Passivation > 0 { // else it is the proxy's to say
			log = log.With("passivation", e.Passivation)
		}
		log.Info("user function serves entity")
	}
	f.reason = ""
	f.Found(catalogue)
	return catalogue
}

func (f *follower) logService(spec *dialect.Spec) {
	info := spec.Service
	f.log.Info("user function answered",
		"dialect", spec.Dialect.Name,
		"service", info.GetServiceName(),
		"service_version", info.GetServiceVersion(),
		"runtime", info.GetServiceRuntime(),
		"library", info.GetSupportLibraryName(),
		"library_version", info.GetSupportLibraryVersion(),
		"protocol", version(info))
}

func version(info *cloudstate.ServiceInfo) string {
	return fmt.Sprintf("%d.%d", info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion())
}

// refuse tells what is wrong with the function: first here, then to itself. All
// reports together have the time of one call, so that a function that doesn't
// take them holds nothing up.
func (f *follower) refuse(conn context.Context, d *dialect.Dialect, texts []string) {
	for _, text := range texts {
		f.log.Error("user function is refused", "problem", text)
	}
	f.lost(strings.Join(texts, "; "))
	ctx, cancel := context.WithTimeout(conn, f.Timeout)
	defer cancel()
	for _, text := range texts {
		if err := report(ctx, f.Conn, d, text); err != nil {
			f.log.Debug("user function did not take a report", "err", err)
		}
	}
}

// reasonOf is what a failed call says, without what only repeats itself.
func reasonOf(err error) string {
	s := status.Convert(err)
	return s.Code().String() + ": " + s.Message()
}

// jitter spreads d by a fifth to either side.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

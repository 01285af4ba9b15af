// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	_ "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proxy/discovery"
	"github.com/kairn-dev/kairn/proxy/route"
)

const (
	model = "cloudstate.tck.model.EventSourcedTckModel"
	two   = "cloudstate.tck.model.EventSourcedTwo"
)

var supported = []string{route.EventSourced, route.Action}

// specOf is the spec of a function that serves these services.
func specOf(t *testing.T, services ...string) *cloudstate.EntitySpec {
	t.Helper()
	fd, err := protoregistry.GlobalFiles.FindFileByPath("cloudstate/tck/model/eventsourced/eventsourced.proto")
	if err != nil {
		t.Fatal(err)
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(fd)}})
	if err != nil {
		t.Fatal(err)
	}
	s := &cloudstate.EntitySpec{Proto: set, ServiceInfo: &cloudstate.ServiceInfo{ServiceName: "fn", ProtocolMinorVersion: 2}}
	for _, name := range services {
		s.Entities = append(s.Entities, &cloudstate.Entity{EntityType: route.EventSourced, ServiceName: name})
	}
	return s
}

// A function is a user function that follows a script: each call of discover
// is answered by the next of answers, the last one over and over.
type function struct {
	cloudstate.UnimplementedEntityDiscoveryServer
	answers []func(context.Context) (*cloudstate.EntitySpec, error)
	deaf    bool // reportError hangs

	mu      sync.Mutex // protects what follows
	calls   int
	info    *cloudstate.ProxyInfo
	reports []string
}

func answering(specs ...*cloudstate.EntitySpec) *function {
	f := new(function)
	for _, s := range specs {
		f.answers = append(f.answers, func(context.Context) (*cloudstate.EntitySpec, error) { return s, nil })
	}
	return f
}

// after makes the function answer n times with answer first.
func (f *function) after(n int, answer func(context.Context) (*cloudstate.EntitySpec, error)) *function {
	f.answers = slices.Concat(slices.Repeat([]func(context.Context) (*cloudstate.EntitySpec, error){answer}, n), f.answers)
	return f
}

func (f *function) Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	f.mu.Lock()
	answer := f.answers[min(f.calls, len(f.answers)-1)]
	f.calls++
	f.info = info
	f.mu.Unlock()
	return answer(ctx)
}

func (f *function) ReportError(ctx context.Context, e *cloudstate.UserFunctionError) (*emptypb.Empty, error) {
	f.mu.Lock()
	f.reports = append(f.reports, e.GetMessage())
	f.mu.Unlock()
	if f.deaf {
		<-ctx.Done()
	}
	return new(emptypb.Empty), nil
}

func (f *function) discovered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *function) reported() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reports)
}

// A host is where a function may run or not, in memory.
type host struct {
	mu    sync.Mutex // protects what follows
	lis   *bufconn.Listener
	dials int

	srv     *grpc.Server
	serving sync.WaitGroup
}

func (h *host) dial(ctx context.Context, _ string) (net.Conn, error) {
	h.mu.Lock()
	h.dials++
	lis := h.lis
	h.mu.Unlock()
	if lis == nil {
		return nil, errors.New("connection refused")
	}
	return lis.DialContext(ctx)
}

func (h *host) dialed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dials
}

func (h *host) listen() *bufconn.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lis = bufconn.Listen(64 << 10)
	return h.lis
}

// start starts a process of f.
func (h *host) start(f *function) {
	lis := h.listen()
	srv := grpc.NewServer()
	cloudstate.RegisterEntityDiscoveryServer(srv, f)
	h.srv = srv
	h.serving.Go(func() { _ = srv.Serve(lis) })
}

// kill ends the process, and with it its connections.
func (h *host) kill() {
	h.mu.Lock()
	h.lis = nil
	h.mu.Unlock()
	if h.srv != nil {
		h.srv.Stop()
		h.serving.Wait()
	}
}

// A world is a bubble with a host, a Run that follows it, and what that says.
type world struct {
	*testing.T
	host
	log logged
	cfg discovery.Config

	once  sync.Once
	ended chan error // what Run returned

	mu     sync.Mutex // protects what follows
	events []string   // "found <first service>" or "lost: <reason>"
}

// inWorld runs test in a bubble. Run begins when test first looks at what
// happens, so that a function may be there before.
func inWorld(t *testing.T, test func(*world)) { inWorldWith(t, discovery.Config{}, test) }

func inWorldWith(t *testing.T, cfg discovery.Config, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, cfg: cfg, ended: make(chan error, 1)}
		conn, err := discovery.Dial("function", 0, grpc.WithContextDialer(w.dial))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			conn.Close()
			w.kill()
		})
		w.cfg.Conn, w.cfg.ProxyVersion, w.cfg.Supported = conn, "1.2.3", supported
		w.cfg.Found = func(c *route.Catalogue) { w.event("found " + c.Entities()[0].Service) }
		w.cfg.Lost = func(reason error) { w.event("lost: " + reason.Error()) }
		test(w)
	})
}

// run begins Run, which ends with the test.
func (w *world) run() {
	w.once.Do(func() {
		ctx, cancel := context.WithCancel(w.Context())
		go func() { w.ended <- discovery.Run(ctx, slog.New(slog.NewTextHandler(&w.log, nil)), w.cfg) }()
		w.Cleanup(func() {
			cancel()
			if err := <-w.ended; err != nil {
				w.Errorf("Run = %v, want nil", err)
			}
		})
	})
}

func (w *world) event(e string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// pass lets d pass, and then all happen that happens without a clock.
func (w *world) pass(d time.Duration) {
	w.run()
	<-time.After(d)
	synctest.Wait()
}

// want checks that just these events happened since it was last called. Of a
// reason only the beginning and the end need be told: "lost: ...end".
func (w *world) want(events ...string) {
	w.Helper()
	w.run()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.EqualFunc(w.events, events, func(got, want string) bool {
		head, tail, _ := strings.Cut(want, "...")
		return strings.HasPrefix(got, head) && strings.HasSuffix(got, tail)
	}) {
		w.Fatalf("events are\n\t%s\nwant\n\t%s", strings.Join(w.events, "\n\t"), strings.Join(events, "\n\t"))
	}
	w.events = nil
}

// A logged keeps what is logged.
type logged struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count returns how many lines contain all of words.
func (l *logged) count(words ...string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

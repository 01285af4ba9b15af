// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/discovery"
)

const (
	notYet = "lost: user function is not available: it has not been reached yet"
	gone   = "lost: user function is not available: the connection to it was lost"
	found  = "found " + model
)

func TestFunctionIsAskedOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		f := answering(specOf(w.T, model))
		w.start(f)
		w.want(notYet, found)
		w.pass(24 * time.Hour)
		w.want()
		if n, d := f.discovered(), w.dialed(); n != 1 || d != 1 {
			w.Errorf("%d calls of discover over %d connections, want 1 over 1", n, d)
		}
		want := &cloudstate.ProxyInfo{ProtocolMinorVersion: 2, ProxyName: "kairn-proxy", ProxyVersion: "1.2.3", SupportedEntityTypes: supported}
		if !proto.Equal(f.info, want) {
			w.Errorf("discover(%v), want %v", f.info, want)
		}
		if w.log.count("level=INFO", "user function answered", "service=fn", "protocol=0.2") != 1 || w.log.count("level=WARN") != 0 {
			w.Errorf("log:\n%s", &w.log)
		}
	})
}

func TestFunctionStartsLate(t *testing.T) {
	for _, late := range []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.pass(late)
				w.want(notYet)
				f := answering(specOf(w.T, model))
				w.start(f)
				w.pass(min(late/2, 1200*time.Millisecond)) // no more is lost by trying too seldom
				w.want(found)
				if f.discovered() != 1 {
					w.Errorf("%d calls of discover, want 1", f.discovered())
				}
				if n := w.log.count("waiting for the user function"); n < 1 || n > 20 {
					w.Errorf("said %d times that it waits", n)
				}
			})
		})
	}
}

func TestDiscoverThatHangs(t *testing.T) {
	hang := func(ctx context.Context) (*cloudstate.EntitySpec, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inWorld(t, func(w *world) {
		f := answering(specOf(w.T, model)).after(1, hang)
		w.start(f)
		w.pass(4900 * time.Millisecond)
		w.want(notYet)
		w.pass(time.Second)
		w.want("lost: user function is not available: discover: DeadlineExceeded: ...", found)
		if f.discovered() != 2 || w.dialed() != 1 {
			w.Errorf("%d calls of discover over %d connections, want 2 over 1", f.discovered(), w.dialed())
		}
	})
}

func TestDiscoverThatFails(t *testing.T) {
	no := func(context.Context) (*cloudstate.EntitySpec, error) {
		return nil, status.Error(codes.Internal, "not now")
	}
	inWorld(t, func(w *world) {
		f := answering(specOf(w.T, model)).after(10, no)
		w.start(f)
		w.want(notYet, "lost: user function is not available: discover: Internal: not now")
		w.pass(10 * time.Second)
		if n := f.discovered(); n < 6 || n > 9 {
			w.Errorf("%d calls of discover in 10 s", n)
		}
		w.pass(30 * time.Second)
		w.want(found)
		if f.discovered() != 11 {
			w.Errorf("%d calls of discover, want 11", f.discovered())
		}
		if n := w.log.count("level=WARN", "not now"); n < 1 || n > 3 {
			w.Errorf("said %d times that it fails", n)
		}
	})
}

func TestLostIsToldAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(answering(specOf(w.T, model)))
		w.want(notYet, found)
		now := time.Now()
		w.kill()
		w.want(gone)
		if d := time.Since(now); d != 0 {
			w.Errorf("it took %v", d)
		}
		w.pass(time.Hour)
		w.want()
	})
}

func TestFunctionReturnsWithAnotherSpec(t *testing.T) {
	inWorld(t, func(w *world) {
		first, second, third := answering(specOf(w.T, model)), answering(specOf(w.T, two)), answering(specOf(w.T, model))
		w.start(first)
		w.want(notYet, found)

		w.kill()
		w.start(second) // at once
		w.pass(time.Second)
		w.want(gone, "found "+two)

		w.kill()
		w.pass(time.Minute)
		w.start(third)
		w.pass(2 * time.Second)
		w.want(gone, found)
		for _, f := range []*function{first, second, third} {
			if f.discovered() != 1 {
				w.Errorf("%d calls of discover in one life, want 1", f.discovered())
			}
		}
	})
}

func TestFunctionThatSaysGoodbye(t *testing.T) {
	inWorld(t, func(w *world) {
		f := answering(specOf(w.T, model))
		w.start(f)
		w.want(notYet, found)
		w.srv.GracefulStop() // GOAWAY
		w.want(gone)
	})
}

func TestFunctionDiesWhileItIsAsked(t *testing.T) {
	hang := func(ctx context.Context) (*cloudstate.EntitySpec, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inWorld(t, func(w *world) {
		w.start(answering(specOf(w.T, model)).after(1, hang))
		w.want(notYet)
		w.kill()
		next := answering(specOf(w.T, two))
		w.start(next)
		w.pass(time.Second)
		w.mu.Lock()
		last := w.events[len(w.events)-1]
		w.mu.Unlock()
		if last != "found "+two || next.discovered() != 1 {
			w.Errorf("%q after %d calls", last, next.discovered())
		}
	})
}

func TestSpecIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*cloudstate.EntitySpec)
		want   []string
	}{
		{"version", func(s *cloudstate.EntitySpec) { s.ServiceInfo.ProtocolMajorVersion = 1 }, []string{"protocol version 1.2 is not supported; supported is 0.2"}},
		{"no entities", func(s *cloudstate.EntitySpec) { s.Entities = nil }, []string{"serves no entities"}},
		{"service", func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "a.B" }, []string{"service a.B is not in the descriptors"}},
		{"type", func(s *cloudstate.EntitySpec) { s.Entities[0].EntityType = "a.B" }, []string{`entity type "a.B" is not supported`}},
		{"descriptors", func(s *cloudstate.EntitySpec) { s.Proto = []byte("?") }, []string{"descriptor set can't be decoded"}},
		{"two things", func(s *cloudstate.EntitySpec) {
			s.Entities = append(s.Entities, s.Entities[0], &cloudstate.Entity{ServiceName: "a.B"})
		},
			[]string{"declared twice", `entity type "" is not supported`, "service a.B is not in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				s := specOf(w.T, model)
				tt.change(s)
				f := answering(s)
				w.start(f)
				w.want(notYet, "lost: user function is not available: ...")
				w.pass(time.Hour) // no hammering
				if f.discovered() != 1 || !slices.EqualFunc(f.reported(), tt.want, strings.Contains) {
					w.Errorf("%d calls of discover, reports %q, want %q", f.discovered(), f.reported(), tt.want)
				}
				if n := w.log.count("level=ERROR", "user function is refused"); n != len(tt.want) {
					w.Errorf("%d errors on the log, want %d", n, len(tt.want))
				}
				w.want()

				w.kill() // and put right
				w.start(answering(specOf(w.T, model)))
				w.pass(time.Second)
				w.want(gone, found)
			})
		})
	}
}

func TestReasonSaysAllThatIsWrong(t *testing.T) {
	inWorld(t, func(w *world) {
		s := specOf(w.T, "a.B", "c.D")
		w.start(answering(s))
		w.want(notYet, "lost: user function is not available: service a.B is not in the descriptors; service c.D is not in the descriptors")
	})
}

func TestRefusedFunctionThatTakesNoReports(t *testing.T) {
	inWorld(t, func(w *world) {
		f := answering(specOf(w.T, "a.B", "c.D"))
		f.deaf = true
		w.start(f)
		w.want(notYet, "lost: ...descriptors")
		w.kill()
		w.want(gone)
		w.start(answering(specOf(w.T, model)))
		w.pass(time.Second)
		w.want(found)
	})
}

func TestProtocolVersions(t *testing.T) {
	for _, tt := range []struct {
		major, minor int32
		any          bool
		found, warns bool
	}{
		{0, 2, false, true, false},
		{0, 2, true, true, false},
		{0, 0, false, true, true},
		{0, 1, false, true, true},
		{0, 3, false, false, false},
		{1, 2, false, false, false},
		{0, -2, false, false, false},
		{1, 1, true, true, true},
	} {
		inWorldWith(t, discovery.Config{AnyVersion: tt.any}, func(w *world) {
			s := specOf(w.T, model)
			s.ServiceInfo.ProtocolMajorVersion, s.ServiceInfo.ProtocolMinorVersion = tt.major, tt.minor
			w.start(answering(s))
			then := "lost: user function is not available: protocol version ...supported is 0.2"
			if tt.found {
				then = found
			}
			w.want(notYet, then)
			if warned := w.log.count("level=WARN", "protocol version") == 1; warned != tt.warns {
				w.Errorf("%d.%d: warning %t, want %t", tt.major, tt.minor, warned, tt.warns)
			}
		})
	}
}

// TestNoCircle has something at the port that takes every connection, speaks
// HTTP/2 and hangs up.
func TestNoCircle(t *testing.T) {
	inWorld(t, func(w *world) {
		lis := w.listen()
		w.serving.Go(func() {
			for {
				conn, err := lis.Accept()
				if err != nil {
					return
				}
				hangUp(conn)
			}
		})
		w.pass(time.Minute)
		if n := w.dialed(); n < 10 || n > 150 {
			w.Errorf("%d connections in a minute", n)
		}
		w.mu.Lock()
		if slices.ContainsFunc(w.events, func(e string) bool { return strings.HasPrefix(e, "found") }) {
			w.Errorf("events %q", w.events)
		}
		w.mu.Unlock()
		lis.Close()
		w.serving.Wait()
	})
}

func hangUp(conn net.Conn) {
	_, _ = conn.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")) // empty SETTINGS
	_, _ = conn.Read(make([]byte, 1024))
	conn.Close()
}

func TestConnectionIsClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(answering(specOf(w.T, model)))
		w.want(notYet, found)
		w.cfg.Conn.Close()
		err := <-w.ended
		if err == nil {
			w.Error("Run = nil, want an error")
		}
		w.ended <- nil // as the end of the test waits for it
	})
}

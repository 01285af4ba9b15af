// SPDX-License-Identifier: Apache-2.0

package generations

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A generation is a library of one, installed.
type generation struct {
	script  string // what node is given
	sdk     string // what that requires
	modules string // folder of the node modules

	protos, annotations, key string // for shop.proto
}

func later(t *testing.T, name, sdk, pkg string) *generation {
	t.Helper()
	g := &generation{
		script: "testdata/later.js", sdk: sdk, modules: installed(t, name),
		annotations: pkg + "/annotations.proto",
		key:         "[(" + pkg + ".field).entity_key = true]",
	}
	g.protos = filepath.Join(g.modules, filepath.FromSlash(sdk), "proto")
	return g
}

func kalix(t *testing.T) *generation {
	t.Helper()
	return later(t, "kalix", "@kalix-io/kalix-javascript-sdk", "kalix")
}

func akkaServerless(t *testing.T) *generation {
	t.Helper()
	return later(t, "akka", "@lightbend/akkaserverless-javascript-sdk", "akkaserverless")
}

func early(t *testing.T) *generation {
	t.Helper()
	g := &generation{
		script: "testdata/early/function.js", modules: installed(t, "early"),
		annotations: "cloudstate/entity_key.proto", key: "[(cloudstate.entity_key) = true]",
	}
	g.protos = filepath.Join(g.modules, "cloudstate", "proto")
	return g
}

func (g *generation) shop(t *testing.T) *shop {
	t.Helper()
	return newShop(t, g.protos, g.annotations, g.key)
}

// A step is one call and what must come of it.
type step struct {
	method, request string
	want            string
	code            codes.Code
}

// run makes calls of one message with one reply. Of one that fails, want is the
// description.
func (c client) run(ctx context.Context, t *testing.T, steps ...step) {
	t.Helper()
	for _, s := range steps {
		got, err := c.call(ctx, t, s.method, s.request)
		if err != nil {
			got = status.Convert(err).Message()
		}
		if status.Code(err) != s.code || got != s.want {
			t.Errorf("%s(%s): %v %s, want %v %s", s.method, s.request, status.Code(err), got, s.code, s.want)
		}
	}
}

// streams makes a streamed call.
func (c client) streams(ctx context.Context, t *testing.T, method string, requests, want []string, code codes.Code) {
	t.Helper()
	got, err := c.stream(ctx, t, method, requests...)
	if !slices.Equal(got, want) || status.Code(err) != code {
		t.Errorf("%s(%s): %s, %v, want %s, %v", method, requests, got, err, want, code)
	}
}

func hello(texts ...string) []string {
	for i, text := range texts {
		texts[i] = `{"text":"` + text + `"}`
	}
	return texts
}

func TestKalix(t *testing.T) { testLater(t, kalix(t), true) }

func TestAkkaServerless(t *testing.T) { testLater(t, akkaServerless(t), false) }

// testLater has two lives of a proxy and a function of a generation after
// Cloudstate. Coded says that its failures have codes.
func testLater(t *testing.T, g *generation, coded bool) {
	t.Helper()
	ctx, s, data := limited(t), g.shop(t), t.TempDir()
	code := func(c codes.Code) codes.Code {
		if coded {
			return c
		}
		return codes.Unknown
	}
	p := startPair(ctx, t, g, s, data, true)
	t.Run("event sourced", func(t *testing.T) {
		p.run(ctx, t,
			step{"Cart/Get", `{"id":"a"}`, `{}`, codes.OK},
			step{"Cart/Add", `{"cart":"a","product":"tea","quantity":2}`, `{"lines":{"tea":2}}`, codes.OK},
			step{"Cart/Add", `{"cart":"a","product":"tea","quantity":0}`, "quantity must be positive", codes.Unknown},
			step{"Cart/Add", `{"cart":"a","product":"tea","quantity":3}`, `{"lines":{"tea":5}}`, codes.OK},
			step{"Cart/Add", `{"cart":"a","product":"tea","quantity":1}`, `{"lines":{"tea":6}}`, codes.OK}, // a snapshot
			step{"Cart/Add", `{"cart":"a","product":"tea","quantity":1}`, `{"lines":{"tea":7}}`, codes.OK},
			step{"Cart/Get", `{"id":"b"}`, `{}`, codes.OK},
			step{"Cart/Fail", `{"id":"a","why":"no such cart","code":5}`, "no such cart", code(codes.NotFound)},
			step{"Cart/Get", `{"id":"a"}`, `{"lines":{"tea":7}}`, codes.OK},
		)
	})
	t.Run("value", func(t *testing.T) {
		p.run(ctx, t,
			step{"Account/Set", `{"id":"a","cents":"7"}`, `{"id":"a","cents":"7"}`, codes.OK},
			step{"Account/Set", `{"id":"b","cents":"9"}`, `{"id":"b","cents":"9"}`, codes.OK},
			step{"Account/Fail", `{"id":"a","why":"overdrawn","code":9}`, "overdrawn", code(codes.FailedPrecondition)},
			step{"Account/Close", `{"id":"b"}`, `{}`, codes.OK},
			step{"Account/Get", `{"id":"b"}`, `{"id":"b"}`, codes.OK},
		)
	})
	t.Run("action", func(t *testing.T) { testActions(ctx, t, p.client, code) })
	t.Run("headers", func(t *testing.T) {
		p.run(with(ctx, "x-user", "ann", "x-other", "no"), t, step{"Cart/Headers", `{"id":"a"}`, `{"text":"x-user=ann"}`, codes.OK})
	})
	t.Run("crash", func(t *testing.T) {
		crashed := codes.Internal
		if coded {
			crashed = codes.Unknown
		}
		p.run(ctx, t,
			step{"Cart/Fail", `{"id":"a","why":"bug","crash":true}`, "Error handling command 'Fail': Error: bug", crashed},
			step{"Cart/Get", `{"id":"a"}`, `{"lines":{"tea":9}}`, codes.OK},
			step{"Account/Fail", `{"id":"a","why":"bug","crash":true}`, "Error handling command 'Fail': Error: bug", crashed},
			step{"Account/Get", `{"id":"a"}`, `{"id":"a","cents":"70"}`, codes.OK},
		)
	})
	p.stop(ctx, t)

	p = startPair(ctx, t, g, s, data, true)
	t.Run("after a restart", func(t *testing.T) {
		p.run(ctx, t,
			step{"Cart/Get", `{"id":"a"}`, `{"lines":{"tea":9}}`, codes.OK},
			step{"Account/Get", `{"id":"a"}`, `{"id":"a","cents":"70"}`, codes.OK},
			step{"Account/Get", `{"id":"b"}`, `{"id":"b"}`, codes.OK},
		)
	})
	t.Run("the end", func(t *testing.T) { testEnd(ctx, t, p) })
}

// testActions leaves two more of tea in cart a, and 70 cents in account a.
func testActions(ctx context.Context, t *testing.T, c client, code func(codes.Code) codes.Code) {
	t.Helper()
	c.run(ctx, t,
		step{"Desk/Greet", `{"text":"Ann"}`, `{"text":"Hello, Ann!"}`, codes.OK},
		step{"Desk/Fail", `{"why":"closed","code":7}`, "closed", code(codes.PermissionDenied)},
		step{"Desk/AddTwice", `{"cart":"a","product":"tea","quantity":1}`, `{"lines":{"tea":9}}`, codes.OK},
		step{"Desk/Pay", `{"id":"a","cents":"70"}`, `{"text":"paid"}`, codes.OK},
		step{"Account/Get", `{"id":"a"}`, `{"id":"a","cents":"70"}`, codes.OK},
	)
	c.streams(ctx, t, "Desk/Join", hello("to", "be"), hello("to be"), codes.OK)
	c.streams(ctx, t, "Desk/Split", hello("or not"), hello("or", "not"), codes.OK)
	c.streams(ctx, t, "Desk/Shout", hello("to", "be"), hello("TO", "BE"), codes.OK)
	c.streams(ctx, t, "Desk/Shout", hello("to", ""), hello("TO"), codes.Unknown)
}

// testEnd tells the function to end, which it does when it hears that the proxy
// has.
func testEnd(ctx context.Context, t *testing.T, p *pair) {
	t.Helper()
	p.function.terminate(t)
	p.run(ctx, t, step{"Desk/Greet", `{"text":"Ann"}`, `{"text":"Hello, Ann!"}`, codes.OK})
	if !p.function.running() {
		t.Error("the function ended before the proxy did")
	}
	p.proxy.terminate(t)
	p.proxy.ended(ctx, t)
	p.function.ended(ctx, t)
}

// TestHurriedEnd has a proxy that has no time to finish what runs. The function
// hears of its end all the same.
func TestHurriedEnd(t *testing.T) {
	g := kalix(t)
	ctx := limited(t)
	p := startPair(ctx, t, g, g.shop(t), t.TempDir(), true, "SHUTDOWN_TIMEOUT=10ms", "PASSIVATION_TIMEOUT=1h")
	p.run(ctx, t, step{"Cart/Add", `{"cart":"a","product":"tea","quantity":2}`, `{"lines":{"tea":2}}`, codes.OK})
	ended := make(chan error, 1)
	go func() {
		_, err := p.stream(ctx, t, "Desk/Split", hello("never")...)
		ended <- err
	}()
	p.run(ctx, t, step{"Desk/Greet", `{"text":"Ann"}`, `{"text":"Hello, Ann!"}`, codes.OK})
	p.function.terminate(t)
	p.proxy.terminate(t)
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("the call that never ends: %v", err)
	}
	p.proxy.ended(ctx, t)
	p.function.ended(ctx, t)
}

// TestReplicatedEntity has a counter of Akka Serverless, whose messages are those
// of Cloudstate.
func TestReplicatedEntity(t *testing.T) {
	g := akkaServerless(t)
	ctx := limited(t)
	p := startPair(ctx, t, g, g.shop(t), t.TempDir(), true, "REPLICATED=1")
	p.run(ctx, t,
		step{"Visits/Visit", `{"id":"a"}`, `{"id":"a","cents":"1"}`, codes.OK},
		step{"Visits/Visit", `{"id":"a"}`, `{"id":"a","cents":"2"}`, codes.OK},
		step{"Visits/Visit", `{"id":"b"}`, `{"id":"b","cents":"1"}`, codes.OK},
		step{"Visits/Fail", `{"id":"a","why":"no"}`, "no", codes.Unknown},
		step{"Visits/Fail", `{"id":"a","why":"bug","crash":true}`, "Error handling command 'Fail': Error: bug", codes.Internal},
		step{"Visits/Visit", `{"id":"a"}`, `{"id":"a","cents":"3"}`, codes.OK}, // a fresh stream, with the state
	)
	p.stop(ctx, t)
}

// TestViewsAreRefused tells the function, and whoever asks whether it is ready.
func TestViewsAreRefused(t *testing.T) {
	for name, generation := range map[string]func(*testing.T) *generation{"Kalix": kalix, "Akka Serverless": akkaServerless} {
		t.Run(name, func(t *testing.T) {
			g := generation(t)
			ctx := limited(t)
			p := startPair(ctx, t, g, g.shop(t), t.TempDir(), false, "VIEW=1")
			const problem = "service shop.Report is a view, which queries what other components have stored: this is not supported"
			p.function.await(ctx, t, problem)
			p.proxy.await(ctx, t, "user function is refused", problem)
			if code, body := p.ready(ctx, t); code != http.StatusServiceUnavailable || !strings.Contains(body, problem) {
				t.Errorf("ready: %d %q", code, body)
			}
			p.function.terminate(t)
			p.proxy.terminate(t)
			p.proxy.ended(ctx, t)
			p.function.ended(ctx, t)
		})
	}
}

func TestEarly(t *testing.T) {
	g := early(t)
	ctx, s, data := limited(t), g.shop(t), t.TempDir()
	p := startPair(ctx, t, g, s, data, true)
	p.run(ctx, t,
		step{"Cart/Add", `{"cart":"a","product":"tea","quantity":2}`, `{"lines":{"tea":2}}`, codes.OK},
		step{"Cart/Add", `{"cart":"a","product":"tea","quantity":0}`, "quantity must be positive", codes.Unknown},
		step{"Cart/Add", `{"cart":"a","product":"tea","quantity":3}`, `{"lines":{"tea":5}}`, codes.OK},
		step{"Cart/Fail", `{"id":"a","why":"no"}`, "no", codes.Unknown},
		step{"Desk/Greet", `{"text":"Ann"}`, `{"text":"Hello, Ann!"}`, codes.OK},
	)
	p.streams(ctx, t, "Desk/Split", hello("or not"), hello("or", "not"), codes.OK)
	p.stop(ctx, t)

	p = startPair(ctx, t, g, s, data, true)
	p.run(ctx, t, step{"Cart/Get", `{"id":"a"}`, `{"lines":{"tea":5}}`, codes.OK})
	p.stop(ctx, t)
}

// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

func TestEffectsRunInOrder(t *testing.T) {
	r := newRig(t)
	r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: []entity.Effect{async("1"), synchronous("2"), async("3"), synchronous("4")}}
	for _, id := range []string{"1", "2", "3", "4"} {
		r.later[id] = true
	}
	answer := r.call("a")
	for _, step := range []struct{ order, finish string }{
		{"a 1 2", "2"},     // waits for 2, not for 1
		{"a 1 2 3 4", "4"}, // nor for 3
	} {
		if r.order() != step.order || answer() != nil {
			t.Fatalf("called %q, answer %+v, want %q and none", r.order(), answer(), step.order)
		}
		r.finish(step.finish)
	}
	r.want(answer(), "ok", "a 1 2 3 4")
	r.finish("1")
	r.finish("3")
	if n := r.stats.Effects.Load(); n != 4 || r.stats.EffectsFailed.Load() != 0 {
		t.Errorf("counted %d effects, %d failed", n, r.stats.EffectsFailed.Load())
	}
}

// TestNewKeys has a method whose commands are for new instances.
func TestNewKeys(t *testing.T) {
	r := newRig(t)
	r.served.Lookup(one, "Process").NewKey = true
	r.call("a")
	r.call("a")
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if len(r.got) != 2 || r.got[0] == r.got[1] || !uuid.MatchString(r.got[0]) || !uuid.MatchString(r.got[1]) {
		t.Errorf("called %q", r.got)
	}
}

// TestSynchronousEffectIsWaitedForToItsEnd checks that its own effects and its
// forward belong to it.
func TestSynchronousEffectIsWaitedForToItsEnd(t *testing.T) {
	r := newRig(t)
	r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: []entity.Effect{synchronous("1"), synchronous("4")}}
	f := forward(two, "3")
	f.Effects = []entity.Effect{synchronous("2")}
	r.answer["1"] = f
	r.later["2"], r.later["3"] = true, true
	answer := r.call("a")
	if r.order() != "a 1 2" {
		t.Errorf("called %q", r.order())
	}
	r.finish("2")
	if r.order() != "a 1 2 3" || answer() != nil {
		t.Errorf("called %q, answer %+v", r.order(), answer())
	}
	r.finish("3")
	r.want(answer(), "ok", "a 1 2 3 4")
}

func TestEffectsComeBeforeTheForward(t *testing.T) {
	r := newRig(t)
	o := forward(two, "f")
	o.Effects = []entity.Effect{synchronous("1"), async("2")}
	r.answer["a"] = o
	r.want(r.call("a")(), "f", "a 1 2 f")
}

func TestFailingEffectsDoNotFailTheReply(t *testing.T) {
	r := newRig(t)
	r.answer["1"] = entity.Outcome{Err: entity.ErrOverloaded}
	r.answer["2"] = entity.Outcome{Err: &entity.Refusal{Description: "no"}}
	nowhere := entity.Effect{Target: entity.Target{Service: "nowhere", Command: "Call"}, Synchronous: true}
	noKey := entity.Effect{Target: entity.Target{Service: two, Command: "Call", Payload: entity.Payload{Value: []byte{0xff}}}}
	r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: []entity.Effect{synchronous("1"), async("2"), nowhere, noKey, synchronous("3")}}
	r.want(r.call("a")(), "ok", "a 1 2 3")
	if n := r.stats.EffectsFailed.Load(); n != 4 {
		t.Errorf("counted %d failed effects, want 4", n)
	}
	if len(r.reports) != 1 || !strings.Contains(r.reports[0], "nowhere") || !strings.Contains(r.reports[0], "side effect of "+one+"/Process") {
		t.Errorf("function was told %q", r.reports)
	}
}

// TestForwardThatIsNotCarriedOut checks that nobody is told to send a call again
// that has had an effect.
func TestForwardThatIsNotCarriedOut(t *testing.T) {
	for name, tt := range map[string]struct {
		writes  string // who stores something
		effects []entity.Effect
		err     error
		unknown bool
	}{
		"after nothing":             {"", nil, entity.ErrUnavailable, false},
		"after a write":             {"a", nil, entity.ErrUnavailable, true},
		"after a write, overloaded": {"a", nil, entity.ErrOverloaded, true},
		"after a write, full":       {"a", nil, entity.ErrFull, true},
		"after an effect":           {"", []entity.Effect{async("e")}, entity.ErrUnavailable, true},
		"after a write in between":  {"b", nil, entity.ErrUnavailable, true},
		"refused after a write":     {"a", nil, &entity.Refusal{Description: "no"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.answer["a"], r.answer["b"], r.answer["c"] = forward(two, "b"), forward(two, "c"), entity.Outcome{Err: tt.err}
			o := r.answer["a"]
			o.Effects = tt.effects
			r.answer["a"] = o
			r.writes[tt.writes] = true
			a := r.call("a")()
			if a == nil || !errors.Is(a.Err, tt.err) || errors.Is(a.Err, entity.ErrUnknownOutcome) != tt.unknown {
				t.Errorf("answer %+v, want unknown outcome: %v", a, tt.unknown)
			}
		})
	}
}

func TestEffectsOfARefusedCommandRun(t *testing.T) {
	r := newRig(t)
	refusal := &entity.Refusal{Description: "no"}
	r.answer["a"] = entity.Outcome{Err: refusal, Effects: []entity.Effect{synchronous("1"), async("2")}}
	a := r.call("a")()
	if a == nil || !errors.Is(a.Err, refusal) || r.order() != "a 1 2" {
		t.Errorf("answer %+v, called %q", a, r.order())
	}
}

func TestUnknownTargets(t *testing.T) {
	for name, tt := range map[string]struct {
		target entity.Target
		want   string
	}{
		"service": {entity.Target{Service: "shop.Nowhere", Command: "Call"}, "service shop.Nowhere"},
		"method":  {entity.Target{Service: two, Command: "Nothing"}, "method Nothing of service " + two},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.answer["a"] = entity.Outcome{Forward: &tt.target}
			a := r.call("a")()
			if a == nil || !errors.Is(a.Err, entity.ErrUnimplemented) {
				t.Fatalf("answer %+v", a)
			}
			for _, part := range []string{tt.want, "forwarded from " + one + "/Process"} {
				if !strings.Contains(a.Err.Error(), part) {
					t.Errorf("error %q doesn't say %q", a.Err, part)
				}
			}
			if len(r.reports) != 1 || r.reports[0] != a.Err.Error() {
				t.Errorf("function was told %q", r.reports)
			}
		})
	}
	t.Run("of a client", func(t *testing.T) {
		r := newRig(t)
		a := r.call("a", func(c *entity.Call) { c.Command = "Nothing" })()
		if a == nil || !errors.Is(a.Err, entity.ErrUnimplemented) || len(r.reports) > 0 {
			t.Errorf("answer %+v, function was told %q", a, r.reports)
		}
	})
}

func TestRequestWithoutKey(t *testing.T) {
	r := newRig(t)
	a := r.call("a", func(c *entity.Call) { c.Payload = []byte{0x0a, 0xff} })()
	if a == nil || !errors.Is(a.Err, entity.ErrInvalid) || len(r.got) > 0 {
		t.Errorf("answer %+v, called %q", a, r.got)
	}
}

func TestFunctionThatIsAway(t *testing.T) {
	r := newRig(t)
	r.router.Catalogue = func() (*route.Catalogue, error) { return nil, entity.ErrUnavailable }
	if a := r.call("a")(); a == nil || !errors.Is(a.Err, entity.ErrUnavailable) {
		t.Errorf("answer %+v", a)
	}
}

func TestLoops(t *testing.T) {
	t.Run("of forwards", func(t *testing.T) {
		r := newRig(t)
		r.answer["a"], r.answer["b"] = forward(two, "b"), forward(one, "a")
		a := r.call("a")()
		if a == nil || !errors.Is(a.Err, entity.ErrLoop) {
			t.Fatalf("answer %+v", a)
		}
		if len(r.got) != 9 { // the call, and eight that it leads to
			t.Errorf("called %d instances", len(r.got))
		}
		chain := fmt.Sprintf("forwarded from %s/Process, forwarded from %s/Call, ", one, two)
		if !strings.Contains(a.Err.Error(), chain) || !strings.HasSuffix(a.Err.Error(), ", and 1 more: "+entity.ErrLoop.Error()) {
			t.Errorf("error %q", a.Err)
		}
		if !slices.Equal(r.reports, []string{a.Err.Error()}) {
			t.Errorf("function was told %q", r.reports)
		}
	})
	t.Run("of effects", func(t *testing.T) {
		r := newRig(t)
		r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: []entity.Effect{{Target: target(one, "a"), Synchronous: true}}}
		a := r.call("a")()
		r.want(a, "ok", strings.TrimSpace(strings.Repeat("a ", 9)))
		if len(r.reports) != 1 || !strings.Contains(r.reports[0], "side effect of") {
			t.Errorf("function was told %q", r.reports)
		}
	})
	t.Run("no loop, but long", func(t *testing.T) {
		r := newRig(t)
		for i := range 8 {
			r.answer[fmt.Sprint(i)] = forward(two, fmt.Sprint(i+1))
		}
		if a := r.call("0")(); a == nil || a.Err != nil || string(a.Payload) != "8" {
			t.Errorf("answer %+v", a)
		}
	})
}

func TestDeadlines(t *testing.T) {
	r := newRig(t)
	deadline, gone := time.Now().Add(time.Second), make(chan struct{})
	o := forward(two, "f")
	o.Effects = []entity.Effect{synchronous("e")}
	r.answer["a"] = o
	r.call("a", func(c *entity.Call) { c.Deadline, c.Done = deadline, gone })
	if c := r.calls["f"]; !c.Deadline.Equal(deadline) || c.Done != (<-chan struct{})(gone) {
		t.Errorf("forward: deadline %v, done %v, want those of the call", c.Deadline, c.Done)
	}
	if c := r.calls["e"]; time.Until(c.Deadline) <= time.Second || time.Until(c.Deadline) > time.Minute || c.Done != nil {
		t.Errorf("effect: deadline %v, done %v, want its own", c.Deadline, c.Done)
	}
}

func TestTraceContextIsPassedOn(t *testing.T) {
	trace := entity.Metadata{{Name: "traceparent", Value: "00-1-2-01"}, {Name: "tracestate", Value: "x=1"}}
	call := append(entity.Metadata{{Name: "authorization", Value: "secret"}}, trace...)
	own := entity.Metadata{{Name: "Traceparent", Value: "00-9-9-01"}}
	extra := entity.Metadata{{Name: "x", Value: "y"}}
	for name, tt := range map[string]struct{ function, want entity.Metadata }{
		"nothing of the function": {nil, trace},
		"with the function's own": {extra, append(slices.Clone(extra), trace...)},
		"replaced by its span":    {own, own},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			o := forward(two, "f")
			o.Forward.Meta = tt.function
			e := async("e")
			e.Meta = tt.function
			o.Effects = []entity.Effect{e}
			r.answer["a"] = o
			r.call("a", func(c *entity.Call) { c.Metadata = call })
			for _, id := range []string{"e", "f"} {
				if got := r.calls[id].Metadata; !slices.Equal(got, tt.want) {
					t.Errorf("%s has metadata %v, want %v", id, got, tt.want)
				}
			}
		})
	}
}

func TestReplyOfAnotherTypeIsReported(t *testing.T) {
	r := newRig(t)
	wrong := reply("ok")
	wrong.TypeURL = "type.googleapis.com/shop.Other"
	r.answer["a"] = entity.Outcome{Reply: wrong}
	r.want(r.call("a")(), "ok", "a") // passed on all the same
	if len(r.reports) != 1 || !strings.Contains(r.reports[0], "shop.Other") {
		t.Errorf("function was told %q", r.reports)
	}
}

func TestForwardToAMethodThatRepliesWithAnotherType(t *testing.T) {
	r := newRig(t)
	r.answer["a"] = forward(other, "f")
	r.answer["f"] = entity.Outcome{}
	r.want(r.call("a")(), "", "a f")
	if len(r.reports) != 1 || !strings.Contains(r.reports[0], "google.protobuf.Empty") {
		t.Errorf("function was told %q", r.reports)
	}
}

func TestMetadataOfTheReply(t *testing.T) {
	r := newRig(t)
	meta := entity.Metadata{{Name: "x", Value: "y"}}
	r.answer["a"] = forward(two, "f")
	r.answer["f"] = entity.Outcome{Reply: reply("ok"), Meta: meta}
	if a := r.call("a")(); a == nil || !slices.Equal(a.Metadata, meta) {
		t.Errorf("answer %+v", a)
	}
}

// TestLongListsOfEffects checks that neither many effects that are done at once
// nor many that take their time need a deep stack.
func TestLongListsOfEffects(t *testing.T) {
	const many = 100_000
	defer debug.SetMaxStack(debug.SetMaxStack(4 << 20))
	t.Run("done at once", func(t *testing.T) {
		r := newRig(t)
		r.answer["e"] = entity.Outcome{Err: entity.ErrOverloaded}
		r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: slices.Repeat([]entity.Effect{synchronous("e")}, many)}
		if a := r.call("a")(); a == nil || a.Err != nil || len(r.got) != many+1 {
			t.Errorf("answer %+v, called %d", a, len(r.got))
		}
	})
	t.Run("done later", func(t *testing.T) {
		r := newRig(t)
		r.later["e"] = true
		r.answer["a"] = entity.Outcome{Reply: reply("ok"), Effects: slices.Repeat([]entity.Effect{synchronous("e")}, many)}
		answer := r.call("a")
		for range many {
			if answer() != nil {
				t.Fatal("answered before the last effect")
			}
			r.finish("e")
		}
		if a := answer(); a == nil || a.Err != nil {
			t.Errorf("answer %+v", a)
		}
	})
}

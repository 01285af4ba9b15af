// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
)

// script is where streamed calls go in these tests: it says what it says, and
// then ends as it does.
type script struct {
	says []entity.Outcome
	end  error
}

func (s *script) Stream(_ context.Context, _ *route.Method, _ entity.Call, recv func() ([]byte, error), out func(entity.Outcome) error) error {
	if _, err := recv(); err != nil {
		return err
	}
	for _, o := range s.says {
		if err := out(o); err != nil {
			return err
		}
	}
	return s.end
}

// A reader is a client that takes messages, up to a number.
type reader struct {
	got  []string
	most int
}

func (*reader) Recv() ([]byte, error) { return nil, nil }

func (c *reader) Send(payload []byte, md entity.Metadata) error {
	if len(c.got) == c.most {
		return entity.ErrCanceled
	}
	text := string(payload)
	for _, e := range md {
		text += " " + e.Name + "=" + e.Value
	}
	c.got = append(c.got, text)
	return nil
}

func (r *rig) stream(ctx context.Context, s *script, c *reader) error {
	r.served.Lookup(one, "Process").ServerStreams = true
	r.router.Streams = s
	return r.router.Stream(ctx, entity.Call{Service: one, Command: "Process"}, c)
}

func TestResponsesOfAStreamAreHandledInOrder(t *testing.T) {
	r := newRig(t)
	forwarded := forward(two, "f")
	forwarded.Effects = []entity.Effect{synchronous("1")}
	client := &reader{most: 9}
	err := r.stream(t.Context(), &script{end: errEnd, says: []entity.Outcome{
		{Reply: reply("a"), Meta: entity.Metadata{{Name: "x", Value: "y"}}},
		forwarded,
		{Reply: reply("b"), Effects: []entity.Effect{synchronous("2"), async("3")}},
	}}, client)
	if !errors.Is(err, errEnd) {
		t.Errorf("ended with %v", err)
	}
	if got := strings.Join(client.got, ", "); got != "a x=y, f, b" || r.order() != "1 f 2 3" {
		t.Errorf("client got %q; called %q", got, r.order())
	}
	if r.stats.Calls.Load() != 1 {
		t.Errorf("counted %d calls", r.stats.Calls.Load())
	}
}

var errEnd = errors.New("the end")

func TestErrorsEndAStream(t *testing.T) {
	refusal := &entity.Refusal{Description: "no"}
	nowhere := entity.Outcome{Forward: &entity.Target{Service: "nowhere", Command: "Call"}}
	for name, tt := range map[string]struct {
		says entity.Outcome
		most int
		want error
	}{
		"failure":             {entity.Outcome{Err: refusal}, 9, refusal},
		"failure and effect":  {entity.Outcome{Err: refusal, Effects: []entity.Effect{synchronous("1")}}, 9, refusal},
		"unknown target":      {nowhere, 9, entity.ErrUnimplemented},
		"refused forward":     {forward(two, "refuses"), 9, refusal},
		"client that is gone": {entity.Outcome{Reply: reply("b")}, 1, entity.ErrCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.answer["refuses"] = entity.Outcome{Err: refusal}
			client := &reader{most: tt.most}
			err := r.stream(t.Context(), &script{says: []entity.Outcome{{Reply: reply("a")}, tt.says, {Reply: reply("c")}}}, client)
			if !errors.Is(err, tt.want) {
				t.Errorf("ended with %v, want %v", err, tt.want)
			}
			if got := strings.Join(client.got, ", "); got != "a" {
				t.Errorf("client got %q", got)
			}
		})
	}
}

// TestStreamDoesNotWaitForAnEffectForEver has the caller go away while an effect
// runs.
func TestStreamDoesNotWaitForAnEffectForEver(t *testing.T) {
	r := newRig(t)
	r.later["1"] = true
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	err := r.stream(ctx, &script{says: []entity.Outcome{{Reply: reply("a"), Effects: []entity.Effect{synchronous("1"), synchronous("2")}}}}, &reader{})
	if !errors.Is(err, errEnd) || r.order() != "1" {
		t.Errorf("ended with %v, called %q", err, r.order())
	}
	r.finish("1")
	if r.order() != "1 2" {
		t.Errorf("called %q", r.order())
	}
}

func TestStreamOfNothing(t *testing.T) {
	r := newRig(t)
	err := r.router.Stream(t.Context(), entity.Call{Service: one, Command: "Nothing"}, &reader{})
	if !errors.Is(err, entity.ErrUnimplemented) || len(r.reports) > 0 {
		t.Errorf("ended with %v, function was told %q", err, r.reports)
	}
	r.router.Catalogue = func() (*route.Catalogue, error) { return nil, entity.ErrUnavailable }
	if err := r.stream(t.Context(), &script{}, &reader{}); !errors.Is(err, entity.ErrUnavailable) {
		t.Errorf("ended with %v", err)
	}
}

func TestCommandsGoByTheTypeOfTheirEntity(t *testing.T) {
	got := map[string]string{}
	to := func(name string) router.Entities {
		return submit(func(e *route.Entity, id string, _ *instance.Command) { got[name] += e.Service + " " + id })
	}
	b := router.ByType{route.Action: to("actions"), route.EventSourced: to("entities")}
	b.Submit(&route.Entity{Type: route.Action, Service: "a"}, "", nil)
	b.Submit(&route.Entity{Type: route.EventSourced, Service: "b"}, "id", nil)
	if got["actions"] != "a " || got["entities"] != "b id" {
		t.Errorf("got %q", got)
	}
}

type submit func(*route.Entity, string, *instance.Command)

func (f submit) Submit(e *route.Entity, id string, cmd *instance.Command) { f(e, id, cmd) }

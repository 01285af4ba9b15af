// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	tck "github.com/kairn-dev/kairn/proto/cloudstate/tck/model/eventsourced"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/router"
	"github.com/kairn-dev/kairn/proxy/store/memstore"
	"google.golang.org/protobuf/proto"
)

// selfish plays a function whose command Process writes, calls Call of its own
// instance as an effect, both ways, and then forwards to Process of its own
// instance, three times; Call just writes.
func selfish(s *livetest.Stream, id string) {
	n := 0
	for {
		m, err := s.Next()
		if err != nil {
			s.End(nil)
			return
		}
		c := m.GetCommand()
		if c == nil {
			continue
		}
		n++
		out := livetest.Reply(c.GetId(), "done", "event")
		if c.GetName() == "Process" && n < 10 {
			req, err := proto.Marshal(&tck.Request{Id: id})
			if err != nil {
				panic(err)
			}
			for _, synchronous := range []bool{true, false, true} {
				out.GetReply().SideEffects = append(out.GetReply().SideEffects, &cloudstate.SideEffect{
					ServiceName: one, CommandName: "Nothing", Synchronous: synchronous,
				}, &cloudstate.SideEffect{
					ServiceName: two, CommandName: "Call", Synchronous: synchronous, Payload: livetest.Text(string(req)),
				})
			}
			out.GetReply().ClientAction = &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{
				Forward: &cloudstate.Forward{ServiceName: one, CommandName: "Process", Payload: livetest.Text(string(req))},
			}}
		}
		if s.Send(out) != nil {
			return
		}
	}
}

// TestEffectsAndForwardsToTheSameInstance checks on real instances that an
// instance that calls itself waits for nobody but its turn.
func TestEffectsAndForwardsToTheSameInstance(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	store := memstore.New()
	member, err := store.Join(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	l := lane.New(log, lane.Config{Store: store, Member: member, MaxWrites: 64, MaxBytes: 1 << 20, Stats: &lane.Stats{}})
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var work sync.WaitGroup
	work.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	set := live.New(log, live.Config{
		Journal: store, Lanes: []*lane.Lane{l}, Loads: 16, Idle: time.Minute, Grace: time.Second,
		Function: &livetest.Function{Opened: func(s *livetest.Stream) { work.Go(func() { selfish(s, "a") }) }},
		Limits:   instance.Limits{Mailbox: 100, Undecided: 16, UndecidedBytes: 1 << 20, Answer: time.Minute, Sends: 3},
		Report:   func(string) {},
	})
	c := catalogue(t)
	r := router.New(log, router.Config{
		Catalogue: func() (*route.Catalogue, error) { return c, nil },
		Entities:  set, Report: func(string) {}, EffectTime: time.Minute, MaxDepth: 64, Stats: &router.Stats{},
	})
	for range 20 {
		answer := make(chan entity.Answer, 1)
		call := entity.Call{Service: one, Command: "Process", Payload: request("a")}
		r.Submit(call, func(a entity.Answer) { answer <- a })
		if a := <-answer; a.Err != nil || string(a.Payload) != "done" {
			t.Errorf("answer %+v", a)
		}
	}
	if err := set.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	end()
	work.Wait()
}

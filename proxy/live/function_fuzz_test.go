// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A liar is a function that does what a fuzzer thinks of in the streams of one
// instance, and is honest in all others, and when the fuzzer has no more to say.
type liar struct {
	rig    *rig
	kind   *route.Entity
	victim string
	script *livetest.Script
}

// accept serves all streams until ctx is done.
func (l *liar) accept(ctx context.Context, work *sync.WaitGroup) {
	for {
		s, err := l.rig.fn.Accept(ctx)
		if err != nil {
			return
		}
		work.Go(func() { l.serve(s) })
	}
}

// serve answers each message as the script says.
func (l *liar) serve(s *livetest.Stream) {
	var honest livetest.List
	var value livetest.Value
	for lying := true; ; {
		data, err := s.NextBytes()
		if err != nil {
			s.End(nil)
			return
		}
		answer, init := l.honestly(&honest, &value, data)
		if init != "" {
			lying = init == l.victim && l.script.More()
		}
		if lying {
			switch do, said, ok := l.script.Next(); {
			case !ok:
				s.End(fmt.Errorf("no more: %w", entity.ErrProtocol))
				return
			case do == livetest.Ends:
				s.End(nil)
				return
			case do == livetest.Breaks:
				s.End(fmt.Errorf("broken: %w", entity.ErrProtocol))
				return
			case said != nil:
				answer = said
			}
		}
		if answer != nil && s.SendBytes(answer) != nil {
			return
		}
	}
}

// honestly returns the answer to a message, nil if none is due, and the instance
// that the message begins a stream of.
func (l *liar) honestly(list *livetest.List, value *livetest.Value, data []byte) (answer []byte, init string) {
	var out proto.Message
	if l.kind == lists {
		var in livetest.In
		if proto.Unmarshal(data, &in) == nil {
			init = in.GetInit().GetEntityId()
			if m, err := list.Take(&in); err == nil && m != nil {
				out = m
			}
		}
	} else {
		var in livetest.ValueIn
		if proto.Unmarshal(data, &in) == nil {
			init = in.GetInit().GetEntityId()
			if m := value.Take(&in); m != nil {
				out = m
			}
		}
	}
	if out == nil {
		return nil, init
	}
	answer, _ = proto.Marshal(out) // what livetest makes can be encoded
	return answer, init
}

// FuzzFunction has a function do anything at all in the streams of one instance:
// each of its clients gets exactly one outcome, another instance notices nothing,
// and when the function has come to its senses the instance works.
func FuzzFunction(f *testing.F) {
	encoded := func(m proto.Message) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{0, byte(len(data))}, data...)
	}
	f.Add(true, []byte{3, 3, 3, 3, 3})
	f.Add(false, []byte{3, 3, 1, 3, 2, 3, 3})
	f.Add(true, []byte{3, 0, 0, 3, 0, 2, 0xff, 0xff})
	f.Add(true, append([]byte{3}, encoded(livetest.Reply(1, "forged", "x"))...))
	f.Add(true, append([]byte{3}, encoded(livetest.Reply(7, "wrong"))...))
	f.Add(true, append([]byte{3}, encoded(livetest.Refusal(1, "no", true))...))
	f.Add(true, encoded(livetest.Failure(0, "boom")))
	f.Add(false, append([]byte{3}, encoded(livetest.Update(1, "forged"))...))
	f.Add(false, append([]byte{3}, encoded(livetest.Deletion(1, ""))...))
	f.Fuzz(func(t *testing.T, eventSourced bool, script []byte) {
		kind := values
		if eventSourced {
			kind = lists
		}
		synctest.Test(t, func(t *testing.T) { survive(t, kind, script) })
	})
}

func survive(t *testing.T, kind *route.Entity, script []byte) {
	r := newRig(t)
	l := &liar{rig: r, kind: kind, victim: "victim", script: livetest.NewScript(script)}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { l.accept(ctx, &work) })
	ask := func(id string) error { return (<-r.submitTo(kind, id, "x").out).Err }
	for range 4 {
		first, second := r.submitTo(kind, l.victim, "x"), r.submitTo(kind, l.victim, "x")
		if err := ask("other"); err != nil {
			t.Errorf("another instance got %v", err)
		}
		<-first.out
		<-second.out
	}
	l.script.End()
	if err := livetest.Recovers(func() error { return ask(l.victim) }); err != nil {
		t.Errorf("the instance does not recover: %v", err)
	}
	r.close()
	cancel()
	work.Wait()
}

// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live/livetest"
)

// A liar is a function that does what a fuzzer thinks of in the streams of one
// instance, and is honest in all others, and when the fuzzer has no more to say.
type liar struct {
	victim string
	script *livetest.Script
}

// serve answers each message as the script says.
func (l *liar) serve(s side) {
	lying := false
	for {
		var m *in
		select {
		case m = <-s.in:
		case <-s.half:
			s.end(io.EOF)
			return
		case <-s.canceled:
			return
		}
		if m.GetInit() != nil {
			lying = m.GetInit().GetEntityId() == l.victim && l.script.More()
		}
		do, said := livetest.Honest, []byte(nil)
		if lying {
			var ok bool
			if do, said, ok = l.script.Next(); !ok {
				do = livetest.Ends
			}
		}
		switch do {
		case livetest.Says:
			if said != nil {
				s.stream.out <- said
			}
		case livetest.Ends:
			s.end(io.EOF)
			return
		case livetest.Breaks:
			s.end(entity.ErrProtocol)
			return
		case livetest.Honest:
			if answer := honestly(m); answer != nil {
				s.send(answer)
			}
		}
	}
}

// honestly returns the answer to a message, nil if none is due.
func honestly(m *in) *out {
	switch {
	case m.GetCommand() != nil:
		return &out{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{
			CommandId: m.GetCommand().GetId(), Streamed: m.GetCommand().GetStreamed(),
		}}}
	case m.GetStreamCancelled() != nil:
		return &out{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{
			StreamCancelledResponse: &cloudstate.CrdtStreamCancelledResponse{CommandId: m.GetStreamCancelled().GetId()},
		}}
	}
	return nil
}

// FuzzFunction has a function do anything at all in the streams of one instance:
// each of its clients gets exactly one outcome, also that of a streamed call,
// another instance notices nothing, and when the function has come to its senses
// the instance works.
func FuzzFunction(f *testing.F) {
	said := func(m *out) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{3, 0, byte(len(data))}, data...)
	}
	count := &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: &cloudstate.CrdtDelta{
		Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: 1}},
	}}}
	f.Add([]byte{3, 3, 3, 3, 3, 3})
	f.Add([]byte{3, 3, 1, 3, 2, 3, 3})
	f.Add([]byte{3, 0, 0, 3, 0, 2, 0xff, 0xff})
	f.Add(said(&out{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{CommandId: 1, StateAction: count}}}))
	f.Add(said(&out{Message: &cloudstate.CrdtStreamOut_Reply{Reply: &cloudstate.CrdtReply{CommandId: 9, Streamed: true}}}))
	f.Add(said(&out{Message: &cloudstate.CrdtStreamOut_StreamedMessage{StreamedMessage: &cloudstate.CrdtStreamedMessage{CommandId: 1, EndStream: true}}}))
	f.Add(said(&out{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &cloudstate.CrdtStreamCancelledResponse{CommandId: 2, StateAction: count}}}))
	f.Add(said(&out{Message: &cloudstate.CrdtStreamOut_Failure{Failure: &cloudstate.Failure{CommandId: 1, Description: "boom"}}}))
	f.Fuzz(func(t *testing.T, script []byte) {
		bubble(t, func(r *rig) { survive(r, script) })
	})
}

func survive(r *rig, script []byte) {
	t := r.t
	l := &liar{victim: "victim", script: livetest.NewScript(script)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for {
			select {
			case s := <-r.fn.streams:
				go l.serve(side{s, t})
			case <-ctx.Done():
				return
			}
		}
	}()
	ask := func(id string) error { return (<-r.submit(id, "Do").out).Err }
	watching := r.monitor(l.victim, 1000)
	for range 4 {
		first, second := r.submit(l.victim, "Do"), r.submit(l.victim, "Do")
		if err := ask("other"); err != nil {
			t.Errorf("another instance got %v", err)
		}
		<-first.out
		<-second.out
	}
	l.script.End()
	watching.cancel()
	<-watching.end
	if err := livetest.Recovers(func() error { return ask(l.victim) }); err != nil {
		t.Errorf("the instance does not recover: %v", err)
	}
	if err := r.set.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("stop: %v", err)
	}
}

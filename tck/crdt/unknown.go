// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/tck/suite"
)

// What a proxy can't know, and targets that are not there.

func unknownForward(service, name, reported string) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		q := s.asks()
		a.takes()
		m := reply(2, forwards(s.key))
		to := m.GetReply().GetClientAction().GetForward()
		to.ServiceName, to.CommandName = service, name
		a.Says(m)
		q.Troubled()
		t.Reported(reported)
		s.over()
	}
}

func unknownEffect(synchronous bool) func(*suite.T) {
	return func(t *suite.T) {
		s := newScene(t)
		a := s.counts()
		q := s.asks()
		a.takes()
		m := reply(2, says(gCounter(3)), effectsOf(synchronous, []string{s.key}))
		m.GetReply().GetSideEffects()[0].ServiceName = "tck.Unknown"
		a.Says(m)
		q.is(gCounter(3))
		t.Reported("tck.Unknown")
		s.over()
	}
}

// unknownElement has a set, whatever the function itself makes of that key.
func unknownElement(t *suite.T) {
	set := &delta{Delta: &cloudstate.CrdtDelta_Gset{Gset: &cloudstate.GSetDelta{
		Added: []*anypb.Any{{TypeUrl: "type.googleapis.com/tck.Unknown", Value: []byte{0xff}}},
	}}}
	s := newScene(t)
	q := s.asks()
	a := s.opens(nil)
	a.takes()
	a.Says(reply(1, nil, updated(set)))
	q.is(nil)
	q = s.asks()
	a.takes()
	a.Leaves(crashed(0, "forget it"))
	q.Fails("forget it")

	q = s.asks()
	a = s.opens(set)
	a.takes()
	a.Says(reply(1, nil))
	q.is(nil)
	s.over()
}

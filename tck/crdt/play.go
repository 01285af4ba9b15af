// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proto/cloudstate/tck/model/crdt"
	"github.com/kairn-dev/kairn/tck/suite"
)

// A stream is one to the function, with the suite as proxy.
type stream struct {
	t *suite.T
	*suite.Stream[streamIn, streamOut]
	key string
	id  int64 // of the last command
}

// open opens a stream for an instance that others have brought to a state; d is
// nil if there are no others.
func (s *stream) open(d *delta) {
	s.Stream = suite.Open(s.t, cloudstate.NewCrdtClient(s.t.Function).Handle)
	s.Stream.Send(initial(modelService, s.key, d))
}

// Send sends a message; the first one in a stream that begins with nothing.
func (s *stream) Send(m *streamIn) {
	if s.Stream == nil {
		s.open(nil)
	}
	s.Stream.Send(m)
}

// expect waits for the next message and compares it; what has no order may come
// in any.
func (s *stream) expect(want *streamOut) {
	want, got := proto.CloneOf(want), s.Next()
	for _, m := range []*streamOut{want, got} {
		arrange(m.GetReply().GetStateAction().GetUpdate())
		arrange(m.GetStreamCancelledResponse().GetStateAction().GetUpdate())
	}
	s.t.Equal("what comes back", want, got)
}

// ask sends the next command and returns its id.
func (s *stream) ask(actions ...*action) int64 {
	s.id++
	s.Send(command("Process", s.id, s.key, request(s.key, actions...)))
	return s.id
}

// watch sends the next command, a streamed one, and returns its id.
func (s *stream) watch(in *crdt.StreamedRequest) int64 {
	s.id++
	in.Id = s.key
	s.Send(command("ProcessStreamed", s.id, s.key, in))
	return s.id
}

// gets sends the next command and expects that reply.
func (s *stream) gets(want *state, parts []part, actions ...*action) {
	s.expect(reply(s.ask(actions...), says(want), parts...))
}

// makes sends the next command, which makes changes: the client gets want, and
// the proxy d, nil if nothing has changed.
func (s *stream) makes(want *state, d *delta, changes ...*change) {
	s.gets(want, []part{updated(d)}, updates(changes...)...)
}

// A step is one of a case.
type step func(*stream)

// play returns a case that consists of steps, for an instance of a type.
func play(kind string, steps ...step) func(*suite.T) {
	return func(t *suite.T) {
		s := &stream{t: t, key: t.KeyOf(kind)}
		for _, do := range steps {
			do(s)
		}
		s.Close()
	}
}

// makes is a command with changes: the client gets want, and the proxy d, nil if
// nothing has changed.
func makes(want *state, d *delta, changes ...[]*change) step {
	return func(s *stream) { s.makes(want, d, slices.Concat(changes...)...) }
}

// reads is a command that changes nothing.
func reads(want *state) step { return makes(want, nil) }

// hears is a change that others have made.
func hears(d *delta) step {
	return func(s *stream) { s.Send(replicated(d)) }
}

// deletes is a command that deletes the instance in the end.
func deletes(want *state, changes ...[]*change) step {
	return func(s *stream) {
		s.gets(want, []part{deleted()}, append(updates(slices.Concat(changes...)...), remove())...)
	}
}

// isDeleted is the deletion by others.
func isDeleted() step {
	return func(s *stream) { s.Send(deletion()) }
}

// again ends the stream, if there is one, and opens another one, in which d is
// known.
func again(d *delta) step {
	return func(s *stream) {
		if s.Stream != nil {
			s.Close()
		}
		s.id = 0
		s.open(d)
	}
}

// from has the first stream that is used begin with d known.
func from(d *delta, steps ...step) []step {
	return append([]step{again(d)}, steps...)
}

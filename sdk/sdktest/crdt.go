// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

var (
	errDeleted    = status.Error(codes.NotFound, "the instance has been deleted")
	errTerminated = status.Error(codes.Internal, "the instance has ended")
)

// replicated is what is known of a CRDT.
type replicated struct {
	data     *cloudstate.CrdtDelta // all of it; nil if there is none
	deleted  bool
	watchers map[int64]*watcher // by command
}

// abandon ends the streamed commands, whose instance has ended.
func (r *replicated) abandon() {
	why := errTerminated
	if r.deleted {
		why = errDeleted
	}
	for _, w := range r.watchers {
		w.add(note{over: why})
	}
	r.watchers = nil
}

// store does what a command asks for.
func (r *replicated) store(a *cloudstate.CrdtStateAction) {
	switch a := a.GetAction().(type) {
	case *cloudstate.CrdtStateAction_Update:
		r.data = merged(r.data, a.Update)
	case *cloudstate.CrdtStateAction_Delete:
		r.data, r.deleted = nil, true
	}
}

// A crdt is the stream of a CRDT's instance. One message may lead to many, so it
// has the function say when it is ready for the next one.
type crdt struct {
	grpc.ServerStream
	of     *instance
	ctx    context.Context //nolint:containedctx // gRPC's streams have one
	cancel context.CancelFunc
	in     chan *cloudstate.CrdtStreamIn // closed by the proxy
	ready  chan struct{}
	done   chan struct{} // closed when the function has ended its side

	// Belongs to the function from a message to when it is ready, then to the proxy.
	out  []*cloudstate.CrdtStreamOut
	busy bool
}

func openCRDT(fn cloudstate.CrdtServer, i *instance) *crdt {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // a stream outlives the call that opens it
	s := &crdt{of: i, ctx: ctx, cancel: cancel, in: make(chan *cloudstate.CrdtStreamIn), ready: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = fn.Handle(&grpc.GenericServerStream[cloudstate.CrdtStreamIn, cloudstate.CrdtStreamOut]{ServerStream: s}) // the next message finds out
	}()
	s.ask(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Init{
		Init: &cloudstate.CrdtInit{ServiceName: i.service, EntityId: i.id, Delta: i.crdt.data},
	}})
	return s
}

// ask gives the function a message and waits until it is ready for the next one.
// What it has said meanwhile is in out.
func (s *crdt) ask(in *cloudstate.CrdtStreamIn) {
	select {
	case s.in <- in:
	case <-s.done:
		return
	}
	select {
	case <-s.ready:
	case <-s.done:
	}
}

// exchange gives the function a command.
func (s *crdt) exchange(c *cloudstate.Command) answer {
	s.ask(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Command{Command: c}})
	a := gone()
	for _, m := range s.said() {
		switch m := m.GetMessage().(type) {
		case *cloudstate.CrdtStreamOut_Reply:
			a = answer{id: m.Reply.GetCommandId(), action: m.Reply.GetClientAction()}
			a.store = func() {
				s.of.crdt.store(m.Reply.GetStateAction())
				if s.of.crdt.deleted {
					s.of.end()
				}
			}
			a.effects, a.goesOn = m.Reply.GetSideEffects(), m.Reply.GetStreamed()
		case *cloudstate.CrdtStreamOut_Failure:
			return answer{fault: m.Failure}
		}
	}
	return a
}

// said returns what the function has said, and gives those who watch their part.
func (s *crdt) said() []*cloudstate.CrdtStreamOut {
	out := s.out
	s.out = nil
	for _, m := range out {
		if m := m.GetStreamedMessage(); m != nil {
			s.of.pass(m)
		}
	}
	return out
}

// pass gives a message to who watches.
func (i *instance) pass(m *cloudstate.CrdtStreamedMessage) {
	a := m.GetClientAction()
	o := &outcome{effects: m.GetSideEffects(), reply: a.GetReply(), forward: a.GetForward(), failure: a.GetFailure(), goesOn: !m.GetEndStream()}
	if w := i.crdt.watchers[m.GetCommandId()]; w != nil {
		w.add(note{outcome: o})
	}
	if m.GetEndStream() {
		delete(i.crdt.watchers, m.GetCommandId())
	}
}

// hear tells the function what others have done.
func (i *instance) hear(d *cloudstate.CrdtDelta) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.crdt.data = heard(i.crdt.data, d)
	if s, ok := i.stream.(*crdt); ok {
		s.ask(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_Delta{Delta: d}})
		i.endIfFailed(s.said())
	}
}

// leave tells the function that who watches has gone, and returns the effects of
// that.
func (i *instance) leave(w *watcher) []*cloudstate.SideEffect {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.stream.(*crdt)
	if i.crdt.watchers[w.id] != w || !ok {
		return nil
	}
	delete(i.crdt.watchers, w.id)
	s.ask(&cloudstate.CrdtStreamIn{Message: &cloudstate.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &cloudstate.StreamCancelled{EntityId: i.id, Id: w.id},
	}})
	out := s.said()
	var effects []*cloudstate.SideEffect
	for _, m := range out {
		if r := m.GetStreamCancelledResponse(); r != nil {
			i.crdt.store(r.GetStateAction())
			effects = append(effects, r.GetSideEffects()...)
		}
	}
	i.endIfFailed(out)
	return effects
}

// endIfFailed ends an instance that can't go on, or has been deleted.
func (i *instance) endIfFailed(out []*cloudstate.CrdtStreamOut) {
	failed := i.crdt.deleted
	for _, m := range out {
		failed = failed || m.GetFailure() != nil
	}
	if failed {
		i.end()
	}
}

// end ends the stream and waits until the function has ended its side.
func (s *crdt) end() {
	close(s.in)
	<-s.done
	s.cancel()
}

func (s *crdt) Context() context.Context     { return s.ctx }
func (s *crdt) SetHeader(metadata.MD) error  { return nil }
func (s *crdt) SendHeader(metadata.MD) error { return nil }
func (s *crdt) SetTrailer(metadata.MD)       {}

// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// RecvMsg gives the function what the proxy has sent, encoded and decoded.
func (s *crdt) RecvMsg(m any) error {
	if s.busy {
		s.busy = false
		s.ready <- struct{}{} // whoever has asked waits for it
	}
	in, ok := <-s.in
	if !ok {
		return io.EOF
	}
	s.busy = true
	return transfer(in, m)
}

// SendMsg takes what the function says.
func (s *crdt) SendMsg(m any) error {
	out := &cloudstate.CrdtStreamOut{}
	if err := transfer(m, out); err != nil {
		return err
	}
	s.out = append(s.out, out)
	return nil
}

// A watcher is a streamed command of a CRDT, for the client.
type watcher struct {
	caller context.Context //nolint:containedctx // gRPC's streams have one
	cancel context.CancelFunc
	proxy  *Proxy
	method string
	of     *instance
	id     int64 // of the command; set before anything is added

	mu    sync.Mutex // protects notes
	notes []note
	added chan struct{} // has room for one: there may be notes

	replies chan *cloudstate.Reply // closed when there will be no more
	over    error                  // how the call ended for the client; set before replies is closed
	gone    chan struct{}          // closed when all is over; nil before the request
}

// A note is what a watcher has to pass on, or how it ends.
type note struct {
	outcome *outcome
	over    error
}

// watch begins a streamed command of a CRDT.
func (p *Proxy) watch(ctx context.Context, fullMethod string) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	return &watcher{
		caller: ctx, cancel: cancel, proxy: p, method: fullMethod,
		added: make(chan struct{}, 1), replies: make(chan *cloudstate.Reply),
	}
}

func (w *watcher) add(n note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, n)
	select {
	case w.added <- struct{}{}:
	default:
	}
}

// SendMsg gives the function the request.
func (w *watcher) SendMsg(m any) error {
	request := m.(proto.Message)
	service, name := split(w.method)
	id, err := entityKey(request)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	payload, err := anypb.New(request)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	md, _ := metadata.FromOutgoingContext(w.caller)
	w.of = w.proxy.instance(w.proxy.entities[service], id)
	w.gone = make(chan struct{})
	w.proxy.mu.Lock()
	w.proxy.streams[w] = true
	w.proxy.mu.Unlock()
	w.of.begin(w, &cloudstate.Command{EntityId: id, Name: name, Payload: payload, Metadata: fromMD(md), Streamed: true})
	go w.deliver()
	return nil
}

// begin gives the function the command of a watcher.
func (i *instance) begin(w *watcher, c *cloudstate.Command) {
	i.mu.Lock()
	defer i.mu.Unlock()
	o, err := i.handleOne(w.caller, c)
	if err != nil {
		w.add(note{over: err})
		return
	}
	w.id = c.GetId()
	w.add(note{outcome: o})
	if !o.goesOn {
		return
	}
	if i.crdt.watchers == nil {
		i.crdt.watchers = map[int64]*watcher{}
	}
	i.crdt.watchers[w.id] = w
}

// deliver passes on what comes, one after the other.
func (w *watcher) deliver() {
	for w.over == nil {
		select {
		case <-w.added:
			w.passOn()
		case <-w.caller.Done():
			w.over = status.FromContextError(w.caller.Err()).Err()
		}
	}
	close(w.replies)
	w.proxy.runEffects(context.WithoutCancel(w.caller), w.of.leave(w), 0)
	w.proxy.mu.Lock()
	delete(w.proxy.streams, w)
	w.proxy.mu.Unlock()
	close(w.gone)
}

// passOn passes on what there is.
func (w *watcher) passOn() {
	w.mu.Lock()
	notes := w.notes
	w.notes = nil
	w.mu.Unlock()
	for _, n := range notes {
		if w.over == nil {
			w.over = w.pass(n)
		}
	}
}

func (w *watcher) pass(n note) error {
	if n.outcome == nil {
		return n.over
	}
	reply, err := w.proxy.follow(w.caller, n.outcome, 0)
	if err != nil {
		return err
	}
	if reply != nil {
		select {
		case w.replies <- reply:
		case <-w.caller.Done():
			return status.FromContextError(w.caller.Err()).Err()
		}
	}
	if !n.outcome.goesOn {
		return io.EOF
	}
	return nil
}

// RecvMsg waits for the next reply.
func (w *watcher) RecvMsg(into any) error {
	reply, ok := <-w.replies
	if !ok {
		return w.over
	}
	return unpack(reply, into, w.method)
}

func (w *watcher) stop() {
	w.cancel()
	<-w.gone
}

func (w *watcher) Context() context.Context     { return w.caller }
func (w *watcher) CloseSend() error             { return nil }
func (w *watcher) Header() (metadata.MD, error) { return nil, nil }
func (w *watcher) Trailer() metadata.MD         { return nil }

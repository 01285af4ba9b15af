// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"fmt"
	"io"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Tell calls m, whose request is not streamed, with an event of source, and returns
// how that has ended. It does what the answers ask for; the replies go nowhere. A
// chain of calls that is too long is told to the function.
func (r *Router) Tell(ctx context.Context, m *route.Method, source entity.Key, call entity.Call) error {
	h := &hop{how: "event of", service: source.Entity, command: source.ID, deep: call.Depth}
	if call.Depth > r.MaxDepth {
		return r.refused(fmt.Errorf("%d calls in a chain%v: %w", call.Depth, h, entity.ErrLoop), h)
	}
	if m.ServerStreams {
		s := &streaming{router: r, call: call, method: m, client: nobody{}, from: h}
		return r.Streams.Stream(ctx, m, call, s.client.Recv, func(o entity.Outcome) error { return s.handle(ctx, o) })
	}
	id, err := m.Key(call.Payload)
	if err != nil {
		return err
	}
	call.Deadline, _ = ctx.Deadline()
	answered := make(chan error, 1) // nobody may take it
	r.submit(m, id, call, h, func(a entity.Answer) { answered <- a.Err })
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s/%s did not answer in time: %w", m.Service, m.Name, entity.ErrDeadline)
	}
}

// nobody takes the replies of a call.
type nobody struct{}

// Recv returns the end of the requests.
func (nobody) Recv() ([]byte, error) { return nil, io.EOF }

// Send forgets a reply.
func (nobody) Send([]byte, entity.Metadata) error { return nil }

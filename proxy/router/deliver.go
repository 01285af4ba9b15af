// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

// To returns the instance or method that row is for, as a text.
func (r *Router) To(row *entity.OutboxRow) string {
	t := &row.Target
	call := entity.Call{Service: t.Service, Command: t.Command, Payload: t.Payload.Value}
	if method, id, err := r.target(&call, nil); err == nil && method.Entity.Type != route.Action {
		return method.Entity.Name + "\x00" + id
	}
	return t.Service + "/" + t.Command
}

// Deliver carries out the call that row asks for. It never blocks. done is called
// once, maybe before Deliver returns. A target that does not exist, or that is one
// too many in a chain, is told to the function.
func (r *Router) Deliver(row *entity.OutboxRow, done func(entity.Answer)) {
	t := &row.Target
	call := entity.Call{
		Service: t.Service, Command: t.Command, Payload: t.Payload.Value, Metadata: t.Meta,
		Key: row.ID.Key(), Deadline: time.Now().Add(r.EffectTime),
	}
	h := &hop{how: "side effect of", service: row.Source.Entity, command: row.Source.ID, deep: row.Depth}
	if row.Kind == entity.Forward {
		h.how = "forwarded from"
	}
	if row.Depth > r.MaxDepth {
		err := fmt.Errorf("%d calls in a chain%v: %w", row.Depth, h, entity.ErrLoop)
		done(entity.Answer{Err: r.refused(err, h)})
		return
	}
	method, id, err := r.target(&call, h)
	if err != nil {
		done(entity.Answer{Err: err})
		return
	}
	r.submit(method, id, call, h, done)
}

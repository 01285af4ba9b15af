// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
	"github.com/kairn-dev/kairn/proxy/route"
)

// Stream carries out a call of m, whose replies are streamed, at the instance
// id, and returns how it has ended. It calls out for what the function answers,
// one after the other; an error of that ends the call, and so does ctx. After it
// has returned it calls out for effects that there still are.
func (s *Set) Stream(ctx context.Context, m *route.Method, id string, call entity.Call, out func(entity.Outcome) error) error {
	f := &follower{outcomes: make(chan entity.Outcome, 1), end: make(chan error, 1), out: out}
	f.call = &exchange.Call{
		Call: call, TypeURL: m.InputURL, Headers: m.Entity.Headers.Of(call.Metadata), Streamed: true, Arrived: time.Now(),
		Put: f.put, End: func(err error) { f.end <- err },
	}
	in := s.submit(m.Entity, id, f.call)
	if in == nil {
		return <-f.end
	}
	f.in = in
	for {
		select {
		case o := <-f.outcomes:
			err := out(o)
			if o.Err != nil {
				err = o.Err
			}
			if err != nil {
				f.leave(err)
				in.taken(f.call)
				return err
			}
			in.taken(f.call)
		case err := <-f.end:
			return err
		case <-ctx.Done():
			err := gone(ctx, call)
			f.leave(err)
			return err
		}
	}
}

// gone says why ctx has ended.
func gone(ctx context.Context, call entity.Call) error {
	err := entity.ErrCanceled
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = entity.ErrDeadline
	}
	return fmt.Errorf("%s/%s: %w: %w", call.Service, call.Command, err, context.Cause(ctx))
}

// A follower is the caller's end of a streamed call.
type follower struct {
	in       *awake
	call     *exchange.Call
	outcomes chan entity.Outcome // has room for the one that there may be
	end      chan error          // has room for it
	out      func(entity.Outcome) error

	mu   sync.Mutex // protects left
	left bool       // the caller's goroutine does not wait any more
}

func (f *follower) put(o entity.Outcome) {
	f.mu.Lock()
	left := f.left
	if !left {
		f.outcomes <- o
	}
	f.mu.Unlock()
	if left {
		f.behind(o)
	}
}

// leave makes what still comes be handled behind the caller's back.
func (f *follower) leave(err error) {
	f.mu.Lock()
	f.left = true
	f.mu.Unlock()
	f.in.cancel(f.call, err)
	select {
	case o := <-f.outcomes:
		f.behind(o)
	default:
	}
}

// behind carries out the effects of an outcome whose reply nobody wants.
func (f *follower) behind(o entity.Outcome) {
	if len(o.Effects) == 0 {
		f.in.taken(f.call)
		return
	}
	go func() {
		// Whatever becomes of an effect, nobody is left to be told.
		_ = f.out(entity.Outcome{None: true, Effects: o.Effects})
		f.in.taken(f.call)
	}()
}

// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/instance"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/route"
)

// A Function is the user function.
type Function interface {
	live.Function

	// Call calls method with one message and reads its one answer into out.
	// It fails as Open and [live.Stream] do; an error that wraps
	// [entity.ErrUnavailable] and not [entity.ErrUnknownOutcome] means that
	// the function has not got in.
	Call(ctx context.Context, method string, in live.Marshaler, out live.Unmarshaler) error
}

// A Config says what an Actions works with.
type Config struct {
	Function Function
	Report   func(string)  // tells the function what it did wrong; must not block
	Answer   time.Duration // that the function may take for a call of one message with one reply
	Submits  int64         // how many submitted calls may run at once
	Stats    *Stats
}

// Stats counts what an Actions does. Its zero value is ready for use.
type Stats struct {
	Calls    atomic.Int64
	Failed   atomic.Int64 // ended with an error or a failure
	Requests atomic.Int64 // messages sent to the function
	Replies  atomic.Int64 // messages that the function has answered with
}

// Actions carries out calls of actions. Its methods may be called by any
// goroutine.
type Actions struct {
	Config
	submitted atomic.Int64
	spoken    sync.Pool // of *words
}

// Words are what is said in a call of one message with one reply, to be used
// again and again.
type words struct {
	command  command
	response response
}

// New returns an Actions.
func New(cfg Config) *Actions { return &Actions{Config: cfg} }

// Submit carries cmd out, whose method has neither a streamed request nor a
// streamed reply, on a goroutine of its own. It never blocks, and calls
// cmd.Done exactly once.
func (a *Actions) Submit(e *route.Entity, _ string, cmd *instance.Command) {
	if n := a.submitted.Add(1); n > a.Submits {
		a.submitted.Add(-1)
		cmd.Done(entity.Outcome{Err: fmt.Errorf("%d calls of actions run: %w", n-1, entity.ErrOverloaded)})
		return
	}
	go func() {
		o := a.submit(e, cmd)
		a.submitted.Add(-1) // before Done, which may submit the next one of a chain
		cmd.Done(o)
	}()
}

func (a *Actions) submit(e *route.Entity, cmd *instance.Command) entity.Outcome {
	ctx, cancel := contextOf(&cmd.Call)
	defer cancel()
	o, err := a.one(ctx, e, &cmd.Call, cmd.TypeURL)
	if err != nil {
		o.Err = err
	}
	a.count(o.Err)
	return o
}

// contextOf returns a context that ends when nobody waits for call any more.
func contextOf(call *entity.Call) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // nobody waits in Submit, call says who does
	select {
	case <-call.Done:
		cancel()
	default:
	}
	if call.Done != nil {
		go func() {
			select {
			case <-call.Done:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	if call.Deadline.IsZero() {
		return ctx, cancel
	}
	limited, release := context.WithDeadline(ctx, call.Deadline)
	return limited, func() { release(); cancel() }
}

// Call carries out call, whose method has one message and one reply, and returns
// the function's answer, or what the client is to be told.
func (a *Actions) Call(ctx context.Context, m *route.Method, call entity.Call) (entity.Outcome, error) {
	o, err := a.one(ctx, m.Entity, &call, m.InputURL)
	failed := err
	if err == nil {
		failed = o.Err
	}
	a.count(failed)
	return o, err
}

// Stream carries out call, whose request, reply or both are streamed, and returns
// when it has ended: with nil, or with what the client is to be told. It calls out
// for each response of the function, in order; an error of that ends the call. The
// messages of a streamed request come from recv, until that returns an error.
func (a *Actions) Stream(ctx context.Context, m *route.Method, call entity.Call,
	recv func() ([]byte, error), out func(entity.Outcome) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &streamed{Actions: a, method: m, call: &call, recv: recv, out: out, cancel: cancel}
	err := s.run(ctx)
	a.count(err)
	return err
}

func (a *Actions) count(err error) {
	a.Stats.Calls.Add(1)
	if err != nil {
		a.Stats.Failed.Add(1)
	}
}

// one carries out a call of one message with one reply.
func (a *Actions) one(ctx context.Context, e *route.Entity, call *entity.Call, url string) (entity.Outcome, error) {
	if ctx.Err() != nil {
		return entity.Outcome{}, a.explain(ctx, call, ctx.Err())
	}
	limited, cancel := context.WithCancel(ctx) // a deadline would cost the function a timer too
	defer cancel()
	timer := time.AfterFunc(a.Answer, cancel)
	defer timer.Stop()
	speech := e.Speech()
	w, _ := a.spoken.Get().(*words)
	if w == nil {
		w = &words{}
	}
	defer func() {
		*w = words{}
		a.spoken.Put(w)
	}()
	w.command = command{
		part:    first(speech, whole),
		service: call.Service, name: call.Command, metadata: call.Metadata,
		payload: entity.Payload{TypeURL: url, Value: call.Payload},
	}
	a.Stats.Requests.Add(1)
	err := a.Function.Call(limited, speech.Unary, &w.command, &w.response)
	switch {
	case err == nil:
		a.Stats.Replies.Add(1)
		return w.response.result(), nil
	case limited.Err() != nil && ctx.Err() == nil:
		return entity.Outcome{}, fmt.Errorf("%s/%s was not answered within %v: %w", call.Service, call.Command, a.Answer, entity.ErrDeadline)
	default:
		return entity.Outcome{}, a.explain(ctx, call, err)
	}
}

// explain says what err, of the function's side, means for the client of call.
func (a *Actions) explain(ctx context.Context, call *entity.Call, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s/%s: %w", call.Service, call.Command, context.Cause(ctx))
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("user function ended %s/%s before it answered: %w", call.Service, call.Command, entity.ErrProtocol)
	}
	if errors.Is(err, entity.ErrProtocol) {
		a.Report(fmt.Sprintf("%s/%s: %v", call.Service, call.Command, err))
	}
	if own, ok := errors.AsType[*entity.Status](err); ok {
		return own
	}
	return err
}

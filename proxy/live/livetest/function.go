// SPDX-License-Identifier: Apache-2.0

// Package livetest is a user function in memory, for tests of what speaks to
// one.
//
// A [Function] is a live.Function without a network. A test plays the function:
// it takes every [Stream] with [Function.Accept], reads with [Stream.Next] what
// the proxy sends and answers with [Stream.Send]; with [Stream.NextValue] and
// [Stream.SendValue] if it plays a value entity. Messages are encoded on one
// side and decoded on the other, by the generated code on the function's side,
// so that a test sees what a function would see.
//
// [List] is a function to play when it does not matter which: a list that grows
// by one item with each command. What its clients see tells lost, doubled and
// reordered commands apart. [Value] is the same as a value entity.
//
// # Promises
//
// A stream holds Window messages that the function has not read; then the
// proxy's Send blocks, as it does on a connection. A stream that nobody uses
// costs no goroutine. All methods may be called in a bubble of
// testing/synctest; what blocks there, blocks durably.
package livetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
)

// A Function is a user function. Its zero value is one that is up and whose
// streams wait for Accept.
type Function struct {
	// Window is how many messages a stream holds that the function has not
	// read; 0 stands for 16.
	Window int

	// Opened, if set, gets each stream before Open returns, in place of
	// Accept. It must not block.
	Opened func(*Stream)

	mu      sync.Mutex // protects what follows
	away    bool
	streams []*Stream     // that wait for Accept
	more    chan struct{} // closed when there is one; nil if nobody waits
	open    map[*Stream]bool
}

var _ live.Function = (*Function)(nil)

// Open implements [live.Function].
func (f *Function) Open(ctx context.Context, method string) (live.Stream, error) {
	f.mu.Lock()
	if f.away {
		f.mu.Unlock()
		return nil, errAway
	}
	window := f.Window
	if window == 0 {
		window = 16
	}
	s := newStream(ctx, f, method, window)
	if f.open == nil {
		f.open = map[*Stream]bool{}
	}
	f.open[s] = true
	opened := f.Opened
	if opened == nil {
		f.wait(s)
	}
	f.mu.Unlock()
	if opened != nil {
		opened(s)
	}
	return (*proxySide)(s), nil
}

// wait gives s to Accept. It is called with f.mu held.
func (f *Function) wait(s *Stream) {
	f.streams = append(f.streams, s)
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// errAway is what the proxy hears while there is no function.
var errAway = fmt.Errorf("function is away: %w", entity.ErrUnavailable)

// Accept returns the next stream that was opened. It waits for one, until ctx
// ends.
func (f *Function) Accept(ctx context.Context) (*Stream, error) {
	for {
		s, more := f.take()
		if s != nil {
			return s, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, fmt.Errorf("accept a stream: %w", context.Cause(ctx))
		}
	}
}

// take returns a stream that waits, or what tells when there is one.
func (f *Function) take() (*Stream, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) > 0 {
		s := f.streams[0]
		f.streams = f.streams[1:]
		return s, nil
	}
	if f.more == nil {
		f.more = make(chan struct{})
	}
	return nil, f.more
}

// Leave ends all streams as the death of the function's process does, and makes
// Open fail until Return is called.
func (f *Function) Leave() {
	f.mu.Lock()
	f.away, f.streams = true, nil
	open := f.open
	f.open = nil
	f.mu.Unlock()
	for s := range open {
		s.End(errAway)
	}
}

// Return brings the function back.
func (f *Function) Return() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = false
}

// Waiting returns how many streams wait for Accept.
func (f *Function) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.streams)
}

func (f *Function) forget(s *Stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, s)
}

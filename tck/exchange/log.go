// SPDX-License-Identifier: Apache-2.0

// Package exchange records who said what to whom, in one order, so that a case
// can wait for what it expects, find what it did not expect, and show the whole
// when it fails.
//
// A [Log] holds calls, a [Call] holds what its two sides said. Whatever carries
// messages records one before it passes it on. So a message is in the log
// before anything that it caused: who has seen an answer will find the question
// there.
//
// Each side's messages in a call are read once, in order, with [Call.Next].
// What nobody has read when a case is over was not expected.
package exchange

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A Link is where a call was seen: between these two.
type Link struct {
	Caller, Callee string
}

// The links of a run.
var (
	ClientToProxy   = Link{"client", "proxy"}   // the suite is the client
	ProxyToFunction = Link{"proxy", "function"} // the suite is in between
	SuiteToFunction = Link{"suite", "function"} // the suite plays the proxy
)

// A Side is one of the two ends of a call.
type Side int

// The sides of a call.
const (
	Caller Side = iota
	Callee
)

// An Entry is one thing that one side of a call did.
type Entry struct {
	Call    *Call
	From    Side
	Message proto.Message // nil if this is the end of what From says
	Err     error         // of an end: why, nil if all is well
	At      time.Duration // since the log was begun
}

// End reports whether this is the end of what a side says.
func (e *Entry) End() bool { return e.Message == nil }

// A Log is a record of calls. Its methods, and those of its calls, may be
// called by any goroutine.
type Log struct {
	begun time.Time

	mu      sync.Mutex // protects what follows, and the calls
	calls   []*Call
	entries []*Entry
	changed chan struct{} // closed and replaced with every change
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{begun: time.Now(), changed: make(chan struct{})} }

// A Call is one call of a method.
type Call struct {
	Link   Link
	Method string // full name, with slashes
	Number int    // in its log, from 1

	log     *Log
	entries [2][]*Entry // by side; protected by log.mu
	read    [2]int      // how many of them were read
	claimed bool
	ignored bool
}

// Open records the beginning of a call.
func (l *Log) Open(link Link, method string) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &Call{Link: link, Method: method, Number: len(l.calls) + 1, log: l}
	l.calls = append(l.calls, c)
	l.change()
	return c
}

// Say records a message. Nothing is recorded of a side after its end, or after
// the end of the callee, which ends the call.
func (c *Call) Say(from Side, m proto.Message) { c.add(&Entry{From: from, Message: proto.Clone(m)}) }

// End records that a side says no more, and why if not all is well.
func (c *Call) End(from Side, err error) { c.add(&Entry{From: from, Err: err}) }

func (c *Call) add(e *Entry) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	said := c.entries[e.From]
	if c.over(e.From) || c.over(Callee) {
		return
	}
	e.Call, e.At = c, time.Since(l.begun)
	c.entries[e.From] = append(said, e)
	l.entries = append(l.entries, e)
	l.change()
}

// over reports whether a side has said all it had to say. The caller holds mu.
func (c *Call) over(side Side) bool {
	said := c.entries[side]
	return len(said) > 0 && said[len(said)-1].End()
}

// change wakes those who wait. The caller holds mu.
func (l *Log) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// until waits until done, which is called with mu held, returns true.
func (l *Log) until(ctx context.Context, done func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := done(), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Next waits for what a side does next that was not read yet.
func (c *Call) Next(ctx context.Context, from Side) (*Entry, error) {
	var next *Entry
	err := c.log.until(ctx, func() bool {
		if c.read[from] == len(c.entries[from]) {
			return false
		}
		next = c.entries[from][c.read[from]]
		c.read[from]++
		return true
	})
	return next, err
}

// first returns the first message of the caller, nil if there is none yet. The
// caller holds mu.
func (c *Call) first() proto.Message {
	if len(c.entries[Caller]) == 0 {
		return nil
	}
	return c.entries[Caller][0].Message
}

// Claim waits for a call that nobody has claimed and that fits, and claims it.
// The function is given the call's first message, and must not call methods of
// the log.
func (l *Log) Claim(ctx context.Context, fits func(c *Call, first proto.Message) bool) (*Call, error) {
	var found *Call
	err := l.until(ctx, func() bool {
		i := slices.IndexFunc(l.calls, func(c *Call) bool {
			return !c.claimed && c.first() != nil && fits(c, c.first())
		})
		if i < 0 {
			return false
		}
		found = l.calls[i]
		found.claimed = true
		return true
	})
	return found, err
}

// First returns the first message of the caller, nil if there is none yet.
func (c *Call) First() proto.Message {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.first()
}

// Ignore says that anything may happen in this call.
func (c *Call) Ignore() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.claimed, c.ignored = true, true
}

// Ignore ignores the calls so far that fit, as Claim would find them.
func (l *Log) Ignore(fits func(c *Call, first proto.Message) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if !c.ignored && c.first() != nil && fits(c, c.first()) {
			c.claimed, c.ignored = true, true
		}
	}
}

// IgnoreSilent says that anything may happen in the calls so far over a link in
// which the caller has said nothing.
func (l *Log) IgnoreSilent(link Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.Link == link && c.first() == nil {
			c.claimed, c.ignored = true, true
		}
	}
}

// A Mark is a point of time in a log.
type Mark struct{ calls, entries int }

// Mark returns the present.
func (l *Log) Mark() Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Mark{len(l.calls), len(l.entries)}
}

// Wait waits until something has been recorded since a mark.
func (l *Log) Wait(ctx context.Context, since Mark) error {
	return l.until(ctx, func() bool { return len(l.entries) > since.entries })
}

// Between returns what happened from one mark to another.
func (l *Log) Between(from, to Mark) []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries[from.entries:to.entries])
}

// Unread takes what nobody has read of the calls that were seen on link, and
// reads it.
func (l *Log) Unread(link Link) []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var left []*Entry
	for _, e := range l.entries {
		c := e.Call
		if c.Link == link && !c.ignored && slices.Index(c.entries[e.From], e) >= c.read[e.From] {
			left = append(left, e)
		}
	}
	for _, e := range left {
		e.Call.claimed = true
		e.Call.read[e.From] = len(e.Call.entries[e.From])
	}
	return left
}

// String returns the entry for people: who, to whom, in which call, what.
func (e *Entry) String() string {
	from, to := e.Call.Link.Caller, e.Call.Link.Callee
	if e.From == Callee {
		from, to = to, from
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%7.1fms  %s > %s  #%d %s", float64(e.At.Microseconds())/1000, from, to, e.Call.Number, e.Call.Method)
	switch {
	case e.Message != nil:
		fmt.Fprintf(&b, "\n%s", indent(Text(e.Message)))
	case e.Err != nil:
		s := status.Convert(e.Err)
		fmt.Fprintf(&b, "\n    ends with %v: %q", s.Code(), s.Message())
	default:
		b.WriteString("\n    ends")
	}
	return b.String()
}

// SPDX-License-Identifier: Apache-2.0

// Package floor is the least that a proxy on grpc-go can do and still keep the
// promise that matters: an acknowledged event is on the disk. It is what the
// speed of the real proxy is measured against.
//
// A call's message is passed on as bytes, its key read from the wire. Each key
// has one stream to the user function and one goroutine that reads from it. The
// next command of a key goes to the function as soon as the function has
// answered the one before; the client is answered when the events are durable,
// in order. One goroutine writes what has queued up, with one sync for all of
// it.
//
// Left out: errors of any kind (the first one ends the process), deadlines,
// cancellation, metadata, limits, passivation, snapshots, replay, discovery,
// the check of what the function answers, metrics.
package floor

import (
	"context"
	"errors"
	"path"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/kairn-dev/kairn/hack/bench/raw"
	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// A Proxy passes calls on to a user function.
type Proxy struct {
	function  grpc.ClientConnInterface // carries bytes: [raw.Codec]
	committer *committer
	failed    chan error // has room for the first error

	mu        sync.Mutex // protects instances
	instances map[string]*instance
}

// A call is one command on its way.
type call struct {
	key    string
	msg    []byte // the request's, later the reply's message
	name   string
	seq    int64
	events []byte
	of     *instance
	done   chan struct{} // has room for the signal that the reply may go
}

type instance struct {
	stream  grpc.ClientStream
	pending atomic.Int64 // calls whose events are not durable yet

	mu    sync.Mutex // protects the fields below
	queue []*call    // the first of them is with the function
	seq   int64
}

// New returns a proxy that stores events in log.
func New(function grpc.ClientConnInterface, log Log) *Proxy {
	return &Proxy{
		function:  function,
		committer: &committer{log: log, wake: make(chan struct{}, 1)},
		failed:    make(chan error, 1),
		instances: map[string]*instance{},
	}
}

// Run commits until ctx is done or anything fails.
func (p *Proxy) Run(ctx context.Context) error {
	go func() { p.fail(p.committer.run(ctx)) }()
	select {
	case err := <-p.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (p *Proxy) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// Handler returns the handler of all calls. Streams to the function live as
// long as ctx.
func (p *Proxy) Handler(ctx context.Context) grpc.StreamHandler {
	return func(_ any, s grpc.ServerStream) error { return p.handle(ctx, s) }
}

func (p *Proxy) handle(ctx context.Context, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	c := &call{name: path.Base(method), done: make(chan struct{}, 1)}
	if err := s.RecvMsg(&c.msg); err != nil {
		return err
	}
	c.key = string(raw.Field(c.msg, 1))
	if err := p.submit(ctx, c); err != nil {
		p.fail(err)
		return err
	}
	<-c.done
	return s.SendMsg(&c.msg)
}

func (p *Proxy) submit(ctx context.Context, c *call) error {
	i, err := p.instance(ctx, c.key)
	if err != nil {
		return err
	}
	c.of = i
	i.mu.Lock()
	i.seq++
	c.seq = i.seq
	i.queue = append(i.queue, c)
	first := len(i.queue) == 1
	i.mu.Unlock()
	if first {
		return i.send(c)
	}
	return nil
}

func (p *Proxy) instance(ctx context.Context, key string) (*instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.instances[key]; i != nil {
		return i, nil
	}
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	s, err := p.function.NewStream(ctx, desc, cloudstate.EventSourced_Handle_FullMethodName)
	if err != nil {
		return nil, err
	}
	m := initMessage(key)
	if err := s.SendMsg(&m); err != nil {
		return nil, err
	}
	i := &instance{stream: s}
	p.instances[key] = i
	go func() { p.fail(i.read(p.committer)) }()
	return i, nil
}

func (i *instance) send(c *call) error {
	m := commandMessage(c)
	return i.stream.SendMsg(&m)
}

// read takes the function's answers, each for the first call of the queue.
func (i *instance) read(committer *committer) error {
	for {
		var out []byte
		if err := i.stream.RecvMsg(&out); err != nil {
			return err
		}
		i.mu.Lock()
		c := i.queue[0]
		i.queue = i.queue[1:]
		var next *call
		if len(i.queue) > 0 {
			next = i.queue[0]
		}
		i.mu.Unlock()
		if next != nil {
			if err := i.send(next); err != nil {
				return err
			}
		}
		var ok bool
		if c.msg, c.events, ok = parseReply(out); !ok {
			return errors.New("the function failed")
		}
		if c.events == nil && i.pending.Load() == 0 {
			c.done <- struct{}{}
			continue
		}
		i.pending.Add(1)
		committer.add(c)
	}
}

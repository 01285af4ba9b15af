// SPDX-License-Identifier: Apache-2.0

// Package intercept stands between a proxy and a user function. It listens
// where the proxy believes the function to be, records every call and message
// in an [exchange.Log], and passes it on unchanged, unknown fields, metadata,
// half-closes, cancellation and statuses included.
//
// It knows no protocol: it takes any method whose descriptor is linked into the
// program. All that it understands is which entity instance a stream is for,
// which the first message says; a case may divert the streams of an instance to
// another function, see [Interceptor.Divert].
package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/kairn-dev/kairn/tck/exchange"
)

// maxMessage is above what any proxy or function takes, so that their limits
// are seen and not ours.
const maxMessage = 64 << 20

// An Interceptor passes calls on. Make it with [New].
type Interceptor struct {
	log      *exchange.Log
	function grpc.ClientConnInterface

	mu       sync.Mutex // protects what follows
	diverted map[string]grpc.ClientConnInterface
	conns    []net.Conn // of proxies, those that are over included
}

// Cut closes the connections of the proxies, as the end of a function does. They
// may come back at once.
func (i *Interceptor) Cut() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.conns {
		_ = c.Close() // fails only if it was closed before
	}
	i.conns = nil
}

// A listener keeps the connections that come, so that they can be cut.
type listener struct {
	net.Listener
	*Interceptor
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

// New returns an interceptor in front of function. What is on that connection
// should not be recorded in log, since the interceptor records it.
func New(log *exchange.Log, function grpc.ClientConnInterface) *Interceptor {
	return &Interceptor{log: log, function: function, diverted: map[string]grpc.ClientConnInterface{}}
}

// Divert lets the streams that are opened from now on for the instance with
// that key go to another function; back to the first one if to is nil. The key of
// a call of an action is its method, such as "/greet.Greeter/Greet".
func (i *Interceptor) Divert(key string, to grpc.ClientConnInterface) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if to == nil {
		delete(i.diverted, key)
		return
	}
	i.diverted[key] = to
}

func (i *Interceptor) backend(first proto.Message) grpc.ClientConnInterface {
	_, key := Instance(first)
	if key == "" {
		key = action(first)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if to := i.diverted[key]; to != nil && key != "" {
		return to
	}
	return i.function
}

// Serve takes the proxy's calls on lis until ctx ends. Calls that are under way
// then are cut off.
func (i *Interceptor) Serve(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer(
		grpc.UnknownServiceHandler(i.handle),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.WaitForHandlers(true),
	)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener{lis, i}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("intercept on %v: %w", lis.Addr(), err)
	case <-ctx.Done():
		server.Stop()
		if err := <-failed; !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}
}

// Instance returns the service and the key of the entity instance that a
// stream with that first message is for; empty if it is for none.
func Instance(first proto.Message) (service, key string) {
	m := first.ProtoReflect()
	init := m.Descriptor().Fields().ByName("init")
	if init == nil || init.Message() == nil || !m.Has(init) {
		return "", ""
	}
	m = m.Get(init).Message()
	return text(m, "service_name"), text(m, "entity_id")
}

// action returns the method of an action that a call with that first message is
// for, "" if it is for none.
func action(first proto.Message) string {
	m := first.ProtoReflect()
	service, name := text(m, "service_name"), text(m, "name")
	if service == "" || name == "" {
		return ""
	}
	return "/" + service + "/" + name
}

// text returns a field that is text, "" if there is none.
func text(m protoreflect.Message, name protoreflect.Name) string {
	if f := m.Descriptor().Fields().ByName(name); f != nil && f.Kind() == protoreflect.StringKind && !f.IsList() {
		return m.Get(f).String()
	}
	return ""
}

// A method is what has to be known of a method to pass calls on.
type method struct {
	path     string
	in, out  protoreflect.MessageType
	streamed bool // by the caller
	answers  bool // are streamed
}

func find(path string) (*method, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	md, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", name)
	}
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	return &method{path, in, out, md.IsStreamingClient(), md.IsStreamingServer()}, err
}

// handle passes one call on.
func (i *Interceptor) handle(_ any, down grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(down)
	m, err := find(path)
	call := i.log.Open(exchange.ProxyToFunction, path)
	if err != nil {
		err = status.Errorf(codes.Unimplemented, "the suite does not know %s: %v", path, err)
		call.End(exchange.Callee, err)
		return err
	}
	r := &relay{method: m, call: call, down: down}
	first, err := r.receive()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	r.up, err = i.backend(first).NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, path,
		grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		call.End(exchange.Callee, err)
		return err
	}
	go r.forth(first)
	return r.back()
}

// A relay passes on what is said in one call.
type relay struct {
	*method
	call *exchange.Call
	down grpc.ServerStream // the proxy is there
	up   grpc.ClientStream // the function is there
}

// receive returns the next message of the proxy and records it.
func (r *relay) receive() (proto.Message, error) {
	m := r.in.New().Interface()
	err := r.down.RecvMsg(m)
	switch {
	case err == nil:
		r.call.Say(exchange.Caller, m)
	case !errors.Is(err, io.EOF):
		r.call.End(exchange.Caller, err)
	case r.streamed:
		r.call.End(exchange.Caller, nil)
	}
	return m, err
}

// forth passes on what the proxy says, from the first message, until it says no
// more or the call is over.
func (r *relay) forth(m proto.Message) {
	for {
		// If the function has ended the call, back says so.
		if err := r.up.SendMsg(m); err != nil {
			return
		}
		var err error
		if m, err = r.receive(); err != nil {
			break
		}
	}
	_ = r.up.CloseSend() // never fails
}

// back passes on what the function says, and returns how it ends the call.
func (r *relay) back() error {
	for first := true; ; first = false {
		m := r.out.New().Interface()
		if err := r.up.RecvMsg(m); err != nil {
			r.down.SetTrailer(r.up.Trailer())
			return r.end(err)
		}
		if header, err := r.up.Header(); first && err == nil {
			if err := r.down.SetHeader(header); err != nil {
				return err
			}
		}
		r.call.Say(exchange.Callee, m)
		if err := r.down.SendMsg(m); err != nil {
			return err
		}
	}
}

func (r *relay) end(err error) error {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil || r.streamed || r.answers {
		r.call.End(exchange.Callee, err)
	}
	return err
}

// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/kairn-dev/kairn/proto/cloudstate"
	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/live"
	"github.com/kairn-dev/kairn/proxy/replica/exchange"
)

type (
	in  = cloudstate.CrdtStreamIn
	out = cloudstate.CrdtStreamOut
)

// window is how many messages a stream holds that the function has not read.
const window = 16

// A function is a user function that a test plays.
type function struct {
	mu      sync.Mutex // protects away
	away    error
	ends    bool // whether streams end before they have begun
	streams chan *stream
}

// Open implements live.Function.
func (f *function) Open(ctx context.Context, method string) (live.Stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	if method != exchange.Method {
		return nil, fmt.Errorf("method %s: %w", method, entity.ErrProtocol)
	}
	s := &stream{
		canceled: ctx.Done(), in: make(chan *in, window), out: make(chan []byte, 1000),
		half: make(chan struct{}), over: make(chan struct{}),
	}
	if f.ends {
		side{stream: s}.end(io.EOF)
	}
	f.streams <- s
	return s, nil
}

func (f *function) leave(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

// A stream is both ends of an exchange.
type stream struct {
	canceled <-chan struct{}
	in       chan *in
	out      chan []byte
	half     chan struct{}
	over     chan struct{}
	err      error // set before over is closed
}

var errWrongSize = errors.New("message is not as long as it says")

// Send implements live.Stream.
func (s *stream) Send(m live.Marshaler) error {
	data := m.AppendWire(nil)
	if len(data) != m.SizeWire() {
		return errWrongSize
	}
	msg := &in{}
	if err := proto.Unmarshal(data, msg); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	select {
	case <-s.over:
		return io.EOF
	case <-s.canceled:
		return io.EOF
	default:
	}
	select {
	case s.in <- msg:
		return nil
	case <-s.over:
	case <-s.canceled:
	}
	return io.EOF
}

// Recv implements live.Stream.
func (s *stream) Recv(m live.Unmarshaler) error {
	select {
	case data := <-s.out:
		return read(m, data)
	default:
	}
	select {
	case data := <-s.out:
		return read(m, data)
	case <-s.canceled:
		return fmt.Errorf("stream was given up: %w", entity.ErrUnavailable)
	case <-s.over:
	}
	select {
	case data := <-s.out:
		return read(m, data)
	default:
		return s.err
	}
}

func read(m live.Unmarshaler, data []byte) error {
	if err := m.UnmarshalWire(data); err != nil {
		return fmt.Errorf("%w: %w", err, entity.ErrProtocol)
	}
	return nil
}

// CloseSend implements live.Stream.
func (s *stream) CloseSend() error {
	close(s.half)
	return nil
}

// A side is the function's end of a stream.
type side struct {
	*stream
	t testing.TB
}

// next returns the next message.
func (s side) next() *in {
	s.t.Helper()
	select {
	case m := <-s.in:
		return m
	case <-s.canceled:
		s.t.Fatal("stream was given up")
	case <-s.half:
		select {
		case m := <-s.in:
			return m
		default:
			s.t.Fatal("no more messages")
		}
	}
	return nil
}

// command checks that the next message is a command, and returns its id.
func (s side) command(name string) int64 {
	s.t.Helper()
	m := s.next()
	if m.GetCommand().GetName() != name || m.GetCommand().GetMetadata() != nil {
		s.t.Fatalf("got %v, want command %s", m, name)
	}
	return m.GetCommand().GetId()
}

// expect checks that the next message is want.
func (s side) expect(want *in) {
	s.t.Helper()
	if m := s.next(); !proto.Equal(m, want) {
		s.t.Fatalf("got %v, want %v", m, want)
	}
}

// quiet checks that the function is sent nothing, however long nothing happens.
func (s side) quiet() {
	s.t.Helper()
	synctest.Wait()
	if len(s.in) > 0 {
		s.t.Errorf("function was sent %v", <-s.in)
	}
}

func (s side) send(m *out) {
	s.t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	s.stream.out <- data
}

func (s side) end(err error) {
	s.err = err
	close(s.over)
}

// halfClosed waits until the proxy sends no more, and ends the stream in order.
func (s side) halfClosed() {
	s.t.Helper()
	<-s.half
	select {
	case m := <-s.in:
		s.t.Errorf("function was sent %v before the end", m)
	default:
	}
	s.end(io.EOF)
}

const textURL = "type.googleapis.com/test.Text"

func text(s string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
		Reply: &cloudstate.Reply{Payload: &anypb.Any{TypeUrl: textURL, Value: []byte(s)}},
	}}
}

func refusal(s string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: s}}}
}

func effects(names ...string) []*cloudstate.SideEffect {
	var list []*cloudstate.SideEffect
	for _, n := range names {
		list = append(list, &cloudstate.SideEffect{ServiceName: "test.Other", CommandName: n})
	}
	return list
}

func count(n uint64) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Gcounter{Gcounter: &cloudstate.GCounterDelta{Increment: n}}}
}

func flag(on bool) *cloudstate.CrdtDelta {
	return &cloudstate.CrdtDelta{Delta: &cloudstate.CrdtDelta_Flag{Flag: &cloudstate.FlagDelta{Value: on}}}
}

func update(d *cloudstate.CrdtDelta) *cloudstate.CrdtStateAction {
	return &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Update{Update: d}}
}

func remove() *cloudstate.CrdtStateAction {
	return &cloudstate.CrdtStateAction{Action: &cloudstate.CrdtStateAction_Delete{Delete: &cloudstate.CrdtDelete{}}}
}

func reply(id int64, s string, act *cloudstate.CrdtStateAction) *out {
	return &out{Message: &cloudstate.CrdtStreamOut_Reply{
		Reply: &cloudstate.CrdtReply{CommandId: id, ClientAction: text(s), StateAction: act},
	}}
}

func streamedReply(id int64, action *cloudstate.ClientAction) *out {
	return &out{Message: &cloudstate.CrdtStreamOut_Reply{
		Reply: &cloudstate.CrdtReply{CommandId: id, ClientAction: action, Streamed: true},
	}}
}

func message(id int64, action *cloudstate.ClientAction, end bool) *out {
	return &out{Message: &cloudstate.CrdtStreamOut_StreamedMessage{
		StreamedMessage: &cloudstate.CrdtStreamedMessage{CommandId: id, ClientAction: action, EndStream: end},
	}}
}

func cancelled(id int64, act *cloudstate.CrdtStateAction, fx ...*cloudstate.SideEffect) *out {
	return &out{Message: &cloudstate.CrdtStreamOut_StreamCancelledResponse{
		StreamCancelledResponse: &cloudstate.CrdtStreamCancelledResponse{CommandId: id, StateAction: act, SideEffects: fx},
	}}
}

func failure(id int64, s string) *out {
	return &out{Message: &cloudstate.CrdtStreamOut_Failure{Failure: &cloudstate.Failure{CommandId: id, Description: s}}}
}

func initial(id string, d *cloudstate.CrdtDelta) *in {
	return &in{Message: &cloudstate.CrdtStreamIn_Init{
		Init: &cloudstate.CrdtInit{ServiceName: counters.Service, EntityId: id, Delta: d},
	}}
}

func delta(d *cloudstate.CrdtDelta) *in {
	return &in{Message: &cloudstate.CrdtStreamIn_Delta{Delta: d}}
}

func cancel(instance string, id int64) *in {
	return &in{Message: &cloudstate.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &cloudstate.StreamCancelled{EntityId: instance, Id: id},
	}}
}

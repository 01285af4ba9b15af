// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"iter"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Journal is what instances are loaded from. The suite in package storetest
// checks that a store keeps the promises made here.
type Journal interface {
	States

	// Reply returns what is remembered of the command idem of key, and false
	// if that is nothing. What has expired may still be there; it is for as
	// long as a write of it would be refused.
	Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (entity.Reply, bool, error)
}

// States are what instances begin with.
type States interface {
	// Snapshot returns the snapshot of key, or a zero one if there is none. It
	// may say that the instance was deleted.
	Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error)

	// Events yields the events of key after seq that were not removed behind a
	// snapshot, in order and without gaps,
	// in bounded memory whatever their number. It ends at the first error,
	// which it yields with a zero Event. An Event's bytes are valid until the
	// next one is asked for.
	Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error]

	// Value returns the value of key, or a zero one if none was ever written.
	// That of one that was deleted or has expired still has its version.
	Value(ctx context.Context, key entity.Key) (entity.Value, error)
}

// A Function is the user function.
type Function interface {
	// Open opens a stream of method, which ends when ctx does. It fails at
	// once, with an error that wraps [entity.ErrUnavailable], while the
	// function is away.
	Open(ctx context.Context, method string) (Stream, error)
}

// A Stream is one exchange with the user function. One goroutine may send while
// another receives.
type Stream interface {
	// Send hands m to the function. It returns [io.EOF] if the stream has
	// ended; Recv says why. It blocks only while the function does not read
	// what it was sent before.
	Send(m Marshaler) error

	// Recv waits for the next message and reads it into m. It returns
	// [io.EOF] when the function has ended the stream in order, and wraps
	// [entity.ErrUnavailable] if the function is away, [entity.ErrProtocol] if
	// it ended the stream otherwise or sent what m can't be read from.
	Recv(m Unmarshaler) error

	// CloseSend tells the function that nothing more comes.
	CloseSend() error
}

// A Marshaler is a message that can be sent.
type Marshaler interface {
	SizeWire() int
	AppendWire(b []byte) []byte
}

// An Unmarshaler is a message that can be received. It keeps nothing of data.
type Unmarshaler interface {
	UnmarshalWire(data []byte) error
}

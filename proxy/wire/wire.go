// SPDX-License-Identifier: Apache-2.0

// Package wire reads and writes the messages that the protocols of all entity
// types share, straight from and to their encoding.
//
// A proxy passes payloads on without looking into them, and these messages are
// small shells around payloads: reading them by hand costs one copy of the
// whole message, where generated code makes a dozen small ones. A test compares
// every message with what the generated code makes of it.
package wire

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// A Reader steps through the fields of an encoded message. What it returns
// shares the memory of the message, which must not change any more.
type Reader struct {
	rest []byte
	num  protowire.Number
	typ  protowire.Type
	val  []byte // of a length-delimited field
	uint uint64 // of a varint field
	err  error
}

// NewReader returns a Reader of msg.
func NewReader(msg []byte) Reader { return Reader{rest: msg} }

// Next steps to the next field. At the end, or if the message is malformed, it
// returns false; see [Reader.Err].
func (r *Reader) Next() bool {
	if len(r.rest) == 0 || r.err != nil {
		return false
	}
	var n int
	if r.num, r.typ, n = protowire.ConsumeTag(r.rest); n < 0 || r.num > protowire.MaxValidNumber {
		return r.fail(min(n, -1))
	}
	r.rest = r.rest[n:]
	switch r.typ {
	case protowire.VarintType:
		r.uint, n = protowire.ConsumeVarint(r.rest)
	case protowire.BytesType:
		r.val, n = protowire.ConsumeBytes(r.rest)
	default:
		n = protowire.ConsumeFieldValue(r.num, r.typ, r.rest)
	}
	if n < 0 {
		return r.fail(n)
	}
	r.rest = r.rest[n:]
	return true
}

func (r *Reader) fail(n int) bool {
	r.err = fmt.Errorf("malformed message: %w", protowire.ParseError(n))
	return false
}

// Err returns what was wrong with the message, or nil.
func (r *Reader) Err() error { return r.err }

// Bytes reports whether this is the field num, of a length-delimited type.
func (r *Reader) Bytes(num protowire.Number) bool {
	return r.num == num && r.typ == protowire.BytesType
}

// Varint reports whether this is the field num, of a varint type.
func (r *Reader) Varint(num protowire.Number) bool {
	return r.num == num && r.typ == protowire.VarintType
}

// Value returns the bytes of a length-delimited field.
func (r *Reader) Value() []byte { return r.val }

// Uint returns the value of a varint field.
func (r *Reader) Uint() uint64 { return r.uint }

// errText is for text that proto3 does not allow: whoever decodes the message
// later, from the journal maybe, would refuse it.
var errText = errors.New("malformed message: text is not UTF-8")

// Text returns the bytes of a length-delimited field as a string. If they are
// no text, the message is malformed.
func (r *Reader) Text() string {
	if !utf8.Valid(r.val) {
		r.err = errText
	}
	return text(r.val)
}

// text shares the memory of b, which nobody changes: see Reader.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Skip reads a message that has no fields of interest.
func Skip(msg []byte) error {
	r := NewReader(msg)
	for r.Next() {
		continue
	}
	return r.Err()
}

// maxDuration is what a longer one is taken for: a hundred years.
const maxDuration = 100 * 365 * 24 * time.Hour

// Duration reads a google.protobuf.Duration. A negative one is 0, and one that is
// too long to be meant a hundred years.
func Duration(msg []byte) (time.Duration, error) {
	var seconds, nanos int64
	r := NewReader(msg)
	for r.Next() {
		switch {
		case r.Varint(1):
			seconds = int64(r.Uint())
		case r.Varint(2):
			nanos = int64(int32(r.Uint()))
		}
	}
	seconds = min(max(seconds, 0), int64(maxDuration/time.Second))
	return max(0, time.Duration(seconds)*time.Second+time.Duration(nanos)), r.Err()
}

// Payload reads a google.protobuf.Any into p.
func Payload(msg []byte, p *entity.Payload) error {
	r := NewReader(msg)
	for r.Next() {
		switch {
		case r.Bytes(1):
			p.TypeURL = r.Text()
		case r.Bytes(2):
			p.Value = r.Value()
		}
	}
	return r.Err()
}

// Metadata appends the entries of a cloudstate.Metadata to md.
func Metadata(msg []byte, md *entity.Metadata) error {
	r := NewReader(msg)
	for r.Next() {
		if !r.Bytes(1) {
			continue
		}
		var e entity.MetadataEntry
		entry := NewReader(r.Value())
		for entry.Next() {
			switch {
			case entry.Bytes(1):
				e.Name = entry.Text()
			case entry.Bytes(2):
				e.Value = entry.Text()
			case entry.Bytes(3):
				e.Value = text(entry.Value())
			}
		}
		if entry.Err() != nil {
			return entry.Err()
		}
		*md = append(*md, e)
	}
	return r.Err()
}

// A Failure is a cloudstate.Failure, or one of a later generation: their fields
// have numbers of their own.
type Failure struct {
	CommandID   int64
	Description string
	Restart     bool
	Code        uint32 // of gRPC; 0 if the function's library has no such thing
}

// Refusal returns what f is as the answer to a command.
func (f *Failure) Refusal() *entity.Refusal {
	return &entity.Refusal{Description: f.Description, Code: f.Code}
}

// Crash returns what f is as a message of its own.
func (f *Failure) Crash() *entity.Crash {
	return &entity.Crash{Description: f.Description, Code: f.Code}
}

// Read reads the message into f.
func (f *Failure) Read(msg []byte) error {
	r := NewReader(msg)
	for r.Next() {
		switch {
		case r.Varint(1):
			f.CommandID = int64(r.Uint())
		case r.Bytes(2):
			f.Description = r.Text()
		case r.Varint(3):
			f.Restart = r.Uint() != 0
		case r.Varint(4):
			f.Code = uint32(r.Uint())
		}
	}
	return r.Err()
}

// ClientAction reads a cloudstate.ClientAction into o, and returns the failure
// if it is one. What o and failure have from an earlier part of the same action
// is kept, as the rules for merging have it.
func ClientAction(msg []byte, o *entity.Outcome, failure *Failure) (*Failure, error) {
	r := NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			failure, o.Forward = nil, nil
			err = Reply(r.Value(), o)
		case r.Bytes(2):
			if o.Forward == nil {
				failure, o.Reply, o.Meta, o.Forward = nil, entity.Payload{}, nil, &entity.Target{}
			}
			err = Forward(r.Value(), o.Forward)
		case r.Bytes(3):
			if failure == nil {
				failure, o.Reply, o.Meta, o.Forward = &Failure{}, entity.Payload{}, nil, nil
			}
			err = failure.Read(r.Value())
		}
		if err != nil {
			return nil, err
		}
	}
	return failure, r.Err()
}

// Reply reads a cloudstate.Reply into o, over what o has.
func Reply(msg []byte, o *entity.Outcome) error {
	r := NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			err = Payload(r.Value(), &o.Reply)
		case r.Bytes(2):
			err = Metadata(r.Value(), &o.Meta)
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

// Forward reads a cloudstate.Forward into t, over what t has.
func Forward(msg []byte, t *entity.Target) error { return target(msg, t, nil) }

// Effect reads a cloudstate.SideEffect.
func Effect(msg []byte) (entity.Effect, error) {
	var e entity.Effect
	err := target(msg, &e.Target, &e.Synchronous)
	return e, err
}

// target reads a cloudstate.Forward, or a cloudstate.SideEffect if synchronous
// is not nil. The two differ in the fields after the third.
func target(msg []byte, t *entity.Target, synchronous *bool) error {
	metadata := protowire.Number(4)
	if synchronous != nil {
		metadata = 5
	}
	r := NewReader(msg)
	for r.Next() {
		var err error
		switch {
		case r.Bytes(1):
			t.Service = r.Text()
		case r.Bytes(2):
			t.Command = r.Text()
		case r.Bytes(3):
			err = Payload(r.Value(), &t.Payload)
		case r.Bytes(metadata):
			err = Metadata(r.Value(), &t.Meta)
		case synchronous != nil && r.Varint(4):
			*synchronous = r.Uint() != 0
		}
		if err != nil {
			return err
		}
	}
	return r.Err()
}

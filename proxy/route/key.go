// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// The field options that make a field part of the entity key.
const (
	keyOption       protowire.Number = 1080
	keyInMessage    protowire.Number = 1 // of the message that has number 1080 later on
	legacyKeyOption protowire.Number = 50002
)

// A keyReader reads the entity key from the requests of one message type.
type keyReader struct {
	message protoreflect.FullName
	parts   []part
}

// A part is one field of a key.
type part struct {
	name    protoreflect.Name
	kind    protoreflect.Kind
	enum    protoreflect.EnumValueDescriptors
	field   wireField
	rivals  []wireField // the other fields of its oneof
	initial value       // without the field
}

// A wireField is how a field is found in a message.
type wireField struct {
	num protowire.Number
	typ protowire.Type
}

// A value is what the wire has for a field of any kind.
type value struct {
	bits  uint64
	bytes []byte
}

// newKeyReader finds the key fields of d. With inMessage, the key option is a
// field of a message, as in the generations after Cloudstate. Its errors are
// one, of one line.
func newKeyReader(d protoreflect.MessageDescriptor, inMessage bool) (*keyReader, error) {
	r := &keyReader{message: d.FullName()}
	foreign := false
	fields := d.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		mark := marks(f, inMessage)
		foreign = foreign || mark.foreign
		if !mark.key {
			continue
		}
		if shape := unfit(f); shape != "" {
			return nil, fmt.Errorf("entity key field %s of its request %s is %s; it must be one scalar or enum",
				f.Name(), d.FullName(), shape)
		}
		r.parts = append(r.parts, newPart(f))
	}
	switch {
	case len(r.parts) > 0:
		return r, nil
	case foreign:
		return nil, fmt.Errorf("its request %s has no entity key field that is marked as this protocol does it"+
			" (option 1080 is a message there, not a bool)", d.FullName())
	}
	return nil, fmt.Errorf("its request %s has no entity key field", d.FullName())
}

// A mark is what the options of a field say about the key.
type mark struct {
	key     bool // the field is part of it
	foreign bool // there is a key option as later protocol generations have it, with a message
}

// marks scans the options of f as they came, whatever of them was understood
// when they were decoded.
func marks(f protoreflect.FieldDescriptor, inMessage bool) mark {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(f.Options())
	if err != nil {
		return mark{}
	}
	var key, legacy, foreign bool
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeField(raw)
		if n < 0 {
			break
		}
		switch {
		case num == keyOption && typ == protowire.VarintType:
			key = lastBool(raw[:n])
		case num == keyOption && typ == protowire.BytesType:
			foreign = !inMessage
			key = inMessage && keyField(raw[:n], key)
		case num == legacyKeyOption && typ == protowire.VarintType:
			legacy = lastBool(raw[:n])
		}
		raw = raw[n:]
	}
	return mark{key: key || legacy, foreign: foreign}
}

// keyField returns whether field, a tag and a message, says that a field is part
// of the key; before is what was said before it.
func keyField(field []byte, before bool) bool {
	_, _, n := protowire.ConsumeTag(field)
	msg, _ := protowire.ConsumeBytes(field[n:])
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeField(msg)
		if n < 0 {
			break
		}
		if num == keyInMessage && typ == protowire.VarintType {
			before = lastBool(msg[:n])
		}
		msg = msg[n:]
	}
	return before
}

// lastBool returns the value of field, which is a tag and a varint.
func lastBool(field []byte) bool {
	_, _, n := protowire.ConsumeTag(field)
	v, _ := protowire.ConsumeVarint(field[n:])
	return protowire.DecodeBool(v)
}

// unfit says why f can't be part of a key; "" if it can.
func unfit(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "a map"
	case f.IsList():
		return "repeated"
	case f.Message() != nil:
		return "a message"
	}
	return ""
}

func newPart(f protoreflect.FieldDescriptor) part {
	p := part{name: f.Name(), kind: f.Kind(), field: wire(f), initial: initial(f)}
	if e := f.Enum(); e != nil {
		p.enum = e.Values()
	}
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		for i := range o.Fields().Len() {
			if rival := o.Fields().Get(i); rival.Number() != f.Number() {
				p.rivals = append(p.rivals, wire(rival))
			}
		}
	}
	return p
}

func wire(f protoreflect.FieldDescriptor) wireField {
	w := wireField{num: f.Number(), typ: protowire.VarintType}
	switch f.Kind() {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		w.typ = protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		w.typ = protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		w.typ = protowire.BytesType
	case protoreflect.GroupKind:
		w.typ = protowire.StartGroupType
	}
	return w
}

// read returns the key of msg.
func (r *keyReader) read(msg []byte) (string, error) {
	var room [4]value // more fields are very rare
	values := room[:0]
	for i := range r.parts {
		values = append(values, r.parts[i].initial)
	}
	if err := r.scan(msg, values); err != nil {
		return "", fmt.Errorf("%w: %w", entity.ErrInvalid, err)
	}
	return r.text(values), nil
}

// scan goes through all of msg and sets values to what it has for the parts.
func (r *keyReader) scan(msg []byte, values []value) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 || num > protowire.MaxValidNumber {
			return r.malformed(n)
		}
		msg = msg[n:]
		n = protowire.ConsumeFieldValue(num, typ, msg)
		if n < 0 {
			return r.malformed(n)
		}
		f := wireField{num, typ}
		for i := range r.parts {
			p := &r.parts[i]
			switch {
			case num == p.field.num:
				if err := r.take(p, f, msg[:n], &values[i]); err != nil {
					return err
				}
			case slices.Contains(p.rivals, f):
				values[i] = p.initial
			}
		}
		msg = msg[n:]
	}
	return nil
}

// take sets v to the content raw of the field f, which is that of part p.
func (r *keyReader) take(p *part, f wireField, raw []byte, v *value) error {
	if f.typ != p.field.typ {
		return fmt.Errorf("entity key field %s of %s has wire type %d, want %d", p.name, r.message, f.typ, p.field.typ)
	}
	switch f.typ {
	case protowire.VarintType:
		v.bits, _ = protowire.ConsumeVarint(raw)
	case protowire.Fixed32Type:
		bits, _ := protowire.ConsumeFixed32(raw)
		v.bits = uint64(bits)
	case protowire.Fixed64Type:
		v.bits, _ = protowire.ConsumeFixed64(raw)
	case protowire.BytesType:
		v.bytes, _ = protowire.ConsumeBytes(raw)
		if p.kind == protoreflect.StringKind && !utf8.Valid(v.bytes) {
			return fmt.Errorf("entity key field %s of %s is not valid UTF-8", p.name, r.message)
		}
	}
	return nil
}

// malformed reports that the message can't be read; code is protowire's.
func (r *keyReader) malformed(code int) error {
	names := make([]string, len(r.parts))
	for i := range r.parts {
		names[i] = string(r.parts[i].name)
	}
	err := errors.New("bad field number")
	if code < 0 {
		err = protowire.ParseError(code)
	}
	return fmt.Errorf("reading entity key field %s of %s: malformed message: %w", strings.Join(names, ", "), r.message, err)
}

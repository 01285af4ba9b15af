// SPDX-License-Identifier: Apache-2.0

package transcode

import (
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/httprule"
)

// A Codec knows the types of a function. It may be used by many goroutines.
type Codec struct {
	read   protojson.UnmarshalOptions
	write  protojson.MarshalOptions
	decode proto.UnmarshalOptions
}

// New returns a Codec for messages whose descriptors are in files.
func New(files *protoregistry.Files) *Codec {
	types := resolver{dynamicpb.NewTypes(files)}
	return &Codec{
		read:   protojson.UnmarshalOptions{AllowPartial: true, Resolver: types},
		write:  protojson.MarshalOptions{AllowPartial: true, EmitDefaultValues: true, Resolver: types},
		decode: proto.UnmarshalOptions{AllowPartial: true, Resolver: types},
	}
}

// A resolver finds the function's types, and those of this program for what the
// function leaves out.
type resolver struct{ *dynamicpb.Types }

func (r resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	mt, err := r.Types.FindMessageByURL(url)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalTypes.FindMessageByURL(url)
	}
	return mt, err
}

func (r resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	mt, err := r.Types.FindMessageByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalTypes.FindMessageByName(name)
	}
	return mt, err
}

// Params are what a request says outside its body.
type Params struct {
	Values []string // of the variables of the binding's template, decoded
	Query  string   // encoded, without the question mark
}

// A Body is what a request has as its body, decompressed.
type Body struct {
	Type string // its content type; only for what is taken as it is
	Data []byte
}

// Request returns the encoded message that a request makes. The body is looked
// at only if the binding has one.
func (c *Codec) Request(b *httprule.Binding, p Params, body Body) ([]byte, error) {
	m := dynamicpb.NewMessage(b.Method.Input())
	if err := c.readBody(b, m, body); err != nil {
		return nil, err
	}
	if !b.WholeBody && p.Query != "" {
		if err := readQuery(b, m, p.Query); err != nil {
			return nil, err
		}
	}
	if err := readVariables(b, m, p.Values); err != nil {
		return nil, err
	}
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, invalid("", "%s", clean(err.Error())) // what proto2 requires is missing
	}
	return payload, nil
}

// readBody puts the body into m.
func (c *Codec) readBody(b *httprule.Binding, m *dynamicpb.Message, body Body) error {
	switch {
	case TakesRaw(b):
		raw := m.ProtoReflect()
		if b.Body != nil {
			raw = raw.Mutable(b.Body).Message()
		}
		fields := raw.Descriptor().Fields()
		raw.Set(fields.ByName("content_type"), protoreflect.ValueOfString(body.Type))
		raw.Set(fields.ByName("data"), protoreflect.ValueOfBytes(body.Data))
		return nil
	case b.WholeBody:
		return c.readJSON(m, body.Data)
	case b.Body != nil:
		return c.readField(b.Body, m, body.Data)
	}
	return nil
}

func (c *Codec) readJSON(m proto.Message, data []byte) error {
	if isBlank(data) {
		return invalid("", "the body is empty, and should be JSON: {}")
	}
	if err := c.read.Unmarshal(data, m); err != nil {
		return located(data, 0, err)
	}
	return nil
}

// readField reads JSON that is the value of a field of m.
func (c *Codec) readField(f protoreflect.FieldDescriptor, m proto.Message, data []byte) error {
	if isBlank(data) {
		return invalid(f.JSONName(), "the body is empty, and should be JSON")
	}
	var value json.RawMessage // so that it can't be more than the one value
	if err := json.Unmarshal(data, &value); err != nil {
		return malformed(f.JSONName(), data, err)
	}
	name, err := json.Marshal(f.JSONName())
	if err != nil {
		return fmt.Errorf("name of field %s: %w", f.FullName(), err)
	}
	head := "{" + string(name) + ":"
	whole := make([]byte, 0, len(head)+len(data)+1)
	whole = append(append(append(whole, head...), data...), '}')
	if err := c.read.Unmarshal(whole, m); err != nil {
		return located(whole, len(head), err)
	}
	return nil
}

// Reply returns the JSON of a reply.
func (c *Codec) Reply(b *httprule.Binding, payload []byte) ([]byte, error) {
	m := dynamicpb.NewMessage(b.Method.Output())
	if err := c.decode.Unmarshal(payload, m); err != nil {
		return nil, c.broken(b, err)
	}
	if b.Response != nil {
		keepOnly(m, b.Response)
	}
	out, err := c.write.MarshalAppend(make([]byte, 0, 2*len(payload)+64), m)
	if err != nil {
		return nil, c.broken(b, err)
	}
	if b.Response != nil {
		return valueOf(out, b.Response)
	}
	return compact(out), nil
}

func (c *Codec) broken(b *httprule.Binding, err error) error {
	return fmt.Errorf("reply of %s can't be read as %s: %s: %w",
		b.Method.FullName(), b.Method.Output().FullName(), clean(err.Error()), entity.ErrProtocol)
}

func keepOnly(m *dynamicpb.Message, f protoreflect.FieldDescriptor) {
	m.Range(func(other protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if other.Number() != f.Number() {
			m.Clear(other)
		}
		return true
	})
	m.SetUnknown(nil)
}

// valueOf returns the JSON of one field out of that of a message; it is null if
// the field isn't there.
func valueOf(message []byte, f protoreflect.FieldDescriptor) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(message, &fields); err != nil {
		return nil, fmt.Errorf("field %s of a reply: %w", f.FullName(), err)
	}
	value, ok := fields[f.JSONName()]
	if !ok {
		return []byte("null"), nil
	}
	return compact(value), nil
}

// compact takes the spaces out of valid JSON. It uses the memory of b.
func compact(b []byte) []byte {
	out, quoted := b[:0], false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case quoted && c == '\\':
			out = append(out, c)
			i++
			c = b[i]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n'):
			continue
		}
		out = append(out, c)
	}
	return out
}

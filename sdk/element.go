// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// An element is an encoded element or value, or key of a map. Proxies compare
// these, so two values are one element exactly if they are encoded alike.
type element struct{ url, value string }

func (e element) any() *anypb.Any { return &anypb.Any{TypeUrl: e.url, Value: []byte(e.value)} }

func elementOf(a *anypb.Any) element { return element{a.GetTypeUrl(), string(a.GetValue())} }

func (e element) compare(o element) int {
	return cmp.Or(strings.Compare(e.url, o.url), strings.Compare(e.value, o.value))
}

// primitive begins the type URLs of values that aren't messages. They are encoded
// as a message would be that has the value in its first field.
const primitive = "p.cloudstate.io/"

// encode returns v as an element. A v that can't be one is a fault.
func encode[T any](v T) element {
	switch v := any(v).(type) {
	case string:
		return first(primitive+"string", protowire.BytesType, v == "", func(b []byte) []byte { return protowire.AppendString(b, v) })
	case []byte:
		return first(primitive+"bytes", protowire.BytesType, len(v) == 0, func(b []byte) []byte { return protowire.AppendBytes(b, v) })
	case bool:
		return varint("bool", protowire.EncodeBool(v))
	case int32:
		return varint("int32", uint64(int64(v)))
	case int64:
		return varint("int64", uint64(v))
	case uint32:
		return varint("uint32", uint64(v))
	case uint64:
		return varint("uint64", v)
	case float32:
		bits := math.Float32bits(v)
		return first(primitive+"float", protowire.Fixed32Type, bits == 0, func(b []byte) []byte { return protowire.AppendFixed32(b, bits) })
	case float64:
		bits := math.Float64bits(v)
		return first(primitive+"double", protowire.Fixed64Type, bits == 0, func(b []byte) []byte { return protowire.AppendFixed64(b, bits) })
	case proto.Message:
		value, err := proto.MarshalOptions{Deterministic: true}.Marshal(v)
		if err != nil {
			panic(&misuse{fmt.Errorf("encode %s: %w", nameOf(v), err)})
		}
		return element{typeURL(nameOf(v)), string(value)}
	}
	panic(&misuse{noElement[T]()})
}

func noElement[T any]() error {
	return fmt.Errorf("a %T can't be replicated: elements, values and keys are generated messages, string, []byte, bool,"+
		" int32, int64, uint32, uint64, float32 or float64", *new(T))
}

// first encodes a first field; of a zero value, that is nothing.
func first(url string, typ protowire.Type, zero bool, add func([]byte) []byte) element {
	if zero {
		return element{url: url}
	}
	return element{url, string(add(protowire.AppendTag(nil, 1, typ)))}
}

func varint(name string, v uint64) element {
	return first(primitive+name, protowire.VarintType, v == 0, func(b []byte) []byte { return protowire.AppendVarint(b, v) })
}

// decode returns what a was encoded from.
func decode[T any](a *anypb.Any) (T, error) {
	var v T
	if m, ok := any(v).(proto.Message); ok {
		into := m.ProtoReflect().Type().New().Interface()
		if want := nameOf(into); typeName(a.GetTypeUrl()) != want {
			return v, fmt.Errorf("a %s came for a %s", a.GetTypeUrl(), want)
		}
		if err := proto.Unmarshal(a.GetValue(), into); err != nil {
			return v, fmt.Errorf("decode a %s: %w", a.GetTypeUrl(), err)
		}
		return into.(T), nil
	}
	if zero := encode(v).url; a.GetTypeUrl() != zero {
		return v, fmt.Errorf("a %s came for a %s", a.GetTypeUrl(), zero)
	}
	if err := decodeFirst(a.GetValue(), &v); err != nil {
		return v, fmt.Errorf("decode a %s: %w", a.GetTypeUrl(), err)
	}
	return v, nil
}

// decodeFirst reads the first field of a message into what into points to.
func decodeFirst(b []byte, into any) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if num != 1 {
			n = protowire.ConsumeFieldValue(num, typ, b)
		} else {
			n = consume(b, typ, into)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
	}
	return nil
}

// consume reads one value and returns how long it was, as package protowire does.
func consume(b []byte, typ protowire.Type, into any) int {
	switch typ {
	case protowire.BytesType:
		v, n := protowire.ConsumeBytes(b)
		switch into := into.(type) {
		case *string:
			*into = string(v)
		case *[]byte:
			*into = append([]byte{}, v...)
		}
		return n
	case protowire.Fixed32Type:
		v, n := protowire.ConsumeFixed32(b)
		if into, ok := into.(*float32); ok {
			*into = math.Float32frombits(v)
		}
		return n
	case protowire.Fixed64Type:
		v, n := protowire.ConsumeFixed64(b)
		if into, ok := into.(*float64); ok {
			*into = math.Float64frombits(v)
		}
		return n
	case protowire.VarintType:
		v, n := protowire.ConsumeVarint(b)
		setInteger(v, into)
		return n
	}
	return protowire.ConsumeFieldValue(1, typ, b)
}

func setInteger(v uint64, into any) {
	switch into := into.(type) {
	case *bool:
		*into = protowire.DecodeBool(v)
	case *int32:
		*into = int32(v)
	case *int64:
		*into = int64(v)
	case *uint32:
		*into = uint32(v)
	case *uint64:
		*into = v
	}
}

// SPDX-License-Identifier: Apache-2.0

package route

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// text writes a key of these values, one for each part.
func (r *keyReader) text(values []value) string {
	if len(r.parts) == 1 && r.parts[0].kind == protoreflect.StringKind {
		return string(values[0].bytes)
	}
	var room [256]byte // of longer keys a second copy is made
	out := room[:0]
	for i := range r.parts {
		if i > 0 {
			out = append(out, '-')
		}
		start := len(out)
		out = r.parts[i].append(out, values[i])
		if len(r.parts) > 1 {
			out = escape(out, start)
		}
	}
	return string(out)
}

// append writes the text of v.
func (p *part) append(out []byte, v value) []byte {
	switch p.kind {
	case protoreflect.StringKind:
		return append(out, v.bytes...)
	case protoreflect.BytesKind:
		return base64.StdEncoding.AppendEncode(out, v.bytes)
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, protowire.DecodeBool(v.bits))
	case protoreflect.EnumKind:
		n := protoreflect.EnumNumber(int32(v.bits))
		if d := p.enum.ByNumber(n); d != nil {
			return append(out, d.Name()...)
		}
		return strconv.AppendInt(out, int64(n), 10)
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(out, int64(int32(v.bits)), 10)
	case protoreflect.Sint32Kind:
		return strconv.AppendInt(out, protowire.DecodeZigZag(v.bits&math.MaxUint32), 10)
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(out, int64(v.bits), 10)
	case protoreflect.Sint64Kind:
		return strconv.AppendInt(out, protowire.DecodeZigZag(v.bits), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(out, uint64(uint32(v.bits)), 10)
	case protoreflect.FloatKind:
		return appendFloat(out, float64(math.Float32frombits(uint32(v.bits))), 32)
	case protoreflect.DoubleKind:
		return appendFloat(out, math.Float64frombits(v.bits), 64)
	default: // uint64, fixed64
		return strconv.AppendUint(out, v.bits, 10)
	}
}

// initial returns what f has when it isn't in the message.
func initial(f protoreflect.FieldDescriptor) value {
	d := f.Default()
	switch f.Kind() {
	case protoreflect.StringKind:
		return value{bytes: []byte(d.String())}
	case protoreflect.BytesKind:
		return value{bytes: d.Bytes()}
	case protoreflect.BoolKind:
		return value{bits: protowire.EncodeBool(d.Bool())}
	case protoreflect.EnumKind:
		return value{bits: uint64(d.Enum())}
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Sfixed32Kind, protoreflect.Sfixed64Kind:
		return value{bits: uint64(d.Int())}
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return value{bits: protowire.EncodeZigZag(d.Int())}
	case protoreflect.FloatKind:
		return value{bits: uint64(math.Float32bits(float32(d.Float())))}
	case protoreflect.DoubleKind:
		return value{bits: math.Float64bits(d.Float())}
	default: // unsigned
		return value{bits: d.Uint()}
	}
}

// appendFloat writes f as Java's Double.toString and Float.toString do: at
// least one digit after the point, and an exponent from 10^7 and under 10^-3.
func appendFloat(out []byte, f float64, size int) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(out, "NaN"...)
	case math.IsInf(f, 1):
		return append(out, "Infinity"...)
	case math.IsInf(f, -1):
		return append(out, "-Infinity"...)
	case abs == 0 || abs >= 1e-3 && abs < 1e7:
		start := len(out)
		out = strconv.AppendFloat(out, f, 'f', -1, size)
		if bytes.IndexByte(out[start:], '.') < 0 {
			out = append(out, ".0"...)
		}
		return out
	}
	return appendScientific(out, f, size)
}

// appendScientific writes f as 1.5E-10: no plus, no zeros before the exponent.
func appendScientific(out []byte, f float64, size int) []byte {
	start := len(out)
	out = strconv.AppendFloat(out, f, 'e', -1, size)
	if bytes.IndexByte(out[start:], '.') < 0 {
		// Where one digit is enough Java takes the nearest two: 4.9E-324.
		out = strconv.AppendFloat(out[:start], f, 'e', 1, size)
	}
	e := start + bytes.IndexByte(out[start:], 'e')
	exp, _ := strconv.Atoi(string(out[e+1:])) // a few bytes: stays on the stack
	return strconv.AppendInt(append(out[:e], 'E'), int64(exp), 10)
}

// escape writes "%" and "-" in out[start:] as "%25" and "%2D".
func escape(out []byte, start int) []byte {
	n := 0
	for _, c := range out[start:] {
		if c == '%' || c == '-' {
			n++
		}
	}
	from := len(out) - 1
	for range n {
		out = append(out, 0, 0)
	}
	for to := len(out) - 1; from < to; from-- { // from the end, in place
		switch c := out[from]; c {
		case '%':
			to -= copy(out[to-2:], "%25")
		case '-':
			to -= copy(out[to-2:], "%2D")
		default:
			out[to] = c
			to--
		}
	}
	return out
}

// SPDX-License-Identifier: Apache-2.0

package transcode

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

// parse reads the value of a field, or of one element of it, from the text of a
// parameter. Its error is for whoever sent that.
func parse(f protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return parseBool(text)
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return protoreflect.Value{}, errors.New("not valid UTF-8")
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		return parseBytes(text)
	case protoreflect.EnumKind:
		return parseEnum(f.Enum(), text)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return parseMessage(f.Message(), text)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return parseFloat(f.Kind(), text)
	default:
		return parseInt(f.Kind(), text)
	}
}

func parseBool(text string) (protoreflect.Value, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return protoreflect.ValueOfBool(true), nil
	case "false", "0":
		return protoreflect.ValueOfBool(false), nil
	}
	return protoreflect.Value{}, fmt.Errorf("%q is neither true nor false", text)
}

func parseInt(kind protoreflect.Kind, text string) (protoreflect.Value, error) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), notNumber(text, kind, err)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), notNumber(text, kind, err)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), notNumber(text, kind, err)
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), notNumber(text, kind, err)
	}
}

func notNumber(text string, kind protoreflect.Kind, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s is too large for %v", text, kind)
	default:
		return fmt.Errorf("%q is no %v", text, kind)
	}
}

func parseFloat(kind protoreflect.Kind, text string) (protoreflect.Value, error) {
	value := func(n float64) protoreflect.Value {
		if kind == protoreflect.FloatKind {
			return protoreflect.ValueOfFloat32(float32(n))
		}
		return protoreflect.ValueOfFloat64(n)
	}
	switch text {
	case "NaN":
		return value(math.NaN()), nil
	case "Infinity":
		return value(math.Inf(1)), nil
	case "-Infinity":
		return value(math.Inf(-1)), nil
	}
	if strings.Trim(text, "+-.0123456789eE") != "" { // as hexadecimal ones, and names in other spellings
		return protoreflect.Value{}, fmt.Errorf("%q is no %v", text, kind)
	}
	bits := 64
	if kind == protoreflect.FloatKind {
		bits = 32
	}
	n, err := strconv.ParseFloat(text, bits)
	return value(n), notNumber(text, kind, err)
}

func parseBytes(text string) (protoreflect.Value, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	b, err := encoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return protoreflect.Value{}, errors.New("not base64")
	}
	return protoreflect.ValueOfBytes(b), nil
}

func parseEnum(e protoreflect.EnumDescriptor, text string) (protoreflect.Value, error) {
	if v := e.Values().ByName(protoreflect.Name(text)); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	number := protoreflect.EnumNumber(n)
	if err != nil || e.IsClosed() && e.Values().ByNumber(number) == nil {
		return protoreflect.Value{}, fmt.Errorf("%q is no value of %s", text, e.FullName())
	}
	return protoreflect.ValueOfEnum(number), nil
}

// parseMessage reads a message whose JSON is one string, number or boolean.
func parseMessage(d protoreflect.MessageDescriptor, text string) (protoreflect.Value, error) {
	if !httprule.IsText(d) {
		return protoreflect.Value{}, fmt.Errorf("%s is a message, and can't be a parameter", d.FullName())
	}
	m := dynamicpb.NewMessage(d)
	if f := d.Fields().ByName("value"); f != nil { // a wrapper
		v, err := parse(f, text)
		if err == nil {
			m.Set(f, v)
		}
		return protoreflect.ValueOfMessage(m), err
	}
	quoted, err := json.Marshal(text)
	if err == nil {
		err = protojson.Unmarshal(quoted, m)
	}
	if err != nil {
		return protoreflect.Value{}, fmt.Errorf("%q is no %s", text, d.FullName())
	}
	return protoreflect.ValueOfMessage(m), nil
}

// SPDX-License-Identifier: Apache-2.0

// Package raw lets grpc-go carry messages that are encoded already, and reads
// and writes the few fields of them that the benchmark needs.
package raw

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// A Codec passes messages as bytes. What is sent must not be changed
// afterwards: grpc-go keeps it until it is on the wire.
type Codec struct{}

// Marshal takes a *[]byte.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not encoded", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal sets a *[]byte to a copy of data.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T cannot take bytes", v)
	}
	*b = data.Materialize()
	return nil
}

// Name is that of the codec that the bytes were encoded with.
func (Codec) Name() string { return "proto" }

// Field returns the last field num of the encoded message b that has a length,
// or nil. It shares the memory of b.
func Field(b []byte, num protowire.Number) []byte {
	var found []byte
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return nil
		}
		value := b[size:]
		if size = protowire.ConsumeFieldValue(n, typ, value); size < 0 {
			return nil
		}
		if n == num && typ == protowire.BytesType {
			found, _ = protowire.ConsumeBytes(value)
		}
		b = value[size:]
	}
	return found
}

// AppendBytes appends field num with value v to b.
func AppendBytes[T ~string | ~[]byte](b []byte, num protowire.Number, v T) []byte {
	b = AppendHead(b, num, len(v))
	return append(b, v...)
}

// AppendHead begins field num in b, of which size bytes will follow.
func AppendHead(b []byte, num protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.BytesType), uint64(size))
}

// SizeOf returns how much AppendBytes would append for size bytes.
func SizeOf(num protowire.Number, size int) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(size)
}

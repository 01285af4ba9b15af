// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// AppendString appends a string field, or nothing if it is empty, as proto3 has
// it.
func AppendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// AppendInt appends an int64 field, or nothing if it is zero.
func AppendInt(b []byte, num protowire.Number, n int64) []byte {
	if n == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(n))
}

// AppendPayload appends a field of type google.protobuf.Any. Its value is
// written even if it is empty: some libraries take a missing one for an error.
func AppendPayload(b []byte, num protowire.Number, p entity.Payload) []byte {
	b = AppendLength(b, num, sizePayload(p))
	b = AppendString(b, 1, p.TypeURL)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendBytes(b, p.Value)
}

// AppendLength begins a message field whose encoding is n bytes long.
func AppendLength(b []byte, num protowire.Number, n int) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(n))
}

// SizePayload returns how many bytes AppendPayload appends.
func SizePayload(num protowire.Number, p entity.Payload) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(sizePayload(p))
}

func sizePayload(p entity.Payload) int {
	return SizeString(1, p.TypeURL) + protowire.SizeTag(2) + protowire.SizeBytes(len(p.Value))
}

// SizeString returns how many bytes AppendString appends.
func SizeString(num protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeBytes(len(s))
}

// SizeInt returns how many bytes AppendInt appends.
func SizeInt(num protowire.Number, n int64) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(num) + protowire.SizeVarint(uint64(n))
}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"strings"
	"unicode/utf8"

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

// AppendMetadata appends a field of type cloudstate.Metadata, also if md is
// empty. The value of a name that ends in -bin is written as bytes, and so is
// one that is no text: the function could not read the message otherwise.
func AppendMetadata(b []byte, num protowire.Number, md entity.Metadata) []byte {
	b = AppendLength(b, num, sizeEntries(md))
	for i := range md {
		b = AppendLength(b, 1, sizeEntry(&md[i]))
		b = AppendString(b, 1, md[i].Name)
		b = protowire.AppendTag(b, valueField(&md[i]), protowire.BytesType)
		b = protowire.AppendString(b, md[i].Value)
	}
	return b
}

// SizeMetadata returns how many bytes AppendMetadata appends.
func SizeMetadata(num protowire.Number, md entity.Metadata) int {
	return protowire.SizeTag(num) + protowire.SizeBytes(sizeEntries(md))
}

func sizeEntries(md entity.Metadata) int {
	n := 0
	for i := range md {
		n += protowire.SizeTag(1) + protowire.SizeBytes(sizeEntry(&md[i]))
	}
	return n
}

func sizeEntry(e *entity.MetadataEntry) int {
	return SizeString(1, e.Name) + protowire.SizeTag(2) + protowire.SizeBytes(len(e.Value))
}

// valueField returns the field that the value of e is written to.
func valueField(e *entity.MetadataEntry) protowire.Number {
	if strings.HasSuffix(e.Name, "-bin") || !utf8.ValidString(e.Value) {
		return 3
	}
	return 2
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

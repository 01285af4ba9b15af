// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/store/record"
)

// What a key begins with.
const (
	spaceMeta   = 0x00
	spaceData   = 0x01
	spaceOutbox = 0x02
	spaceExpiry = 0x03
)

// The kinds of rows of an instance. They are what follows the 00 at the end of
// its id, so they must be smaller than escaped.
const (
	kindSnapshot = 0x01
	kindEvent    = 0x02
	kindValue    = 0x03
	kindReply    = 0x04
	escaped      = 0xff
)

// The rows that are about the store itself.
var (
	memberRow  = []byte{spaceMeta, 'm'}
	entityRows = []byte{spaceMeta, 'e'} // with the name behind
)

// usualTypes is left out of stored type URLs.
const usualTypes = "type.googleapis.com/"

// errRow reports a row that this package can't have written.
var errRow = errors.New("malformed row")

// appendInstance appends what all keys of an instance begin with. A kind has
// to follow.
func appendInstance(b []byte, number uint16, id string) []byte {
	return appendID(append(b, spaceData, byte(number>>8), byte(number)), id)
}

// appendID appends id such that the bytes order as ids do, and so that what
// follows can be told apart from it if it begins with less than escaped.
func appendID(b []byte, id string) []byte {
	for {
		i := strings.IndexByte(id, 0)
		if i < 0 {
			return append(append(b, id...), 0)
		}
		b = append(append(b, id[:i]...), 0, escaped)
		id = id[i+1:]
	}
}

// readID reads what appendID has appended at the start of b, and returns the
// rest.
func readID(b []byte) (id string, rest []byte, err error) {
	var raw []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return "", nil, errRow
		}
		raw = append(raw, b[:i]...)
		if b[i+1] != escaped {
			return string(raw), b[i+1:], nil
		}
		raw, b = append(raw, 0), b[i+2:]
	}
}

// instanceSize returns a size that the key of any row of an instance fits in.
func instanceSize(id string) int {
	return len(id) + strings.Count(id, "\x00") + 3 + 1 + 1 + 9
}

// appendSeq appends seq, which must not be negative, such that the bytes order
// as the numbers do.
func appendSeq(b []byte, seq entity.Seq) []byte {
	n := (bits.Len64(uint64(seq)) + 7) / 8
	b = append(b, byte(n))
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(seq>>(8*i)))
	}
	return b
}

// readSeq reads all of b as what appendSeq has appended.
func readSeq(b []byte) (entity.Seq, error) {
	if len(b) == 0 || len(b) > 9 || int(b[0]) != len(b)-1 {
		return 0, errRow
	}
	var seq uint64
	for _, c := range b[1:] {
		seq = seq<<8 | uint64(c)
	}
	return entity.Seq(seq), nil
}

func appendPayload(b []byte, p entity.Payload) []byte {
	name, usual := strings.CutPrefix(p.TypeURL, usualTypes)
	n := uint64(len(name)) << 1
	if usual {
		n |= 1
	}
	b = binary.AppendUvarint(b, n)
	return append(append(b, name...), p.Value...)
}

// readPayload reads all of b as what appendPayload has appended. The value
// returned is a part of b.
func readPayload(b []byte, names typeURLs) (entity.Payload, error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n>>1 > uint64(len(b)-w) {
		return entity.Payload{}, errRow
	}
	end := w + int(n>>1)
	return entity.Payload{TypeURL: names.get(b[w:end], n&1 != 0), Value: b[end:]}, nil
}

// typeURLs saves a reader from making the same string for every event. There
// is one map for the usual types and one for the others.
type typeURLs [2]map[string]string

// newTypeURLs returns an empty set.
func newTypeURLs() typeURLs { return typeURLs{{}, {}} }

// get returns the type URL that was stored as name.
func (t typeURLs) get(name []byte, usual bool) string {
	known := t[0]
	if usual {
		known = t[1]
	}
	if s, ok := known[string(name)]; ok {
		return s
	}
	s := string(name)
	if usual {
		s = usualTypes + s
	}
	if len(known) < 64 { // a function has a handful; this is against the others
		known[string(name)] = s
	}
	return s
}

// appendSnapshot appends s, without a payload if it says that the instance was
// deleted.
func appendSnapshot(b []byte, s *entity.Snapshot) []byte {
	b = binary.AppendUvarint(b, uint64(s.Seq))
	if !s.Deleted {
		b = appendPayload(b, s.Payload)
	}
	return b
}

// readSnapshot reads all of b as what appendSnapshot has appended.
func readSnapshot(b []byte) (entity.Snapshot, error) {
	seq, w := binary.Uvarint(b)
	if w <= 0 {
		return entity.Snapshot{}, errRow
	}
	s := entity.Snapshot{Seq: entity.Seq(seq), Deleted: len(b) == w}
	if s.Deleted {
		return s, nil
	}
	var err error
	s.Payload, err = readPayload(b[w:], newTypeURLs())
	return s, err
}

// snapshotLen returns how many bytes appendSnapshot appends.
func snapshotLen(s *entity.Snapshot) int {
	n := uvarintLen(uint64(s.Seq))
	if !s.Deleted {
		n += payloadLen(s.Payload)
	}
	return n
}

// appendValue appends v, without a payload if it doesn't exist.
func appendValue(b []byte, v *entity.Value) []byte {
	b = binary.AppendUvarint(b, uint64(v.Version))
	if v.Exists {
		b = binary.AppendUvarint(b, uint64(record.Milliseconds(v.Expires)))
		b = appendPayload(b, v.Payload)
	}
	return b
}

// readValue reads all of b as what appendValue has appended.
func readValue(b []byte) (entity.Value, error) {
	version, w := binary.Uvarint(b)
	if w <= 0 {
		return entity.Value{}, errRow
	}
	v := entity.Value{Version: entity.Seq(version), Exists: len(b) > w}
	if !v.Exists {
		return v, nil
	}
	b = b[w:]
	expires, w := binary.Uvarint(b)
	if w <= 0 {
		return entity.Value{}, errRow
	}
	v.Expires = record.Time(int64(expires))
	var err error
	v.Payload, err = readPayload(b[w:], newTypeURLs())
	return v, err
}

// valueLen returns how many bytes appendValue appends.
func valueLen(v *entity.Value) int {
	n := uvarintLen(uint64(v.Version))
	if v.Exists {
		n += uvarintLen(uint64(record.Milliseconds(v.Expires))) + payloadLen(v.Payload)
	}
	return n
}

// payloadLen returns how many bytes appendPayload appends.
func payloadLen(p entity.Payload) int {
	name := strings.TrimPrefix(p.TypeURL, usualTypes)
	return uvarintLen(uint64(len(name))<<1) + len(name) + len(p.Value)
}

// uvarintLen returns how many bytes v takes as a uvarint.
func uvarintLen(v uint64) int { return max(1, (bits.Len64(v)+6)/7) }

// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
)

// A textReader decodes base64 that may have been written in pieces, each of
// which has its own padding.
type textReader struct {
	from    io.Reader
	err     error // of from
	raw     [1024]byte
	pending int // bytes at the beginning of raw that are no whole quantum yet
	buffer  []byte
	decoded []byte // of buffer, what was not read yet
}

func (t *textReader) Read(p []byte) (int, error) {
	for len(t.decoded) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		if err := t.fill(); err != nil {
			t.err = err
		}
	}
	n := copy(p, t.decoded)
	t.decoded = t.decoded[n:]
	return n, nil
}

// fill decodes what comes next.
func (t *textReader) fill() error {
	n, err := t.from.Read(t.raw[t.pending:])
	have := t.raw[:t.pending+n]
	whole := have[:len(have)/4*4]
	t.buffer = t.buffer[:0]
	for len(whole) > 0 {
		piece := whole
		if pad := bytes.IndexByte(piece, '='); pad >= 0 {
			piece = piece[:pad/4*4+4]
		}
		var bad error
		if t.buffer, bad = base64.StdEncoding.AppendDecode(t.buffer, piece); bad != nil {
			return bad
		}
		whole = whole[len(piece):]
	}
	t.decoded = t.buffer
	t.pending = copy(t.raw[:], have[len(have)/4*4:])
	if errors.Is(err, io.EOF) && t.pending > 0 {
		return base64.CorruptInputError(t.pending)
	}
	return err
}

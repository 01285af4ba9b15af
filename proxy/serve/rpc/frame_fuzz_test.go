// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FuzzFrames reads frames from bytes of anybody. Whatever they are, messages are
// no longer than they may be, the end is the end or a status that says whose fault
// it is, and what was read is what was sent.
func FuzzFrames(f *testing.F) {
	zipped, err := compress(bytes.Repeat([]byte("a"), 5000))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, true)
	f.Add(appendFrame(appendFrame(nil, 0, []byte("one")), webTrailer, []byte("two")), false)
	f.Add(appendFrame(nil, compressed, zipped), true)
	f.Add(appendFrame(nil, compressed, []byte("no gzip")), true)
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 1}, false)
	f.Add([]byte{0, 0, 0}, false)
	f.Fuzz(func(t *testing.T, data []byte, gzip bool) {
		const limit = 1000
		in := frames{from: iotest.HalfReader(bytes.NewReader(data)), max: limit, gzip: gzip}
		var again []byte
		for {
			flags, message, err := in.next()
			if errors.Is(err, io.EOF) {
				if !bytes.Equal(again, data) {
					t.Errorf("read %q of %q", again, data)
				}
				return
			}
			switch status.Code(err) {
			case codes.OK:
			case codes.Internal, codes.InvalidArgument, codes.ResourceExhausted:
				return
			default:
				t.Fatalf("ended with %v", err)
			}
			if len(message) > limit {
				t.Errorf("a message of %d bytes", len(message))
			}
			if flags&compressed != 0 {
				again = append(again, data[len(again):len(again)+headBytes+int(binary.BigEndian.Uint32(data[len(again)+1:]))]...)
			} else {
				again = appendFrame(again, flags, message)
			}
		}
	})
}

// FuzzText decodes text of anybody, which must come to the same however it
// arrives; and text that a client has made of pieces.
func FuzzText(f *testing.F) {
	f.Add("AAAA", uint8(1))
	f.Add("AAA=AA==AAAA", uint8(2))
	f.Add("AA=", uint8(1))
	f.Add("A=AA", uint8(1))
	f.Add("AA\r\nAA", uint8(3))
	f.Fuzz(func(t *testing.T, text string, at uint8) {
		whole, wholeErr := io.ReadAll(&textReader{from: bytes.NewReader([]byte(text))})
		bytewise, bytewiseErr := io.ReadAll(&textReader{from: iotest.OneByteReader(bytes.NewReader([]byte(text)))})
		if (wholeErr == nil) != (bytewiseErr == nil) || wholeErr == nil && !bytes.Equal(whole, bytewise) {
			t.Errorf("at once %q, %v; byte by byte %q, %v", whole, wholeErr, bytewise, bytewiseErr)
		}
		cut := min(int(at), len(text))
		sent := base64.StdEncoding.AppendEncode(base64.StdEncoding.AppendEncode(nil, []byte(text[:cut])), []byte(text[cut:]))
		if got, err := io.ReadAll(&textReader{from: iotest.HalfReader(bytes.NewReader(sent))}); err != nil || string(got) != text {
			t.Errorf("pieces %q came as %q, %v", sent, got, err)
		}
	})
}

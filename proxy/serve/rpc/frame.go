// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

// A frame is five bytes, flags and the length of the message, and then that.
const (
	headBytes  = 5
	compressed = 1 << 0
	connectEnd = 1 << 1 // of Connect: the message is the end of the stream
	webTrailer = 1 << 7 // of gRPC-Web: the message is the trailers
)

// atOnce is how much memory is taken on the word of a client.
const atOnce = 64 << 10

// appendFrame appends a frame to b.
func appendFrame(b []byte, flags byte, message []byte) []byte {
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	return append(b, message...)
}

// A frames reads frames.
type frames struct {
	from io.Reader
	max  int
	gzip bool // whether frames may be compressed
	head [headBytes]byte
}

// next returns the flags and the message of the next frame, decompressed. The
// error is io.EOF at the end of the last frame, or a status.
func (f *frames) next() (flags byte, message []byte, err error) {
	switch _, err := io.ReadFull(f.from, f.head[:]); {
	case err == io.EOF:
		return 0, nil, io.EOF
	case err != nil:
		return 0, nil, broken(err)
	}
	flags, size := f.head[0], binary.BigEndian.Uint32(f.head[1:])
	if uint64(size) > uint64(f.max) {
		return 0, nil, tooLarge(f.max)
	}
	message, err = readSized(f.from, int(size))
	switch {
	case err != nil:
		return 0, nil, broken(err)
	case flags&compressed == 0:
		return flags, message, nil
	case !f.gzip:
		return 0, nil, status.Error(codes.Internal, "a compressed message in a call that names no compression")
	}
	message, err = decompress(message, f.max)
	return flags, message, err
}

// readSized reads size bytes.
func readSized(from io.Reader, size int) ([]byte, error) {
	if size <= atOnce {
		message := make([]byte, size)
		_, err := io.ReadFull(from, message)
		return message, err
	}
	var message bytes.Buffer
	message.Grow(atOnce)
	_, err := io.CopyN(&message, from, int64(size))
	return message.Bytes(), err
}

// readAll reads to the end.
func readAll(from io.Reader, limit int) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(from, int64(limit)+1))
	switch {
	case err != nil:
		return nil, broken(err)
	case len(message) > limit:
		return nil, tooLarge(limit)
	}
	return message, nil
}

// broken says what the end of a request in the middle of it means.
func broken(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the request did not arrive in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return status.Error(codes.Internal, "the request ends within a message")
	}
	if corrupt, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return status.Error(codes.InvalidArgument, fmt.Sprint("invalid request: ", corrupt))
	}
	return status.Error(codes.Canceled, "the client has gone away")
}

func tooLarge(limit int) error {
	return status.Errorf(codes.ResourceExhausted, "the message is longer than %d bytes", limit)
}

// decompress returns a message of at most limit bytes. The error is a status.
func decompress(message []byte, limit int) ([]byte, error) {
	if len(message) == 0 {
		return message, nil
	}
	r, err := encoding.GetCompressor(gzip.Name).Decompress(bytes.NewReader(message))
	if err == nil {
		message, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	}
	switch {
	case err != nil:
		return nil, status.Errorf(codes.InvalidArgument, "invalid request: not gzip: %v", err)
	case len(message) > limit:
		return nil, tooLarge(limit)
	}
	return message, nil
}

// compress returns the message compressed.
func compress(message []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := encoding.GetCompressor(gzip.Name).Compress(&b)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(message); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// chunk is how many bytes of a raw body one message of a stream has at most.
const chunk = 64 << 10

// nothing is the client's side of a call whose request is there already.
type nothing struct{}

// Recv says that nothing comes.
func (nothing) Recv() ([]byte, error) { return nil, io.EOF }

// An incoming is the messages that the body of a request has. Used by one
// goroutine at a time.
type incoming struct {
	call *call
	r    *http.Request

	patience *http.ResponseController // ends the wait for the body

	begun  bool
	kind   string // content type of the first message, of a raw body
	body   *bounded
	values *json.Decoder
}

// only returns the message of a call that has one.
func (in *incoming) only() ([]byte, error) {
	b := in.call.binding
	if !b.WholeBody && b.Body == nil {
		return in.message(transcode.Body{})
	}
	data, err := in.whole()
	if err != nil {
		outcome.TakeRest(in.r)
		return nil, err
	}
	return in.message(transcode.Body{Type: in.kind, Data: data})
}

// whole returns the body, which must come in time. After a failure the deadline
// stays, since what is left is read before it is answered.
func (in *incoming) whole() ([]byte, error) {
	// Where there are no deadlines, nothing is read from a network.
	limited := in.patience.SetReadDeadline(time.Now().Add(in.call.handler.options.Patience)) == nil
	if err := in.begin(); err != nil {
		return nil, err
	}
	data, err := in.body.all(in.r.ContentLength)
	if err == nil && limited {
		err = in.patience.SetReadDeadline(time.Time{})
	}
	return data, err
}

func (in *incoming) message(body transcode.Body) ([]byte, error) {
	return in.call.served.codec.Request(in.call.binding, in.call.params, body)
}

// Recv returns the next message of a streamed request: of each JSON value in the
// body, or of each piece of a raw one. A request without body is one message.
func (in *incoming) Recv() ([]byte, error) {
	b := in.call.binding
	switch {
	case !in.begun && !b.WholeBody && b.Body == nil:
		in.begun = true
		return in.message(transcode.Body{})
	case !b.WholeBody && b.Body == nil:
		return nil, io.EOF
	case !in.begun:
		if err := in.begin(); err != nil {
			return nil, err
		}
	}
	if transcode.TakesRaw(b) {
		return in.piece()
	}
	in.body.renew()
	var value json.RawMessage
	err := in.values.Decode(&value)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, &entity.Invalid{Violations: []entity.Violation{{
			Description: fmt.Sprintf("%v (byte %d of the body)", wrong, wrong.Offset),
		}}}
	}
	if err != nil {
		return nil, in.body.because(err)
	}
	return in.message(transcode.Body{Data: value})
}

// piece returns the next piece of a raw body as a message.
func (in *incoming) piece() ([]byte, error) {
	in.body.renew()
	data := make([]byte, min(chunk, in.call.handler.options.MaxReceive))
	n, err := io.ReadAtLeast(in.body, data, 1)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, in.body.because(err)
	}
	kind := in.kind
	in.kind = "" // the first says it for all
	return in.message(transcode.Body{Type: kind, Data: data[:n]})
}

// begin looks at what the headers say of the body.
func (in *incoming) begin() error {
	in.begun = true
	in.kind = in.r.Header.Get("Content-Type")
	if !transcode.TakesRaw(in.call.binding) && !isJSON(in.kind) {
		return &httpError{http.StatusUnsupportedMediaType, codes.InvalidArgument,
			fmt.Sprintf("the body is of type %q, and should be application/json", in.kind)}
	}
	in.body = &bounded{from: in.r.Body, limit: in.call.handler.options.MaxReceive}
	in.body.renew()
	switch encoding := strings.ToLower(in.r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in.r.Body)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errLate
			}
			return fmt.Errorf("%w: the body is no gzip: %w", entity.ErrInvalid, err)
		}
		in.body.from = z
	default:
		return &httpError{http.StatusUnsupportedMediaType, codes.InvalidArgument,
			fmt.Sprintf("the body is encoded as %q; only gzip is understood", encoding)}
	}
	in.values = json.NewDecoder(in.body)
	return nil
}

// errLate is for a body that does not arrive.
var errLate = &httpError{http.StatusRequestTimeout, codes.DeadlineExceeded, "the body did not arrive in time"}

// isJSON reports whether a content type says JSON, or nothing.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	charset := strings.ToLower(params["charset"])
	return (media == "application/json" || media == "application/x-ndjson" || strings.HasSuffix(media, "+json")) &&
		(charset == "" || charset == "utf-8" || charset == "us-ascii")
}

// A bounded reads a body, so much of it for each message and no more.
type bounded struct {
	from  io.Reader
	limit int
	left  int
}

// renew begins a message.
func (b *bounded) renew() { b.left = b.limit }

func (b *bounded) tooLarge() error {
	return &httpError{http.StatusRequestEntityTooLarge, codes.ResourceExhausted,
		fmt.Sprintf("a message may have %d bytes", b.limit)}
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		var one [1]byte
		if n, err := b.from.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, b.tooLarge()
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// all returns the whole body; hint is how long the client says that it is.
func (b *bounded) all(hint int64) ([]byte, error) {
	if hint > int64(b.limit) {
		return nil, b.tooLarge()
	}
	// A client may announce much and send nothing, many times at once. One more
	// byte, so that the end is seen without growing.
	data := make([]byte, 0, min(max(hint, 511), chunk)+1)
	for {
		n, err := b.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, b.because(err)
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

// because says why a body can't be read.
func (b *bounded) because(err error) error {
	if _, ok := errors.AsType[*httpError](err); ok {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errLate
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return b.tooLarge()
	}
	return fmt.Errorf("%w: the body can't be read: %w", entity.ErrInvalid, err)
}

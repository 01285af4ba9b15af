// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/serve/header"
)

// connectCodes are the names and the HTTP statuses of the Connect protocol.
var connectCodes = map[codes.Code]struct {
	name   string
	status int
}{
	codes.Canceled:           {"canceled", 499},
	codes.Unknown:            {"unknown", http.StatusInternalServerError},
	codes.InvalidArgument:    {"invalid_argument", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"deadline_exceeded", http.StatusGatewayTimeout},
	codes.NotFound:           {"not_found", http.StatusNotFound},
	codes.AlreadyExists:      {"already_exists", http.StatusConflict},
	codes.PermissionDenied:   {"permission_denied", http.StatusForbidden},
	codes.ResourceExhausted:  {"resource_exhausted", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"failed_precondition", http.StatusBadRequest},
	codes.Aborted:            {"aborted", http.StatusConflict},
	codes.OutOfRange:         {"out_of_range", http.StatusBadRequest},
	codes.Unimplemented:      {"unimplemented", http.StatusNotImplemented},
	codes.Internal:           {"internal", http.StatusInternalServerError},
	codes.Unavailable:        {"unavailable", http.StatusServiceUnavailable},
	codes.DataLoss:           {"data_loss", http.StatusInternalServerError},
	codes.Unauthenticated:    {"unauthenticated", http.StatusUnauthorized},
}

// A connectError is an error as the Connect protocol writes it.
type connectError struct {
	Code    string          `json:"code"`
	Message string          `json:"message,omitempty"`
	Details []connectDetail `json:"details,omitempty"`
}

type connectDetail struct {
	Type  string `json:"type"`
	Value string `json:"value"` // base64
}

func connectErrorOf(st *status.Status) *connectError {
	if st.Code() == codes.OK {
		return nil
	}
	e := &connectError{Code: connectCodes[st.Code()].name, Message: st.Message()}
	for _, d := range st.Proto().GetDetails() {
		e.Details = append(e.Details, connectDetail{
			Type:  d.GetTypeUrl()[strings.LastIndexByte(d.GetTypeUrl(), '/')+1:],
			Value: base64.RawStdEncoding.EncodeToString(d.GetValue()),
		})
	}
	return e
}

// receiveQuery takes the message out of the query. The error is a status.
func (s *stream) receiveQuery() ([]byte, error) {
	query := s.r.URL.Query()
	message := []byte(query.Get("message"))
	if query.Get("base64") == "1" {
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(string(message), "="))
		if err != nil {
			return nil, invalid("parameter message: %v", err)
		}
		message = decoded
	}
	if len(message) > s.in.max {
		return nil, tooLarge(s.in.max)
	}
	switch c := query.Get("compression"); c {
	case "", "identity":
		return message, nil
	case gzip.Name:
		return decompress(message, s.in.max)
	default:
		return nil, s.unknownEncoding(c)
	}
}

// finishUnary sends the message, or the error.
func (s *stream) finishUnary(st *status.Status) {
	h := s.w.Header()
	addTrailers(h, s.trailers)
	if s.form.get {
		h.Add("Vary", "Accept-Encoding")
	}
	switch {
	case st.Code() != codes.OK:
		s.failUnary(st)
		return
	case !s.out.replied:
		s.failUnary(status.New(codes.Internal, "the call has ended without a reply"))
		return
	}
	h["Content-Type"] = s.contentType()
	body := s.out.whole
	if s.out.compress && s.worth(body) {
		if packed, err := compress(body); err == nil {
			body = packed
			h["Content-Encoding"] = gzipped
		}
	}
	s.w.Write(body) //nolint:errcheck // nobody is there to be told
}

func (s *stream) failUnary(st *status.Status) {
	h := s.w.Header()
	h.Set("Content-Type", "application/json")
	body, err := json.Marshal(connectErrorOf(st))
	if err != nil { // it has nothing in it that can't be JSON
		body = []byte(`{"code":"internal"}`)
	}
	s.w.WriteHeader(connectCodes[st.Code()].status)
	s.w.Write(body) //nolint:errcheck // nobody is there to be told
}

// addTrailers adds trailers to headers, as a unary answer has them.
func addTrailers(h http.Header, trailers metadata.MD) {
	for name, values := range trailers {
		for _, v := range values {
			header.Add(h, "Trailer-"+name, v)
		}
	}
}

// finishConnect sends the frame that ends a stream.
func (s *stream) finishConnect(st *status.Status) {
	end := struct {
		Error    *connectError `json:"error,omitempty"`
		Metadata http.Header   `json:"metadata,omitempty"`
	}{Error: connectErrorOf(st)}
	if len(s.trailers) > 0 {
		end.Metadata = http.Header{}
		for name, values := range s.trailers {
			for _, v := range values {
				header.Add(end.Metadata, name, v)
			}
		}
	}
	body, err := json.Marshal(end)
	if err != nil { // it has nothing in it that can't be JSON
		body = []byte(`{"error":{"code":"internal"}}`)
	}
	_ = s.write(connectEnd, body) // nobody is there to be told
}

// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/proxy/serve/header"
)

// Header values that all answers share. Nobody changes them.
var (
	gzipped  = []string{gzip.Name}
	statusOK = []string{"0"}
)

// negotiate finds out about compression. The error is a status.
func (s *stream) negotiate() error {
	from, to := "Grpc-Encoding", "" // gRPC's replies follow the request
	switch {
	case s.form.get:
		to = "Accept-Encoding"
	case s.form.protocol == Connect && s.form.unary:
		from, to = "Content-Encoding", "Accept-Encoding"
	case s.form.protocol == Connect:
		from, to = "Connect-Content-Encoding", "Connect-Accept-Encoding"
	}
	if values := s.r.Header[from]; len(values) > 0 && !s.form.get {
		switch values[0] {
		case "", "identity":
		case gzip.Name:
			s.in.gzip = true
		default:
			return s.unknownEncoding(values[0])
		}
	}
	s.out.compress = s.in.gzip
	if to != "" {
		s.out.compress = accepts(s.r.Header[to], gzip.Name)
	}
	return nil
}

// unknownEncoding says which ones are known.
func (s *stream) unknownEncoding(name string) error {
	known := "Grpc-Accept-Encoding"
	if s.form.protocol == Connect {
		known = "Connect-Accept-Encoding"
		if s.form.unary {
			known = "Accept-Encoding"
		}
	}
	s.w.Header()[known] = gzipped
	return status.Errorf(codes.Unimplemented, "not implemented: compression %q; gzip is known", name)
}

// accepts reports whether a list of encodings has name.
func accepts(lists []string, name string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			coding, weight, _ := strings.Cut(item, ";")
			if strings.TrimSpace(coding) == name {
				return strings.ReplaceAll(weight, " ", "") != "q=0"
			}
		}
	}
	return false
}

// answerHeaders sets the headers of an answer with frames.
func (s *stream) answerHeaders() {
	h := s.w.Header()
	h["Content-Type"] = s.contentType()
	if !s.out.compress {
		return
	}
	if s.form.protocol == Connect {
		h["Connect-Content-Encoding"] = gzipped
	} else {
		h["Grpc-Encoding"] = gzipped
	}
}

// contentType returns the type of the answer: that of the request.
func (s *stream) contentType() []string {
	if s.form.get {
		return []string{s.form.media}
	}
	if s.form.media == s.r.Header["Content-Type"][0] {
		return s.r.Header["Content-Type"]
	}
	return []string{s.form.media}
}

// finish ends the call with its status.
func (s *stream) finish(err error) {
	s.endInput()
	st := status.Convert(err)
	switch {
	case s.form.protocol == GRPC:
		s.finishGRPC(st)
	case s.form.protocol == GRPCWeb:
		s.finishWeb(st)
	case s.form.unary:
		s.finishUnary(st)
	default:
		s.finishConnect(st)
	}
}

// finishGRPC sends trailers, without anything before them if there is nothing.
func (s *stream) finishGRPC(st *status.Status) {
	prefix := http.TrailerPrefix
	if !s.out.began {
		prefix = ""
		s.w.Header()["Content-Type"] = s.contentType()
	}
	h := s.w.Header()
	for name, values := range s.trailers {
		for _, v := range values {
			header.Add(h, prefix+name, v)
		}
	}
	if st.Code() == codes.OK {
		h[prefix+"Grpc-Status"] = statusOK
		return
	}
	for _, entry := range statusEntries(st) {
		h[prefix+entry[0]] = entry[1:]
	}
}

// statusEntries returns the trailers that tell of st.
func statusEntries(st *status.Status) [][]string {
	entries := [][]string{{"Grpc-Status", strconv.Itoa(int(st.Code()))}}
	if st.Message() != "" {
		entries = append(entries, []string{"Grpc-Message", percentEncoded(st.Message())})
	}
	if len(st.Proto().GetDetails()) > 0 {
		if details, err := proto.Marshal(st.Proto()); err == nil {
			entries = append(entries, []string{"Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details)})
		}
	}
	return entries
}

// finishWeb sends a frame of trailers.
func (s *stream) finishWeb(st *status.Status) {
	trailers := http.Header{}
	for name, values := range s.trailers {
		for _, v := range values {
			header.Add(trailers, name, v)
		}
	}
	for _, entry := range statusEntries(st) {
		trailers[entry[0]] = entry[1:]
	}
	var b []byte
	for name, values := range trailers {
		for _, v := range values {
			b = append(b, strings.ToLower(name)+": "+v+"\r\n"...)
		}
	}
	_ = s.write(webTrailer, b) // nobody is there to be told
}

// percentEncoded returns text as grpc-message has it.
func percentEncoded(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// Refuse answers a call with a status, without looking at more of it than its
// headers.
func Refuse(w http.ResponseWriter, r *http.Request, st *status.Status) {
	s := &stream{handler: refusing, ctx: r.Context(), w: w, r: r, form: formOf(r)}
	s.finish(st.Err())
}

// refusing is the Handler of streams that have no other.
var refusing = New(nil, nil, Options{})

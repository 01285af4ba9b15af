// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

func TestUnary(t *testing.T) {
	url := start(t, echo, Options{})
	for _, tt := range []struct{ verb, target, body, want string }{
		{"POST", "/carts/a%2Fb", `{"count":2}`, `{"id":"a/b","count":2}`},
		{"GET", "/carts/a:1?count=7", "", `{"id":"a:1","count":7}`},
		{"POST", "/shop.Cart/Plain", `{"id":"x"}`, `{"id":"x","count":0}`},
		{"GET", "/do?id=%20", "", `{"id":" ","count":0}`},
		{"POST", "/feed", `{"id":"only"}`, `{"id":"only","count":0}`},
		{"POST", "/feed", "{\"id\":\"1\"}\n{\"id\":\"2\"}", `{"id":"2","count":0}`},
		{"HEAD", "/do", "", ``},
	} {
		r := send(t, url, tt.verb, tt.target, tt.body, "Content-Type", "application/json; charset=UTF-8")
		r.want(t, http.StatusOK, tt.want)
		if got := r.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is of type %q", tt.target, got)
		}
	}
}

func TestCallHasWhatTheHeadersSay(t *testing.T) {
	calls := make(chan entity.Call, 1)
	url := start(t, function{submit: func(call entity.Call, done func(entity.Answer)) {
		calls <- call
		done(entity.Answer{Metadata: entity.Metadata{
			{Name: "cache-control", Value: "max-age=60"}, {Name: "etag", Value: `"7"`},
			{Name: "hash-bin", Value: "\x00\xff"}, {Name: "content-type", Value: "no"}, {Name: "grpc-status", Value: "5"},
		}})
	}}, Options{})
	before := time.Now()
	r := send(t, url, "POST", "/carts/1", "{}", "Idempotency-Key", "k1", "X-Bytes-Bin", "AP8", "Grpc-Timeout", "100S",
		"Kairn-Outcome", "fake", "Authorization", "secret", "Accept-Encoding", "br", "User-Agent", "tests")
	r.want(t, http.StatusOK, `{"id":"","count":0}`)
	for name, want := range map[string]string{
		"Cache-Control": "max-age=60", "Etag": `"7"`, "Hash-Bin": "AP8", "Content-Type": "application/json", "Grpc-Status": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("the reply has %s %q, want %q", name, got, want)
		}
	}
	call := <-calls
	if d := call.Deadline.Sub(before); d < 100*time.Second || call.Done == nil {
		t.Errorf("deadline in %v, done %v", d, call.Done)
	}
	want := entity.Metadata{
		{Name: "authorization", Value: "secret"}, {Name: "idempotency-key", Value: "k1"}, {Name: "x-bytes-bin", Value: "\x00\xff"},
	}
	if !reflect.DeepEqual(call.Metadata, want) {
		t.Errorf("the call has %q", call.Metadata)
	}
	if got := item(t, call.Payload); call.Service != "shop.Cart" || call.Command != "Add" || got != `{"id":"1"}` {
		t.Errorf("the call is %s/%s %s", call.Service, call.Command, got)
	}
}

func TestBadRequests(t *testing.T) {
	url := start(t, echo, Options{MaxReceive: 100})
	const json = "application/json"
	field := func(status int, field, text string) string {
		message := "invalid request: " + text
		if field != "" {
			message = "invalid request: " + field + ": " + text
		}
		return fmt.Sprintf(`{"error":{"code":400,"message":%q,"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest",`+
			`"fieldViolations":[{`, message) + fieldName(field) + fmt.Sprintf(`"description":%q}]}]}}`, text)
	}
	for _, tt := range []struct {
		verb, target, body string
		header             []string
		status             int
		want               string
	}{
		{"POST", "/carts/1", "{\n \"count\":\"x\"}", []string{"Content-Type", json}, 400,
			field(400, "count", `invalid value for int32 field count: "x" (line 2, column 10)`)},
		{"POST", "/carts/1", "", nil, 400, field(400, "", "the body is empty, and should be JSON: {}")},
		{"GET", "/carts/1?count=x", "", nil, 400, field(400, "count", `"x" is no int32`)},
		{"GET", "/nowhere", "", nil, 404, problem(404, "NOT_FOUND", "there is nothing at /nowhere")},
		{"PUT", "/carts/1", "", nil, 405, problem(405, "UNIMPLEMENTED", "/carts/1 is not for PUT, but for GET, POST, HEAD")},
		{"POST", "/carts/1", "{}", []string{"Content-Type", "text/plain"}, 415,
			problem(415, "INVALID_ARGUMENT", `the body is of type "text/plain", and should be application/json`)},
		{"POST", "/carts/1", "{}", []string{"Content-Encoding", "br"}, 415,
			problem(415, "INVALID_ARGUMENT", `the body is encoded as "br"; only gzip is understood`)},
		{"POST", "/carts/1", strings.Repeat(" ", 101), nil, 413, problem(413, "RESOURCE_EXHAUSTED", "a message may have 100 bytes")},
		{"POST", "/feed", `{"id":"` + strings.Repeat("x", 101), nil, 413, problem(413, "RESOURCE_EXHAUSTED", "a message may have 100 bytes")},
		{"GET", "/do", "", []string{"Grpc-Timeout", "5x"}, 400,
			problem(400, "INVALID_ARGUMENT", `invalid request: grpc-timeout "5x" is no number with one of the units H, M, S, m, u, n`)},
		{"POST", "/feed", `{} ]`, nil, 400, field(400, "", "invalid character ']' looking for beginning of value (byte 4 of the body)")},
	} {
		r := send(t, url, tt.verb, tt.target, tt.body, tt.header...)
		r.body = strings.ReplaceAll(r.body, ": ", ":")
		tt.want = strings.ReplaceAll(tt.want, ": ", ":")
		r.want(t, tt.status, tt.want)
	}
	if r := send(t, url, "OPTIONS", "/carts/1", ""); r.StatusCode != 204 || r.Header.Get("Allow") != "GET, POST, HEAD" {
		t.Errorf("OPTIONS: %d, %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func fieldName(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(`"field":%q,`, name)
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		code   string
		text   string
		header [2]string
		bare   bool // whether it is bare text if that is asked for
	}{
		{&entity.Refusal{Description: "sold out"}, 500, "UNKNOWN", "sold out", [2]string{}, true},
		{&entity.Crash{Description: "oh"}, 500, "INTERNAL", "oh", [2]string{}, true},
		{&entity.Status{Code: 5, Description: "gone"}, 404, "NOT_FOUND", "gone", [2]string{}, true},
		{fmt.Errorf("x: %w", entity.ErrProtocol), 500, "INTERNAL", "x: user function broke the protocol", [2]string{}, true},
		{errors.New("secret"), 500, "INTERNAL", "entity failed", [2]string{}, true},
		{entity.ErrInvalid, 400, "INVALID_ARGUMENT", "invalid request", [2]string{}, false},
		{entity.ErrOverloaded, 429, "RESOURCE_EXHAUSTED", "too many calls wait", [2]string{}, false},
		{entity.ErrDeadline, 504, "DEADLINE_EXCEEDED", "deadline exceeded", [2]string{}, false},
		{entity.ErrUnavailable, 503, "UNAVAILABLE", "not available", [2]string{"Retry-After", "1"}, false},
		{entity.ErrUnknownOutcome, 503, "UNAVAILABLE", "outcome unknown", [2]string{"Kairn-Outcome", "unknown"}, false},
		{entity.ErrLoop, 400, "FAILED_PRECONDITION", "chain of calls is too long", [2]string{}, false},
		{entity.ErrUnimplemented, 501, "UNIMPLEMENTED", "not implemented", [2]string{}, false},
	} {
		for _, target := range []string{"/carts/1", "/do", "/watch/1"} { // of an entity, of an action, streamed
			r := send(t, start(t, failing(tt.err), Options{}), "GET", target, "")
			r.want(t, tt.status, problem(tt.status, tt.code, tt.text))
			if tt.header[0] != "" && r.Header.Get(tt.header[0]) != tt.header[1] {
				t.Errorf("%v: header %v", tt.err, r.Header)
			}
			r = send(t, start(t, failing(tt.err), Options{BareErrors: true}), "GET", target, "")
			if tt.bare {
				r.want(t, 500, tt.text)
			} else {
				r.want(t, tt.status, problem(tt.status, tt.code, tt.text))
			}
		}
	}
}

func TestBodiesAreCompressedBothWays(t *testing.T) {
	url := start(t, echo, Options{MaxReceive: 10_000})
	long := `{"id":"` + strings.Repeat("x", 5000) + `","count":0}`
	r := send(t, url, "POST", "/shop.Cart/Plain", zipped(t, long), "Content-Encoding", "gzip", "Accept-Encoding", "br, gzip;q=0.5")
	if r.Header.Get("Content-Encoding") != "gzip" || r.Header.Get("Vary") != "Accept-Encoding" || len(r.body) > 1000 {
		t.Errorf("got %v and %d bytes", r.Header, len(r.body))
	}
	unzipped, err := gzip.NewReader(strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(unzipped); string(got) != long {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	send(t, url, "POST", "/shop.Cart/Plain", long, "Accept-Encoding", "gzip;q=0").want(t, 200, long)

	send(t, url, "POST", "/shop.Cart/Plain", zipped(t, strings.Repeat(" ", 1<<20)), "Content-Encoding", "gzip").
		want(t, 413, problem(413, "RESOURCE_EXHAUSTED", "a message may have 10000 bytes"))
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return z.String()
}

func TestRawBodies(t *testing.T) {
	url := start(t, echo, Options{})
	r := send(t, url, "PUT", "/files/a/b.png", "\x00raw", "Content-Type", "image/png")
	r.want(t, 200, "\x00raw")
	if got := r.Header.Get("Content-Type"); got != "image/png" {
		t.Errorf("it is of type %q", got)
	}
	send(t, url, "PUT", "/files/x", "").want(t, 200, "")

	long := strings.Repeat("0123456789", 50_000)
	r = send(t, url, "PUT", "/load/x", long, "Content-Type", "text/x")
	if r.StatusCode != 200 || r.body != long || r.Header.Get("Content-Type") != "text/x" {
		t.Errorf("got %d, %d bytes of type %q", r.StatusCode, len(r.body), r.Header.Get("Content-Type"))
	}
}

func TestNothingServedYet(t *testing.T) {
	h := New(slog.New(slog.DiscardHandler), func() (*route.Catalogue, error) { return nil, errors.New("not reached") }, echo, echo, Options{})
	s := httptest.NewServer(h)
	defer s.Close()
	send(t, s.URL, "GET", "/carts/1", "").want(t, 503, problem(503, "UNAVAILABLE", "not available: not reached"))
}

func TestWrongRulesAreSaid(t *testing.T) {
	c := catalogue(t)
	h := New(slog.New(slog.DiscardHandler), func() (*route.Catalogue, error) { return c, nil }, echo, echo, Options{})
	got := h.Use(c)
	want := []string{`method shop.Act/Wrong: HTTP rule GET "/wrong/{", column 9: the name of a field is missing at the end`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCallEndsWithItsClientAndWithTheProxy(t *testing.T) {
	for name, cause := range map[string]error{"client": nil, "proxy": entity.ErrUnknownOutcome} {
		for _, target := range []string{"/carts/1", "/do", "/watch/1"} {
			begun := make(chan (<-chan struct{}), 1)
			h := newHandler(t, function{
				submit: func(call entity.Call, done func(entity.Answer)) { begun <- call.Done },
				stream: func(ctx context.Context, call entity.Call, _ entity.Exchange) error {
					begun <- call.Done
					<-ctx.Done()
					return context.Cause(ctx)
				},
			}, Options{})
			ctx, cancel := context.WithCancelCause(t.Context())
			w := httptest.NewRecorder()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", target, nil))
			}()
			done := <-begun
			cancel(cause)
			<-done
			<-ended
			if name == "proxy" && (w.Code != 503 || w.Header().Get("Kairn-Outcome") != "unknown") {
				t.Errorf("%s: got %d, %v", target, w.Code, w.Header())
			}
		}
	}
}

// TestTheRestOfALargeBodyIsTaken has clients of HTTP/2 that send more than they may:
// one that is told to stop sending may not look at the answer.
func TestTheRestOfALargeBodyIsTaken(t *testing.T) {
	h := newHandler(t, echo, Options{MaxReceive: 100})
	for _, tt := range []struct{ version, size, left int }{
		{2, 30_000, 0},
		{2, 1 << 20, 1<<20 - 256<<10}, // not for ever
		{1, 30_000, 30_000},           // package http does it
	} {
		body := strings.NewReader(strings.Repeat(" ", tt.size))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/carts/1", body)
		r.ProtoMajor = tt.version
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || body.Len() != tt.left {
			t.Errorf("HTTP/%d, %d bytes: status %d, %d bytes are left, want %d", tt.version, tt.size, w.Code, body.Len(), tt.left)
		}
	}
}

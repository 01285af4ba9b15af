// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// counting sends n items, with metadata, and ends with err.
func counting(n int, err error) function {
	return function{stream: func(_ context.Context, call entity.Call, client entity.Exchange) error {
		for i := range n {
			md := entity.Metadata{{Name: "number", Value: fmt.Sprint(i)}}
			if err := client.Send([]byte{0x10, byte(i + 1)}, md); err != nil {
				return err
			}
		}
		return err
	}}
}

func TestStreamedReply(t *testing.T) {
	const events = "data: {\"id\":\"\",\"count\":1}\n\ndata: {\"id\":\"\",\"count\":2}\n\n"
	const lines = "{\"id\":\"\",\"count\":1}\n{\"id\":\"\",\"count\":2}\n"
	const failed = `{"error":{"code":500,"message":"sold out","status":"UNKNOWN"}}`
	for _, tt := range []struct {
		accept, kind string
		err          error
		want         string
	}{
		{"*/*", "application/json", nil, lines},
		{"application/x-ndjson", "application/x-ndjson", nil, lines},
		{"text/event-stream", "text/event-stream", nil, events},
		{"", "application/json", &entity.Refusal{Description: "sold out"}, lines + failed + "\n"},
		{"text/event-stream", "text/event-stream", &entity.Refusal{Description: "sold out"}, events + "event: error\ndata: " + failed + "\n\n"},
	} {
		r := send(t, start(t, counting(2, tt.err), Options{}), "GET", "/watch/1", "", "Accept", tt.accept)
		r.want(t, http.StatusOK, tt.want)
		if got := r.Header.Get("Content-Type"); got != tt.kind {
			t.Errorf("it is of type %q, want %q", got, tt.kind)
		}
		if got := r.Header.Get("Number"); got != "0" {
			t.Errorf("header %q", got)
		}
		if got := r.Trailer.Get("Number"); got != "1" {
			t.Errorf("trailer %q", got)
		}
		status := ""
		if tt.err != nil {
			status = "2 sold out"
		}
		if got := strings.TrimSpace(r.Trailer.Get("Grpc-Status") + " " + r.Trailer.Get("Grpc-Message")); got != status {
			t.Errorf("trailers %q, want %q", got, status)
		}
	}
	send(t, start(t, counting(0, nil), Options{}), "GET", "/watch/1", "").want(t, http.StatusOK, "")
}

func TestRawStreamThatFailsIsCutOff(t *testing.T) {
	url := start(t, function{stream: func(_ context.Context, _ entity.Call, client entity.Exchange) error {
		if err := client.Send([]byte("\x12\x06\x12\x04half"), nil); err != nil {
			return err
		}
		return entity.ErrUnavailable
	}}, Options{})
	r := send(t, url, "PUT", "/load/x", "")
	r.want(t, http.StatusOK, "half cut off: unexpected EOF")
	if got := r.Header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("it is of type %q", got)
	}
}

// TestMessagesGoBothWaysAtOnce speaks with a method whose requests and replies
// are streamed, message by message, over HTTP/1.1 and HTTP/2.
func TestMessagesGoBothWaysAtOnce(t *testing.T) {
	for _, version := range []int{1, 2} {
		s := httptest.NewUnstartedServer(newHandler(t, echo, Options{}))
		s.EnableHTTP2 = version == 2
		s.StartTLS()
		in, out := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/talk/x", in)
		if err != nil {
			t.Fatal(err)
		}
		go fmt.Fprint(out, `{"count":1}`)
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != version {
			t.Errorf("it is HTTP/%d", resp.ProtoMajor)
		}
		lines := bufio.NewReader(resp.Body)
		for i := 1; i < 4; i++ {
			line, err := lines.ReadString('\n')
			if want := fmt.Sprintf("{\"id\":\"x\",\"count\":%d}\n", i); err != nil || line != want {
				t.Fatalf("got %q, %v, want %q", line, err, want)
			}
			go fmt.Fprintf(out, "\n{\"count\":%d}", i+1)
		}
		line, err := lines.ReadString('\n')
		if err != nil || line != "{\"id\":\"x\",\"count\":4}\n" {
			t.Errorf("got %q, %v", line, err)
		}
		out.Close()
		if rest, err := lines.ReadString('\n'); !errors.Is(err, io.EOF) || rest != "" {
			t.Errorf("got %q, %v at the end", rest, err)
		}
		resp.Body.Close()
		s.Close()
	}
}

// TestAnAnnouncedBodyCostsLittle: many clients may say at once that much is to
// come.
func TestAnAnnouncedBodyCostsLittle(t *testing.T) {
	const limit = 12 << 20
	b := &bounded{from: strings.NewReader("little"), limit: limit, left: limit}
	data, err := b.all(limit)
	if err != nil || string(data) != "little" || cap(data) > 2*chunk {
		t.Errorf("%q, %v, in %d bytes of memory", data, err, cap(data))
	}
	whole := strings.Repeat("x", limit)
	b = &bounded{from: strings.NewReader(whole), limit: limit, left: limit}
	if data, err := b.all(limit); err != nil || string(data) != whole {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// TestABodyThatDoesNotArrive: the client announces ten bytes and sends one, plain
// or as the beginning of gzip.
func TestABodyThatDoesNotArrive(t *testing.T) {
	url := start(t, echo, Options{Patience: 10 * time.Millisecond})
	for _, more := range []string{"", "Content-Encoding: gzip\r\n"} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /carts/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: 10\r\n\r\n{", more)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("answered %s", resp.Status)
		}
	}
}

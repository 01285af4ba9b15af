// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/kairn-dev/kairn/proxy/entity"
)

func open(t *testing.T, url, target string, o *websocket.DialOptions) (*websocket.Conn, error) {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+target, o)
	if resp != nil && resp.Body != nil {
		resp.Body.Close()
	}
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, err
}

// wantMessages checks what comes, and then with which status it closes.
func wantMessages(t *testing.T, conn *websocket.Conn, status websocket.StatusCode, messages ...string) {
	t.Helper()
	for _, want := range messages {
		_, data, err := conn.Read(t.Context())
		if err != nil || string(data) != want {
			t.Fatalf("got %q, %v, want %q", data, err, want)
		}
	}
	if status == 0 {
		return
	}
	if _, data, err := conn.Read(t.Context()); websocket.CloseStatus(err) != status {
		t.Errorf("got %q, %v at the end, want status %d", data, err, status)
	}
}

func say(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestWebSocketGoesBothWays(t *testing.T) {
	conn, err := open(t, start(t, echo, Options{}), "/talk/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	say(t, conn, `{"count":1}`)
	wantMessages(t, conn, 0, `{"id":"x","count":1}`)
	say(t, conn, `{"count":2}`)
	wantMessages(t, conn, 0, `{"id":"x","count":2}`)
	say(t, conn, "")
	wantMessages(t, conn, websocket.StatusNormalClosure)
}

func TestWebSocketOfStreamedReplies(t *testing.T) {
	url := start(t, counting(2, nil), Options{})
	conn, err := open(t, url, "/watch/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantMessages(t, conn, websocket.StatusNormalClosure, `{"id":"","count":1}`, `{"id":"","count":2}`)
	if conn, err = open(t, url, "/shop.Act/Nothing", nil); err == nil {
		t.Errorf("a WebSocket to nowhere: %v", conn)
	}
	if conn, err = open(t, url, "/do", nil); err == nil {
		t.Errorf("a WebSocket to a method that isn't streamed: %v", conn)
	}
}

func TestWebSocketEndsWithTheError(t *testing.T) {
	conn, err := open(t, start(t, counting(1, &entity.Status{Code: 5, Description: "gone"}), Options{}), "/watch/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantMessages(t, conn, 4005, `{"id":"","count":1}`, `{"error":{"code":404,"message":"gone","status":"NOT_FOUND"}}`)

	if conn, err = open(t, start(t, echo, Options{}), "/talk/x", nil); err != nil {
		t.Fatal(err)
	}
	say(t, conn, `{"nobody":1}`)
	_, data, err := conn.Read(t.Context())
	if err != nil || !strings.Contains(string(data), `"field":"nobody"`) {
		t.Errorf("got %q, %v", data, err)
	}
	wantMessages(t, conn, 4003)

	if conn, err = open(t, start(t, echo, Options{MaxReceive: 100}), "/talk/x", nil); err != nil {
		t.Fatal(err)
	}
	say(t, conn, strings.Repeat(" ", 101))
	wantMessages(t, conn, websocket.StatusMessageTooBig)
}

func TestWebSocketWhoseMessageIsLateIsClosed(t *testing.T) {
	conn, err := open(t, start(t, counting(1, nil), Options{Patience: time.Millisecond}), "/shop.Act/Slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantMessages(t, conn, 4004, `{"error":{"code":408,"message":"the body did not arrive in time","status":"DEADLINE_EXCEEDED"}}`)
}

func TestCallEndsWhenTheWebSocketIsClosed(t *testing.T) {
	ended := make(chan error, 1)
	url := start(t, function{stream: func(ctx context.Context, _ entity.Call, client entity.Exchange) error {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	}}, Options{})
	conn, err := open(t, url, "/watch/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.CloseNow()
	if err := <-ended; err == nil {
		t.Error("no cause")
	}
}

func TestPagesOfOtherOriginsGetNoWebSocket(t *testing.T) {
	from := func(origin string) *websocket.DialOptions {
		return &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}}
	}
	url := start(t, echo, Options{Origins: []string{"https://*.example.com"}})
	for origin, ok := range map[string]bool{
		url: true, "https://shop.example.com": true, "http://shop.example.com": false, "https://evil.test": false,
	} {
		if _, err := open(t, url, "/talk/x", from(origin)); (err == nil) != ok {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"connectrpc.com/connect"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
	"github.com/kairn-dev/kairn/samples/shoppingcart/shop"
)

// ask sends a request, headers as "Name: value", and returns the response with
// its body read.
func ask(t *testing.T, c *http.Client, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

// TestOneConnectionCarriesEverything sends all that there is at once over one
// connection of HTTP/2, whichever is first.
func TestOneConnectionCarriesEverything(t *testing.T) {
	r := newRig(t, setup{})
	for first := range 4 {
		conn, err := h2c(t).Transport.(*http.Transport).NewClientConn(t.Context(), "http", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: conn}
		calls := []func(){
			func() { callGreet(t, r.greeter(c, "Greet", connect.WithGRPC())) },
			func() {
				if _, body := ask(t, c, "POST", r.url+"/rest", `{"a":1}`, "Content-Type: application/json"); body != `{"a":1}` {
					t.Errorf("REST answered %q", body)
				}
			},
			func() { callGreet(t, r.greeter(c, "Greet")) },
			func() { callGreet(t, r.greeter(c, "Greet", connect.WithGRPCWeb())) },
		}
		calls[first]()
		var work sync.WaitGroup
		for range 10 {
			for _, call := range calls {
				work.Go(call)
			}
		}
		work.Wait()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, n := range map[string]int64{"gRPC": r.stats.GRPC.Load(), "gRPC-Web": r.stats.GRPCWeb.Load(), "Connect": r.stats.Connect.Load(), "REST": r.stats.REST.Load()} {
		if n != 41 {
			t.Errorf("counted %d requests of %s, want 41", n, name)
		}
	}
}

func callGreet(t *testing.T, c *connect.Client[greet.GreetRequest, greet.Greeting]) {
	t.Helper()
	reply, err := c.CallUnary(t.Context(), connect.NewRequest(&greet.GreetRequest{Name: "a"}))
	if err != nil || reply.Msg.GetText() != "a" {
		t.Errorf("got %v, %v", reply, err)
	}
}

func TestProbes(t *testing.T) {
	var notReady error
	r := newRig(t, setup{config: Config{Ready: func() error { return notReady }}})
	for _, c := range []*http.Client{h1(t), h2c(t)} {
		for _, tt := range []struct {
			ready   error
			headers []string
			code    int
			body    string
		}{
			{nil, []string{"K-Network-Probe: queue"}, 200, "queue"},
			{errors.New("asleep"), []string{"K-Network-Probe: queue"}, 503, "asleep\n"},
			{nil, []string{"K-Network-Probe: probe", "K-Network-Hash: h"}, 200, ""},
			{nil, []string{"K-Network-Probe: probe"}, 400, "unexpected probe \"probe\"\n"},
			{nil, []string{"K-Network-Probe: other"}, 400, "unexpected probe \"other\"\n"},
		} {
			notReady = tt.ready
			resp, body := ask(t, c, "GET", r.url+"/", "", tt.headers...)
			if resp.StatusCode != tt.code || body != tt.body {
				t.Errorf("%v: %d %q", tt.headers, resp.StatusCode, body)
			}
			if len(tt.headers) == 2 && resp.Header.Get("K-Network-Hash") != "h" {
				t.Errorf("%v: headers %v", tt.headers, resp.Header)
			}
		}
	}
}

func TestCORS(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cors      CORS
		origin    string
		preflight bool
		code      int
		allowed   string
	}{
		{"off", CORS{}, "https://a.example", false, 200, ""},
		{"off, preflight goes to REST", CORS{}, "https://a.example", true, 200, ""},
		{"named", CORS{Origins: []string{"https://a.example"}}, "https://a.example", false, 200, "https://a.example"},
		{"named, preflight", CORS{Origins: []string{"https://a.example"}}, "https://a.example", true, 204, "https://a.example"},
		{"another", CORS{Origins: []string{"https://a.example"}}, "https://b.example", false, 200, ""},
		{"another, preflight", CORS{Origins: []string{"https://a.example"}}, "https://b.example", true, 403, ""},
		{"below a star", CORS{Origins: []string{"https://*.example"}}, "https://x.y.example", true, 204, "https://x.y.example"},
		{"not below a star", CORS{Origins: []string{"https://*.example"}}, "https://.example", true, 403, ""},
		{"beside a star", CORS{Origins: []string{"https://*.example"}}, "https://x.example.com", true, 403, ""},
		{"all", CORS{Origins: []string{"*"}}, "null", true, 204, "null"},
		{"cookies", CORS{Origins: []string{"https://a.example"}, Credentials: true}, "https://a.example", true, 204, "https://a.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{config: Config{CORS: tt.cors}})
			method, headers := "POST", []string{"Origin: " + tt.origin, "Content-Type: application/grpc-web"}
			if tt.preflight {
				method = "OPTIONS"
				headers = []string{"Origin: " + tt.origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-grpc-web,zone"}
			}
			resp, _ := ask(t, h1(t), method, r.url+"/greet.Greeter/Greet", "", headers...)
			h := resp.Header
			if resp.StatusCode != tt.code || h.Get("Access-Control-Allow-Origin") != tt.allowed {
				t.Errorf("got %d, %v", resp.StatusCode, h)
			}
			if (h.Get("Access-Control-Allow-Credentials") == "true") != (tt.cors.Credentials && tt.allowed != "") {
				t.Errorf("credentials: %v", h)
			}
			if tt.code == 204 && (h.Get("Access-Control-Allow-Headers") != "x-grpc-web,zone" || h.Get("Access-Control-Max-Age") == "") {
				t.Errorf("preflight: %v", h)
			}
			if tt.allowed != "" && !tt.preflight && h.Get("Access-Control-Expose-Headers") == "" {
				t.Errorf("exposes nothing: %v", h)
			}
		})
	}
}

func TestHeadersAreBounded(t *testing.T) {
	r := newRig(t, setup{})
	long := []string{"Zone: " + strings.Repeat("a", 70<<10), "Content-Type: application/json"}
	var many []string
	for i := range 201 {
		many = append(many, fmt.Sprintf("Zone-%d: a", i))
	}
	for _, c := range []*http.Client{h1(t), h2c(t)} {
		for _, headers := range [][]string{long, many} {
			resp, body := ask(t, c, "POST", r.url+"/rest", "{}", headers...)
			var e struct{ Error struct{ Status string } }
			if err := json.Unmarshal([]byte(body), &e); resp.StatusCode != 431 || err != nil || e.Error.Status != "RESOURCE_EXHAUSTED" {
				t.Errorf("%s: %d %q", resp.Proto, resp.StatusCode, body)
			}
			for _, o := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}} {
				if len(o) == 1 && resp.ProtoMajor == 1 {
					continue
				}
				request := connect.NewRequest(&greet.GreetRequest{Name: "a"})
				for _, h := range headers {
					if name, value, _ := strings.Cut(h, ": "); name != "Content-Type" {
						request.Header().Set(name, value)
					}
				}
				_, err := r.greeter(c, "Greet", o...).CallUnary(t.Context(), request)
				if connect.CodeOf(err) != connect.CodeResourceExhausted {
					t.Errorf("a call: %v", err)
				}
			}
		}
	}
	for _, c := range []*http.Client{h1(t), h2c(t)} { // the connection may break while so much is sent
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/rest", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Zone", strings.Repeat("a", 140<<10))
		if resp, err := c.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode != 431 {
				t.Errorf("twice as much: %d", resp.StatusCode)
			}
		}
	}
	if _, body := ask(t, h2c(t), "POST", r.url+"/rest", "{}"); body != "{}" {
		t.Errorf("afterwards: %q", body)
	}
}

func TestSlowMessageIsGivenUp(t *testing.T) {
	r := newRig(t, setup{options: rpc.Options{Patience: 50 * time.Millisecond}})
	for name, c := range map[string]*http.Client{"1.1": h1(t), "2": h2c(t)} {
		for media, want := range map[string]string{
			"application/proto":        "", // a status
			"application/grpc-web":     "grpc-status: 4",
			"application/connect+json": `"deadline_exceeded"`,
		} {
			path := "/shop.ShoppingCart/AddItem"
			if strings.Contains(media, "+") {
				path = "/greet.Greeter/GreetInAllLanguages"
			}
			body, writer := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", media)
			go writer.Write([]byte{0, 0, 0, 0, 9, 1}) //nolint:errcheck // the end is what is looked at
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			writer.Close()
			if want == "" && resp.StatusCode != 504 || !strings.Contains(string(got), want) {
				t.Errorf("HTTP/%s, %s: %d %q", name, media, resp.StatusCode, got)
			}
		}
	}
}

// TestRapidReset begins and gives up calls as fast as it can, on a connection
// whose calls take their time: it is closed, and another goes on.
func TestRapidReset(t *testing.T) {
	hold := make(chan struct{})
	r := newRig(t, setup{submit: func(call entity.Call, done func(entity.Answer)) {
		<-hold
		done(entity.Answer{})
	}})
	defer close(hold)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out := bufio.NewWriter(conn)
	framer := http2.NewFramer(out, conn)
	fmt.Fprint(out, http2.ClientPreface)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	go func() {
		for id := uint32(1); ; id += 2 {
			block.Reset()
			for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/shop.ShoppingCart/AddItem"}, {"content-type", "application/grpc"}} {
				_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
			}
			err := errors.Join(
				framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}),
				framer.WriteData(id, true, make([]byte, 5)),
				framer.WriteRSTStream(id, http2.ErrCodeCancel), out.Flush())
			if err != nil {
				return
			}
		}
	}()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("the connection ended without a reason: %v", err)
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("the connection ended with %v", away.ErrCode)
			}
			break
		}
	}
	callGreet(t, r.greeter(h2c(t), "Greet", connect.WithGRPC()))
}

func TestRunFinishesWhatRuns(t *testing.T) {
	taken := make(chan func(entity.Answer), 2)
	r := newRig(t, setup{submit: func(_ entity.Call, done func(entity.Answer)) { taken <- done }})
	carts := shop.NewShoppingCartClient(r.dial(t))
	replied := make(chan error, 1)
	go func() {
		_, err := carts.AddItem(t.Context(), &shop.AddItemRequest{UserId: "a"})
		replied <- err
	}()
	done := <-taken
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for { // until nothing is taken any more
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		c.Close()
	}
	done(entity.Answer{})
	if err := <-replied; err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestRunCutsOffAfterTheDrainTime(t *testing.T) {
	began := make(chan struct{}, 3)
	r := newRig(t, setup{
		submit: func(entity.Call, func(entity.Answer)) { began <- struct{}{} },
		stream: func(ctx context.Context, call entity.Call, _ entity.Exchange) error {
			began <- struct{}{}
			<-ctx.Done()
			return fmt.Errorf("call: %w", context.Cause(ctx))
		},
		config: Config{Drain: 50 * time.Millisecond},
	})
	conn := r.dial(t)
	errs := make(chan error, 3)
	go func() {
		_, err := shop.NewShoppingCartClient(conn).AddItem(t.Context(), &shop.AddItemRequest{UserId: "a"})
		errs <- err
	}()
	go func() {
		_, err := greet.NewGreeterClient(conn).Greet(t.Context(), &greet.GreetRequest{})
		errs <- err
	}()
	go func() {
		_, body := ask(t, h1(t), "POST", r.url+"/greet.Greeter/Greet", "{}", "Content-Type: application/json", "Connect-Protocol-Version: 1")
		if !strings.Contains(body, `"code":"unavailable"`) {
			errs <- fmt.Errorf("Connect got %q", body)
			return
		}
		errs <- nil
	}()
	for range 3 {
		<-began
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-errs; err != nil {
			wantStatus(t, err, codes.Unavailable, "the proxy is stopping")
		}
	}
}

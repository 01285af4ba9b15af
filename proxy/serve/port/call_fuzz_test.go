// SPDX-License-Identifier: Apache-2.0

package port

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proxy/serve"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
)

// FuzzCall sends requests of anybody to a function that answers everything. None
// may be the proxy's fault.
func FuzzCall(f *testing.F) {
	frame := "\x00\x00\x00\x00\x03\n\x01a"
	for _, seed := range []struct{ path, media, header, body string }{
		{"/greet.Greeter/Greet", "application/grpc-web", "Grpc-Timeout: 1S", frame},
		{"/greet.Greeter/Greet", "application/grpc-web-text", "Grpc-Encoding: gzip", "AAAAAAMKAWE="},
		{"/greet.Greeter/Greet", "application/json", "Connect-Protocol-Version: 1", `{"name":"a"}`},
		{"/greet.Greeter/Greet?connect=v1&encoding=json&message=%7B%7D", "", "", ""},
		{"/greet.Greeter/GreetAll", "application/connect+json", "Connect-Timeout-Ms: 100", "\x00\x00\x00\x00\x02{}\x00\x00\x00\x00\x02{}"},
		{"/shop.ShoppingCart/AddItem", "application/proto", "Content-Encoding: gzip", "\x0a\x01a"},
		{"/grpc.health.v1.Health/Check", "application/grpc-web+proto", "", "\x00\x00\x00\x00\x00"},
		{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/connect+proto", "A-Bin: !", frame},
	} {
		f.Add(seed.path, seed.media, seed.header, seed.body)
	}
	c := catalogue(f)
	calls := serve.NewGRPC(slog.New(slog.DiscardHandler), c, submit(echo), streamFunc(parrot), serve.Options{})
	handler := rpc.New(calls, c, rpc.Options{MaxReceive: 1 << 10})
	f.Fuzz(func(t *testing.T, path, media, header, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body))
		if err != nil {
			return // no client can send that
		}
		if media == "" {
			r.Method = http.MethodGet
		} else {
			r.Header.Set("Content-Type", media)
		}
		if name, value, ok := strings.Cut(header, ": "); ok {
			r.Header.Set(name, value)
		}
		r.ProtoMajor = 2
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		resp := w.Result()
		defer resp.Body.Close()
		for _, code := range []string{resp.Header.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Status")} {
			if code == "2" || code == "15" { // UNKNOWN is what parrot refuses with, and it says why
				if text := resp.Header.Get("Grpc-Message") + resp.Trailer.Get("Grpc-Message"); text != "50%25 n%C3%B6" {
					t.Errorf("status %s: %s", code, text)
				}
			}
		}
		if resp.StatusCode < 200 || strings.Contains(w.Body.String(), "entity failed") {
			t.Errorf("%d %q", resp.StatusCode, w.Body)
		}
	})
}

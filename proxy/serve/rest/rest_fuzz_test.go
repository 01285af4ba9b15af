// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest sends requests of anybody to a function that answers each with what
// it is asked. None may be the proxy's fault, and what it says is JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range []struct{ verb, target, media, accept, body string }{
		{"POST", "/carts/a", "application/json", "", `{"count":1}`},
		{"GET", "/carts/%2F?count=1&count=2", "", "", ""},
		{"POST", "/shop.Cart/Plain", "", "", `{"id":"a","count":"x"}`},
		{"GET", "/do?id=a", "", "", ""},
		{"GET", "/watch/a", "", "text/event-stream", ""},
		{"POST", "/feed", "application/x-ndjson", "", "{}\n{\"count\":1}"},
		{"POST", "/talk/a", "application/json; charset=utf-8", "application/x-ndjson", "{}{"},
		{"PUT", "/files/a/b", "image/png", "", "\x89PNG"},
		{"PUT", "/load/x", "text/plain", "", "abc"},
		{"GET", "/openapi.json", "", "", ""},
		{"HEAD", "/", "", "text/html", ""},
		{"OPTIONS", "*", "", "", ""},
	} {
		f.Add(seed.verb, seed.target, seed.media, seed.accept, seed.body)
	}
	handler := newHandler(f, echo, Options{MaxReceive: 1 << 10})
	f.Fuzz(func(t *testing.T, verb, target, media, accept, body string) {
		r, err := http.NewRequestWithContext(t.Context(), verb, "http://localhost"+target, strings.NewReader(body))
		if err != nil {
			return // no client can send that
		}
		r.Header.Set("Content-Type", media)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		theirs := strings.Contains(w.Body.String(), "no reply came") // echo has nothing to say to nothing
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusNotImplemented && !theirs {
			t.Errorf("%s %q: %d %s", verb, target, w.Code, w.Body)
		}
		if w.Code >= http.StatusBadRequest && r.Method != http.MethodHead && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %q: %d %q is no JSON", verb, target, w.Code, w.Body)
		}
	})
}

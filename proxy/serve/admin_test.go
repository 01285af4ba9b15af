// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	ready := func() error { return nil }
	unready := func() error { return errSome }
	tests := map[string]struct {
		method, path string
		ready        func() error
		profiles     bool
		code         int
		body         string // that the answer begins with
	}{
		"ready":             {"GET", "/ready", ready, false, 200, "ready\n"},
		"not ready":         {"GET", "/ready", unready, false, 503, "something nobody has heard of\n"},
		"asked by HEAD":     {"HEAD", "/ready", unready, false, 503, ""},
		"live":              {"GET", "/live", unready, false, 200, "live\n"},
		"metrics":           {"GET", "/metrics", unready, false, 200, "kairn_"},
		"no profiles":       {"GET", "/debug/pprof/", ready, false, 404, ""},
		"no profile":        {"GET", "/debug/pprof/heap", ready, false, 404, ""},
		"profiles":          {"GET", "/debug/pprof/", ready, true, 200, "<html>"},
		"a profile":         {"GET", "/debug/pprof/goroutine?debug=1", ready, true, 200, "goroutine profile"},
		"a command line":    {"GET", "/debug/pprof/cmdline", ready, true, 200, ""},
		"nothing":           {"GET", "/", ready, true, 404, ""},
		"below a path":      {"GET", "/ready/now", ready, true, 404, ""},
		"posting":           {"POST", "/ready", ready, true, 405, ""},
		"posting metrics":   {"PUT", "/metrics", ready, true, 405, ""},
		"posting a profile": {"POST", "/debug/pprof/symbol", ready, true, 405, ""},
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "kairn_up 1") })
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Admin(test.ready, metrics, test.profiles).ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
			if w.Code != test.code || !strings.HasPrefix(w.Body.String(), test.body) {
				t.Errorf("got %d %.80q, want %d %q", w.Code, w.Body, test.code, test.body)
			}
		})
	}
}

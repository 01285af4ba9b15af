// SPDX-License-Identifier: Apache-2.0

package port

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// TestWhatIsNoCall has the statuses of HTTP.
func TestWhatIsNoCall(t *testing.T) {
	r := newRig(t, setup{})
	for _, tt := range []struct {
		method, path, media string
		code                int
		header              string
	}{
		{"POST", "/greet.Greeter/Greet", "application/grpc", 505, ""},
		{"PUT", "/greet.Greeter/Greet", "application/grpc-web", 405, "Allow"},
		{"GET", "/shop.ShoppingCart/AddItem?connect=v1&encoding=json&message={}", "", 405, "Allow"},
		{"GET", "/greet.Greeter/Greet?connect=v1&encoding=xml&message=x", "", 415, "Accept-Post"},
		{"POST", "/greet.Greeter/Greet", "application/connect+json", 415, "Accept-Post"},
		{"POST", "/greet.Greeter/GreetEach", "application/proto", 415, "Accept-Post"},
		{"POST", "/greet.Greeter/Greet", "application/connect+xml", 415, "Accept-Post"},
		{"POST", "/greet.Greeter/Insult", "application/proto", 501, ""},
	} {
		resp, body := ask(t, h1(t), tt.method, r.url+tt.path, "", "Content-Type: "+tt.media)
		if resp.StatusCode != tt.code || tt.header != "" && resp.Header.Get(tt.header) == "" {
			t.Errorf("%s %s %s: %d %v %q", tt.method, tt.path, tt.media, resp.StatusCode, resp.Header, body)
		}
	}
}

// TestErrorsOfConnect are those that a person sees with curl.
func TestErrorsOfConnect(t *testing.T) {
	r := newRig(t, setup{submit: func(_ entity.Call, done func(entity.Answer)) {
		done(entity.Answer{Err: fmt.Errorf("adding: %w", &entity.Invalid{Violations: []entity.Violation{{Field: "quantity", Description: "must be positive"}}})})
	}})
	for _, tt := range []struct {
		path, body string
		headers    []string
		code       int
		want       string
	}{
		{"/greet.Greeter/Greet", `{"name":"refuse"}`, nil, 500, `{"code":"unknown","message":"50% nö"}`},
		{"/greet.Greeter/Greet", `{"name":`, nil, 400, `"code":"invalid_argument"`},
		{"/greet.Greeter/Greet", `{"name":1}`, nil, 400, `line 1:9`},
		{"/greet.Greeter/Greet", `{}`, []string{"Connect-Timeout-Ms: soon"}, 400, `connect-timeout-ms`},
		{"/greet.Greeter/Greet", `{}`, []string{"Content-Encoding: br"}, 501, `compression \"br\"`},
		{"/greet.Greeter/Greet", `{}`, []string{"Content-Encoding: gzip"}, 400, `not gzip`},
		{"/greet.Greeter/Greet", `{}`, []string{"X-Bin: ?"}, 400, `x-bin`},
		{"/shop.ShoppingCart/AddItem", `{}`, nil, 400, `"details":[{"type":"google.rpc.BadRequest","value":"`},
		{"/greet.Nobody/Greet", `{}`, nil, 501, `no service greet.Nobody`},
	} {
		headers := append(tt.headers, "Content-Type: application/json", "Connect-Protocol-Version: 1")
		resp, body := ask(t, h1(t), "POST", r.url+tt.path, tt.body, headers...)
		if resp.StatusCode != tt.code || !strings.Contains(body, tt.want) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v: %d %s", tt.path, tt.body, tt.headers, resp.StatusCode, body)
		}
	}
	resp, body := ask(t, h1(t), "POST", r.url+"/greet.Greeter/Greet", `{"name":"Ann","unknown":1}`, "Content-Type: application/json; charset=utf-8", "Connect-Protocol-Version: 1")
	if body != `{"text":"Ann"}` || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %q, %v", body, resp.Header)
	}
}

// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestPages(t *testing.T) {
	url := start(t, echo, Options{})
	for _, tt := range []struct{ target, accept, kind, has string }{
		{"/", "text/html,*/*;q=0.8", "text/html; charset=utf-8", "<code>PUT /files/{name=**}</code>"},
		{"/", "*/*", "application/json", `"GET /carts/{id}"`},
		{"/openapi.json", "", "application/json", `"/files/{name}": {`},
		{"/openapi.yaml", "", "application/yaml", "\"openapi\": \"3.1.0\"\n"},
		{"/openapi.json", "", "application/json", `"summary": "Adds an item."`},
		{"/openapi.yaml", "", "application/yaml", `"description": "Carts are kept."`},
	} {
		r := send(t, url, "GET", tt.target, "", "Accept", tt.accept)
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != tt.kind || !strings.Contains(r.body, tt.has) {
			t.Errorf("%s: got %d of type %q without %s:\n%s", tt.target, r.StatusCode, r.Header.Get("Content-Type"), tt.has, r.body)
		}
		if tt.kind == "application/json" && !json.Valid([]byte(r.body)) {
			t.Errorf("%s is no JSON", tt.target)
		}
	}
	if r := send(t, url, "POST", "/openapi.json", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("POST: %d", r.StatusCode)
	}
}

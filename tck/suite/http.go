// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"io"
	"net/http"
	"strings"
)

// Post posts JSON to a path of the proxy and compares what comes back, spaces
// in JSON included.
func (t *T) Post(path, body string, wantStatus int, wantBody string) {
	ctx, cancel := t.Waiting()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	if resp.StatusCode != wantStatus || string(got) != wantBody {
		t.Fatalf("POST %s %s:\nexpected %d %s\nseen     %d %s", path, body, wantStatus, wantBody, resp.StatusCode, got)
	}
}

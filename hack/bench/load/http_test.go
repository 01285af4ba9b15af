// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEveryWayCalls has a server that answers all of them, and looks at what
// comes first.
func TestEveryWayCalls(t *testing.T) {
	for way, want := range map[string]string{
		WayHTTP2: "application/grpc", WayGRPCFirst: "application/grpc", WayRESTFirst: "application/json",
		WayREST: "application/json", WayRESTHTTP2: "application/json",
	} {
		var first string
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			media := r.Header.Get("Content-Type")
			if first == "" {
				first = media
			}
			if media == "application/json" {
				var in struct{ ID string }
				if err := json.Unmarshal(body, &in); err != nil || !strings.HasPrefix(in.ID, "k-") || len(body) < 190 {
					t.Errorf("%s: body %s: %v", way, body, err)
				}
			}
			if media == "application/grpc" {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			}
			_, _ = w.Write(body)
		}))
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		job := Job{Addr: server.Listener.Addr().String(), Workers: 1, Keys: 2, Prefix: "k", Service: "Bench", Method: "Do", Each: 3, Way: way}
		if r := Run(t.Context(), job); r.Err != "" || first != want {
			t.Errorf("%s: first %q, %s", way, first, r.Err)
		}
		server.Close()
	}
}

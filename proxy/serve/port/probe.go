// SPDX-License-Identifier: Apache-2.0

package port

import (
	"fmt"
	"net/http"
)

// answerProbe answers a probe of Knative.
func (p *Port) answerProbe(w http.ResponseWriter, r *http.Request, probe string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	hash := r.Header.Get("K-Network-Hash")
	switch {
	case probe == "queue":
		if err := p.Ready(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprint(w, "queue")
	case probe == "probe" && hash != "": // net-kourier's and its like
		h.Set("K-Network-Hash", hash)
	default:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "unexpected probe %q\n", probe)
	}
}

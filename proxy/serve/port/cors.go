// SPDX-License-Identifier: Apache-2.0

package port

import (
	"net/http"
	"strings"
)

// CORS says the pages of which origins may call. The zero value is none.
type CORS struct {
	// Origins are such as "https://shop.example.com", with a star for one or
	// more labels as in "https://*.example.com", or "*" for all.
	Origins []string

	// Credentials is whether these pages may send cookies.
	Credentials bool
}

// What pages may do and see, once they may call.
const (
	allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	exposedHeaders = "*, Content-Encoding, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Grpc-Encoding, Connect-Content-Encoding, Kairn-Outcome, Trailer-Kairn-Outcome"
	preflightAge   = "7200" // seconds; browsers cap it at that or less
)

func (c *CORS) on() bool { return len(c.Origins) > 0 }

// answer sets the headers for a request of a page. It returns whether that was
// all that was asked for.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request, origin string) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if !c.allows(origin) {
		if preflight {
			http.Error(w, "pages of "+origin+" may not call", http.StatusForbidden)
		}
		return preflight
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !preflight {
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
		return false
	}
	h.Add("Vary", "Access-Control-Request-Method")
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	h.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allows reports whether pages of origin may call.
func (c *CORS) allows(origin string) bool {
	for _, o := range c.Origins {
		before, after, star := strings.Cut(o, "*")
		if o == "*" || strings.EqualFold(o, origin) ||
			star && len(origin) > len(before)+len(after) &&
				hasPrefixFold(origin, before) && hasPrefixFold(origin[len(origin)-len(after):], after) {
			return true
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

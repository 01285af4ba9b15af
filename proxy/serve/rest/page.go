// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"

	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/route"
)

type documents struct{}

func newDocuments(*route.Catalogue, *httprule.Table) documents { return documents{} }

func (h *Handler) servePage(http.ResponseWriter, *http.Request, *served) bool { return false }

func isWebSocket(r *http.Request) bool { return false }

func (h *Handler) serveWebSocket(w http.ResponseWriter, r *http.Request, s *served) {}

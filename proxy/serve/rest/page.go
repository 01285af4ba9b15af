// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"

	"github.com/kairn-dev/kairn/proxy/httprule"
	"github.com/kairn-dev/kairn/proxy/openapi"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/transcode"
)

// Documents say what a catalogue serves. They are made when first asked for.
type documents struct {
	json, yaml, page, list func() transcode.Body
}

func newDocuments(c *route.Catalogue, t *httprule.Table) documents {
	described := sync.OnceValue(func() *openapi.Document {
		s := c.Service()
		info := openapi.Info{Title: cmp.Or(s.GetServiceName(), "User function"), Version: cmp.Or(s.GetServiceVersion(), "0")}
		return openapi.New(info, servicesOf(c), t.Bindings())
	})
	once := func(kind string, data func() []byte) func() transcode.Body {
		return sync.OnceValue(func() transcode.Body { return transcode.Body{Type: kind, Data: data()} })
	}
	return documents{
		json: once("application/json", func() []byte { return described().JSON() }),
		yaml: once("application/yaml", func() []byte { return described().YAML() }),
		page: once("text/html; charset=utf-8", func() []byte { return pageOf(newIndex(c, t)) }),
		list: once("application/json", func() []byte { return listOf(newIndex(c, t)) }),
	}
}

// servePage answers what is about the function as a whole, and reports whether
// the request was for that.
func (h *Handler) servePage(w http.ResponseWriter, r *http.Request, s *served) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "/":
		w.Header().Add("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
			write(w, r, http.StatusOK, s.documents.page())
		} else {
			write(w, r, http.StatusOK, s.documents.list())
		}
	case "/openapi.json":
		write(w, r, http.StatusOK, s.documents.json())
	case "/openapi.yaml":
		write(w, r, http.StatusOK, s.documents.yaml())
	default:
		return false
	}
	return true
}

// An index is what is served, for a page.
type index struct {
	Name     string         `json:"name"`
	Version  string         `json:"version,omitempty"`
	OpenAPI  string         `json:"openapi"`
	Services []indexService `json:"services"`
}

type indexService struct {
	Name    string        `json:"name"`
	Type    string        `json:"type"`
	Methods []indexMethod `json:"methods"`
}

type indexMethod struct {
	Name string   `json:"name"`
	GRPC string   `json:"grpc"`
	HTTP []string `json:"http"`
}

func newIndex(c *route.Catalogue, t *httprule.Table) index {
	info := c.Service()
	x := index{Name: cmp.Or(info.GetServiceName(), "User function"), Version: info.GetServiceVersion(), OpenAPI: "/openapi.json"}
	types := map[string]string{}
	for _, e := range c.Entities() {
		types[e.Service] = e.Type
	}
	for _, d := range servicesOf(c) {
		s := indexService{Name: string(d.FullName()), Type: types[string(d.FullName())]}
		for i := range d.Methods().Len() {
			m := d.Methods().Get(i)
			im := indexMethod{Name: string(m.Name()), GRPC: "/" + s.Name + "/" + string(m.Name()), HTTP: []string{}}
			for _, b := range t.Bindings() {
				if b.Method.FullName() == m.FullName() {
					im.HTTP = append(im.HTTP, b.Verb+" "+b.Template.Text)
				}
			}
			s.Methods = append(s.Methods, im)
		}
		x.Services = append(x.Services, s)
	}
	return x
}

func listOf(x index) []byte {
	data, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return []byte("{}") // it has only text
	}
	return append(data, '\n')
}

// pageOf writes the page by hand: package html/template calls methods by their
// names, which keeps every method of every type in the program, 20 MB of them.
func pageOf(x index) []byte {
	var b bytes.Buffer
	text := html.EscapeString
	fmt.Fprintf(&b, pageHead, text(x.Name), text(x.Name), text(x.Version))
	for _, s := range x.Services {
		fmt.Fprintf(&b, "<h2>%s <small>%s</small></h2>\n<table>", text(s.Name), text(s.Type))
		for _, m := range s.Methods {
			fmt.Fprintf(&b, "\n<tr><td>%s</td><td>", text(m.Name))
			for _, route := range m.HTTP {
				fmt.Fprintf(&b, "<code>%s</code><br>", text(route))
			}
			b.WriteString("</td></tr>")
		}
		b.WriteString("\n</table>\n")
	}
	b.WriteString("</html>\n")
	return b.Bytes()
}

// pageHead takes the function's name, twice, and its version.
const pageHead = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; width: 100%% }
td { border-top: 1px solid #ccc; padding: .3em 1em .3em 0; vertical-align: top }
small { color: #666; font-weight: normal }
</style>
<h1>%s <small>%s</small></h1>
<p>Served over gRPC, gRPC-Web, Connect and REST: <a href="/openapi.json">openapi.json</a>, <a href="/openapi.yaml">openapi.yaml</a></p>
`

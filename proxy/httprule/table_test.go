// SPDX-License-Identifier: Apache-2.0

package httprule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

func TestMatch(t *testing.T) {
	templates := []string{
		"/",                  // A
		"/v1/things/{id}",    // B
		"/v1/things/all",     // C
		"/v1/things/{id}:go", // D
		"/v1/{id=things/**}", // E
		"/v1/{id=a/*/b/*}/c", // F
		"/files/{id=**}",     // G
		"/files/{id=**}:cut", // H
		"/sp%20ace/*",        // I
		"/{id}/x/{other}",    // J
		"/v1/things/*/deep",  // K
		"/v2/**",             // L
	}
	var options []string
	for _, text := range templates {
		options = append(options, fmt.Sprintf("get: %q", text))
	}
	table, problems := compile(t, options...)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for path, want := range map[string]string{
		"/":                         "A []",
		"/v1/things/7":              "B [7]",
		"/v1/things/":               "B []",
		"/v1/things/all":            "C []",
		"/v1/things/a%6Cl":          "C []",
		"/v1/things/a%2Fb":          "B [a/b]",
		"/v1/things/a+b%20c":        "B [a+b c]",
		"/v1/things/a:1":            "B [a:1]",
		"/v1/things/a:1:go":         "D [a:1]",
		"/v1/things/a:%67o":         "D [a]",
		"/v1/things/a%3Ago":         "B [a:go]",
		"/v1/things/a:":             "B [a:]",
		"/v1/things/all:go":         "D [all]",
		"/v1/things":                "E [things]",
		"/v1/things/1/2":            "E [things/1/2]",
		"/v1/things/1%2F/%252F":     "E [things/1%2F/%2F]",
		"/v1/things/1/deep":         "K []",
		"/v1/things/1/deep/er":      "E [things/1/deep/er]",
		"/v1/things/%2f1/%C3%A9%zz": "E [things/%2f1/é%zz]",
		"/v1/a/1/b/2/c":             "F [a/1/b/2]",
		"/v1/a/1/b/2":               "",
		"/files":                    "G []",
		"/files/":                   "G []",
		"/files//":                  "G [/]",
		"/files/a/b:c":              "G [a/b:c]",
		"/files/a/b:cut":            "H [a/b]",
		"/files:cut":                "H []",
		"/sp%20ace/":                "I []",
		"/sp ace/1":                 "I []",
		"/v1/x/y":                   "J [v1 y]",
		"/files/x/y":                "G [x/y]",
		"/v2":                       "L []",
		"/v3":                       "",
		"":                          "",
		"v1/things/7":               "",
		"//":                        "",
		"*":                         "",
	} {
		b, values, _ := table.Match("GET", path)
		got := ""
		if b != nil {
			got = fmt.Sprint(b.Method.Name(), " ", values)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestMatchSaysWhichVerbsThereAre(t *testing.T) {
	table, _ := compile(t, `get: "/a/{id}"`, `put: "/a/{id}" body: "*"`, `delete: "/a/b"`, `get: "/c/**"`)
	for _, tt := range []struct {
		verb, path, method string
		allowed            []string
	}{
		{"GET", "/a/b", "A", nil},
		{"DELETE", "/a/b", "C", nil},
		{"DELETE", "/a/c", "", []string{"GET", "PUT"}},
		{"POST", "/a/b", "", []string{"DELETE", "GET", "PUT"}},
		{"HEAD", "/c/x", "D", nil},
		{"POST", "/nowhere", "", nil},
	} {
		b, _, allowed := table.Match(tt.verb, tt.path)
		if (b != nil) != (tt.method != "") || b != nil && string(b.Method.Name()) != tt.method || !slices.Equal(allowed, tt.allowed) {
			t.Errorf("%s %s: got %v, %v", tt.verb, tt.path, b, allowed)
		}
	}
}

func FuzzMatch(f *testing.F) {
	table, _ := compile(f,
		`get: "/v1/{id=a/*/b/**}" additional_bindings { get: "/{id}" } additional_bindings { get: "/**" }`,
		`get: "/v1/{id}/{other}:go" additional_bindings { get: "/%2F/*/{id=**}" }`,
	)
	for _, s := range []string{"/", "/v1/a/1/b", "/v1/x/y:go", "/%2F//", "/%", ":go"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		b, values, _ := table.Match("GET", path)
		if b == nil {
			if strings.HasPrefix(path, "/") {
				t.Fatalf("%q isn't taken, not even by **", path)
			}
			return
		}
		if len(values) != len(b.Template.Variables) {
			t.Fatalf("%q: %d values for %v", path, len(values), b)
		}
	})
}

// BenchmarkMatch shows that the number of routes doesn't matter.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := many(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if found, _, _ := table.Match("GET", "/v1/kind7/carts/alice/items/12"); found == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

// many returns a table of n rules that look alike.
func many(t testing.TB, n int) *httprule.Table {
	t.Helper()
	var b strings.Builder
	b.WriteString(`get: "/v1/kind0/carts/{id}/items/{other}"`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, ` additional_bindings { get: "/v1/kind%d/carts/{id}/items/{other}" }`, i)
	}
	table, problems := compile(t, b.String())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return table
}

func TestMatchCostsTheSameForManyRoutes(t *testing.T) {
	few, lots := many(t, 10), many(t, 1000)
	visited := func(table *httprule.Table) float64 {
		return testing.AllocsPerRun(100, func() { table.Match("GET", "/v1/kind7/carts/alice/items/12") })
	}
	if a, b := visited(few), visited(lots); a != b {
		t.Errorf("%v allocations with 10 routes, %v with 1,000", a, b)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package hack holds the rules of the house as tests: which package may import
// which, which of them stay free of input and output, how large things may
// become, what no file may contain. A rule that gets in the way is changed here,
// where a review sees it, with its reason.
package hack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/kairn-dev/kairn/"

// root is where the module lies, as seen from a test of this package.
const root = ".."

// mayImport says which packages of this module each package may import. One
// that is not named here may import none, so that a new edge is a decision. The
// names are patterns as those of [match]; where several fit a package, the
// longest holds.
var mayImport = map[string][]string{
	"proto/...": {"proto/..."},

	"proxy":                  {"proxy/...", "proto/..."},
	"proxy/action":           {"proxy/dialect", "proxy/entity", "proxy/instance", "proxy/live", "proxy/route", "proxy/wire"}, // live: it is over a live.Stream
	"proxy/cluster":          {"proxy/cluster/member", "proxy/entity", "proxy/shard", "proxy/stats", "proto/..."},
	"proxy/cluster/gate":     {"proxy/entity", "proxy/shard"},
	"proxy/cluster/gossip":   {"proto/..."},
	"proxy/cluster/member":   {"proxy/entity", "proxy/shard"},
	"proxy/crdt":             {"proxy/entity", "proxy/wire", "proto/..."},
	"proxy/dialect":          {"proto/..."},
	"proxy/discovery":        {"proxy/dialect", "proxy/entity", "proxy/route", "proxy/stats", "proto/..."},
	"proxy/eventlog":         {"proxy/entity", "proxy/outbox", "proxy/route", "proxy/shard"},
	"proxy/eventsourced":     {"proxy/entity", "proxy/instance", "proxy/wire", "proto/..."},
	"proxy/instance":         {"proxy/entity"},
	"proxy/keeper":           {"proxy/cluster/member", "proxy/entity", "proxy/lane", "proxy/live", "proxy/outbox", "proxy/shard"}, // it keeps lanes and instances as the first says
	"proxy/lane":             {"proxy/entity", "proxy/stats"},
	"proxy/live/livetest":    {"proxy/entity", "proxy/live", "proto/..."},
	"proxy/live":             {"proxy/entity", "proxy/eventsourced", "proxy/instance", "proxy/lane", "proxy/route", "proxy/shard", "proxy/stats", "proxy/valueentity", "proxy/wire"},
	"proxy/outbox":           {"proxy/entity", "proxy/lane", "proxy/shard"},
	"proxy/peer/message":     {"proxy/entity", "proxy/shard", "proto/..."},
	"proxy/replica":          {"proxy/crdt", "proxy/entity", "proxy/instance", "proxy/live", "proxy/replica/exchange", "proxy/route", "proxy/stats"}, // live: it is over a live.Stream
	"proxy/replica/exchange": {"proxy/crdt", "proxy/entity", "proxy/instance", "proxy/wire", "proto/..."},
	"proxy/route":            {"proxy/dialect", "proxy/entity", "proto/..."},
	"proxy/route/routetest":  {"proxy/route", "proto/..."},
	"proxy/router":           {"proxy/entity", "proxy/instance", "proxy/route", "proxy/stats"},
	"proxy/serve/...":        {"proxy/entity", "proxy/reload", "proxy/route", "proxy/serve/...", "proxy/stats"},
	"proxy/serve/rest":       {"proxy/entity", "proxy/httprule", "proxy/openapi", "proxy/route", "proxy/serve/...", "proxy/transcode"},
	"proxy/shard":            {"proxy/entity", "proto/..."},
	"proxy/store/*":          {"proxy/entity", "proxy/shard", "proxy/stats", "proxy/store/record"},
	"proxy/store/record":     {"proxy/entity", "proto/..."},
	"proxy/store/storetest":  {"proxy/cluster", "proxy/entity", "proxy/lane", "proxy/live", "proxy/shard"}, // whose interfaces it tests
	"proxy/transcode":        {"proxy/entity", "proxy/httprule"},
	"proxy/openapi":          {"proxy/httprule"},
	"proxy/userfunc":         {"proxy/entity", "proxy/eventsourced", "proxy/live", "proxy/stats", "proxy/wire", "proto/..."}, // live: it is a live.Stream
	"proxy/validate":         {"proxy/entity", "proxy/route"},
	"proxy/valueentity":      {"proxy/entity", "proxy/instance", "proxy/wire", "proto/..."},
	"proxy/wire":             {"proxy/entity"},

	"sdk/...":                  {"sdk/...", "proto/..."},
	"samples/account/...":      {"samples/account/...", "sdk/...", "proto/..."},
	"samples/chat/...":         {"samples/chat/...", "sdk/...", "proto/..."},
	"samples/greeter/...":      {"samples/greeter/...", "sdk/...", "proto/..."},
	"samples/shoppingcart/...": {"samples/shoppingcart/...", "sdk/...", "proto/..."},
	"tck/...":                  {"tck/...", "sdk/...", "proto/..."},
	"hack/...":                 {"..."},
}

// testMayImport says what test files may import besides. The proxy's tests put
// real parts of it together and speak to functions that are written with the
// SDK; samples and the TCK are run behind a real proxy.
var testMayImport = map[string][]string{
	"proxy/...":   {"proxy/...", "proto/...", "sdk/...", "samples/...", "tck/..."},
	"sdk/...":     {"sdk/...", "proto/...", "samples/account/bank", "samples/chat/chat", "samples/greeter/greet", "samples/shoppingcart/shop"},
	"samples/...": {"proxy/...", "proto/...", "sdk/...", "hack/stage"},
	"tck/...":     {"proxy/...", "proto/...", "sdk/...", "samples/...", "hack/stage"},
}

// pure names the packages that decide and touch nothing: no input or output, no
// clock, no chance.
var pure = []string{
	"proxy/cluster/gate", "proxy/cluster/member", "proxy/crdt", "proxy/dialect", "proxy/entity", "proxy/eventsourced", "proxy/httprule", "proxy/instance", "proxy/openapi", "proxy/peer/message", "proxy/replica/exchange", "proxy/route", "proxy/shard",
	"proxy/store/record", "proxy/transcode", "proxy/valueentity", "proxy/wire",
	"webhook/inject", "webhook/mark",
}

// touching are the imports that a pure package may not have.
var touching = []string{
	"net", "net/http/...", "os/...", "syscall", "math/rand/...", "crypto/rand",
	"google.golang.org/grpc/...", "k8s.io/client-go/...", "sigs.k8s.io/controller-runtime/...",
}

// clock are the names of package time that a pure package may not use. It may
// use the others: durations, and times that it is given.
var clock = regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|AfterFunc|NewTimer|NewTicker|Tick)\b`)

// onlyIn puts a wall around each heavy library: it says which packages may
// import it, in their tests too.
var onlyIn = map[string][]string{
	"html/template":                       {}, // these two call methods by name, so that the linker drops none: 15 MiB of the proxy
	"text/template":                       {},
	"buf.build/...":                       {"proxy/validate"},
	"cloud.google.com/go/spanner/...":     {"proxy/store/spannerstore/...", "hack/bench/..."},
	"google.golang.org/api/...":           {"proxy/store/spannerstore/..."},
	"github.com/HdrHistogram/...":         {"hack/bench/..."},
	"github.com/cockroachdb/pebble/...":   {"proxy/store/filestore", "hack/bench/..."},
	"github.com/coder/websocket/...":      {"proxy/serve/rest"},
	"github.com/hashicorp/memberlist/...": {"proxy/cluster/gossip"},
	"github.com/prometheus/...":           {"proxy"},
	"knative.dev/serving/...":             {"activator/backends", "reconciler/...", "webhook/..."},
	"sigs.k8s.io/controller-runtime/...":  {"reconciler/...", "webhook/..."},
}

// forTests are libraries that only tests, suites of tests and hack may import.
var forTests = []string{
	"connectrpc.com/connect/...", "connectrpc.com/vanguard/...", "github.com/grpc-ecosystem/grpc-gateway/...",
	"github.com/anishathalye/porcupine/...", "github.com/bufbuild/protocompile/...", "go.yaml.in/yaml/v3/...", "pgregory.net/rapid/...",
}

func TestImportsBetweenPackages(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours && !match(rule(mayImport, p.path), to) {
				t.Errorf("%s may not import %s: see mayImport", p.path, to)
			}
		}
		for _, imp := range p.testImports() {
			to, ours := strings.CutPrefix(imp, module)
			if ours && to != p.path && !match(rule(mayImport, p.path), to) && !match(rule(testMayImport, p.path), to) {
				t.Errorf("tests of %s may not import %s: see testMayImport", p.path, to)
			}
		}
	}
}

func TestPurePackagesTouchNothing(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.path) {
			continue
		}
		for _, imp := range p.Imports {
			if match(touching, imp) {
				t.Errorf("%s is pure and may not import %s", p.path, imp)
			}
		}
		for _, file := range p.GoFiles {
			if name := clock.Find(read(t, path.Join(p.path, file))); name != nil {
				t.Errorf("%s is pure and may not use %s (%s): have the time passed in", p.path, name, file)
			}
		}
	}
}

func TestHeavyLibrariesStayBehindTheirWalls(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range slices.Concat(p.Imports, p.testImports()) {
			for lib, in := range onlyIn {
				if match([]string{lib}, imp) && !match(in, p.path) {
					t.Errorf("%s may not import %s: only %v may", p.path, imp, in)
				}
			}
		}
		for _, imp := range p.Imports {
			if match(forTests, imp) && !match([]string{"hack/...", "proxy/route/routetest", "proxy/store/storetest"}, p.path) {
				t.Errorf("%s may import %s in tests only", p.path, imp)
			}
		}
	}
}

func TestPackagesAreNamedForWhatTheyProvide(t *testing.T) {
	empty := []string{
		"base", "common", "core", "engine", "handler", "helper", "helpers", "interfaces",
		"manager", "misc", "runtime", "shared", "types", "util", "utils",
	}
	for _, p := range packages(t) {
		for _, name := range []string{p.Name, path.Base(p.path)} {
			if slices.Contains(empty, name) {
				t.Errorf("%s: %q says nothing about what the package provides", p.path, name)
			}
		}
	}
}

// A goPackage is what the go command says of a package of this module.
type goPackage struct {
	ImportPath, Name                   string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string

	path string // from the root, with slashes
}

func (p *goPackage) testImports() []string { return slices.Concat(p.TestImports, p.XTestImports) }

func (p *goPackage) files() []string { return slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) }

func packages(t *testing.T) []goPackage {
	t.Helper()
	all, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var listed = sync.OnceValues(func() ([]goPackage, error) {
	out, err := output("go", "list", "-e", "-buildvcs=false", // -e: what doesn't compile is for others to report
		"-json=ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, err
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		p.path = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
})

// output runs a command at the root and returns what it prints.
func output(name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(context.Background(), name, args...) // tests share what it prints, so none's context
	cmd.Dir = root
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%v: %w: %s", cmd, err, exit.Stderr)
	}
	return out, err
}

// rule returns what rules has for name under the longest pattern that fits.
func rule(rules map[string][]string, name string) []string {
	var best string
	for pattern := range rules {
		if len(pattern) > len(best) && match([]string{pattern}, name) {
			best = pattern
		}
	}
	return rules[best]
}

// match reports whether one of the patterns fits name. A pattern is as for
// [path.Match]; one that ends in /... also fits what is before that and
// everything below it.
func match(patterns []string, name string) bool {
	for _, p := range patterns {
		if top, tree := strings.CutSuffix(p, "/..."); tree && (name == top || strings.HasPrefix(name, top+"/")) {
			return true
		}
		if ok, _ := path.Match(p, name); ok || p == "..." {
			return true
		}
	}
	return false
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"proxy", "proxy", true},
		{"proxy", "proxy/lane", false},
		{"proxy/*", "proxy/lane", true},
		{"proxy/*", "proxy/store/memstore", false},
		{"proxy/...", "proxy", true},
		{"proxy/...", "proxy/store/memstore", true},
		{"proxy/...", "proxyless", false},
		{"...", "hack", true},
	} {
		if got := match([]string{c.pattern}, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

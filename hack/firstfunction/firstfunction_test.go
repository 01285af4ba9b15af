// SPDX-License-Identifier: Apache-2.0

package firstfunction

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"

	"github.com/kairn-dev/kairn/hack/generate/plugin"
)

const (
	root   = "../.."
	page   = "docs/first-function.md"
	theirs = "example.com/first"                     // the reader's module
	ours   = "github.com/kairn-dev/kairn/hack/first" // which it is a package of here
)

// shown finds the files that the page shows.
var shown = regexp.MustCompile("(?s)`([\\w/]+\\.(?:go|proto))`[^`]*(?:`[^`]+`[^`]*)*?:\n\n```(?:go|proto)\n(.*?)```")

// files returns them, as they are here.
func files(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = strings.ReplaceAll(m[2], theirs, ours)
	}
	if len(all) != 3 {
		t.Fatalf("%s shows %d files", page, len(all))
	}
	return all
}

// TestPage overlays the module with a package that has the files of the page, so
// that it is built with what is here.
func TestPage(t *testing.T) {
	dir, at := t.TempDir(), filepath.Join(absolute(t, root), "hack", "first")
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	add := func(name, content string) {
		to := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(to, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(at, filepath.FromSlash(name))] = to
	}
	for name, content := range files(t) {
		if filepath.Ext(name) != ".proto" {
			add(name, content)
			continue
		}
		for generated, code := range generate(t, name, content) {
			add(generated, code)
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "first.test")
	// Vet would change into the package's folder, which is not there.
	run(t, root, "go", "test", "-c", "-vet=off", "-o="+program, "-overlay="+list, "./hack/first")
	if out := run(t, dir, program, "-test.v"); !strings.Contains(out, "--- PASS: TestWhatIsAddedStays") {
		t.Errorf("the page's test was not run:\n%s", out)
	}
}

// run runs a command in a folder, and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func absolute(t *testing.T, dir string) string {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// generate returns the Go code of a .proto file, by its paths.
func generate(t *testing.T, name, content string) map[string]string {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{name: content})},
		&protocompile.SourceResolver{ImportPaths: []string{filepath.Join(root, "proto")}},
	})}
	compiled, err := compiler.Compile(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	code, err := plugin.Generate(t.Context(), compiled, "paths=source_relative")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

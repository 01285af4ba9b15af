// SPDX-License-Identifier: Apache-2.0

package hack

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kairn-dev/kairn/tck/cases"
)

// unwanted says what may stand in no file, and why.
var unwanted = map[string]*regexp.Regexp{
	"a path of one machine":              regexp.MustCompile(`(^|[^\w./~-])/(work|root|home)/`),
	"the host of a registry":             regexp.MustCompile(`(proxy|sum)\.golang\.org|registry\.npmjs\.org|(deb|security)\.debian\.org|\bpypi\.org`),
	"a document that is not here":        regexp.MustCompile(`\b(DESIGN|STYLE|SPEC|PROTOCOL|FINDINGS|FACTS)(\.md\b|,? section)|\.\./(shared)/`),
	"a number that readers can't follow": regexp.MustCompile(`(?i)\bissue \d`),
	"how the text came about":            regexp.MustCompile(`(?i)\b(co-[a]uthored-by|generated (by|with) an? (ai|assistant|[m]odel)|language [m]odel)\b`),
}

func TestNoFileSaysWhatItShouldNot(t *testing.T) {
	for _, name := range files(t) {
		text := read(t, name)
		if bytes.IndexByte(text, 0) >= 0 {
			continue // not text
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			for what, re := range unwanted {
				if m := re.Find(line); m != nil {
					t.Errorf("%s:%d has %s: %q", name, i+1, what, m)
				}
			}
		}
	}
}

func TestHandWrittenFilesNameTheLicence(t *testing.T) {
	for _, name := range files(t) {
		head, _, _ := bytes.Cut(read(t, name), []byte("\n\n"))
		if !isSource(name) || bytes.Contains(head, []byte("SPDX-License-Identifier: Apache-2.0")) {
			continue
		}
		t.Errorf("%s does not begin with its SPDX line", name)
	}
}

// isSource reports whether a file is written by hand and can have a comment.
func isSource(name string) bool {
	if strings.Contains(name, "testdata/") {
		return false
	}
	switch path.Ext(name) {
	case ".go", ".proto", ".sh", ".yml", ".yaml", ".sql", ".js", ".mjs", ".ts":
		return true
	}
	return slices.Contains([]string{"Makefile", "Dockerfile", ".ci/run"}, name)
}

var (
	code = regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	link = regexp.MustCompile(`\]\(([^)\s#]+)[^)]*\)`)
)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	for _, name := range files(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range link.FindAllSubmatch(code.ReplaceAll(read(t, name), nil), -1) {
			target := string(m[1])
			if strings.Contains(target, ":") {
				continue // on the web
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), target)); err != nil {
				t.Errorf("%s: there is no %s", name, target)
			}
		}
	}
}

// A goMod is what the go command says of a go.mod.
type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
	Tool []struct{ Path string }
}

func readMod(t *testing.T, name string) goMod {
	t.Helper()
	out, err := output("go", "mod", "edit", "-json", name)
	if err != nil {
		t.Fatal(err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

// provider returns the module in mod that has the package pkg; "" if none.
func (mod *goMod) provider(pkg string) string {
	var best string
	for _, r := range mod.Require {
		if len(r.Path) > len(best) && match([]string{r.Path + "/..."}, pkg) {
			best = r.Path
		}
	}
	return best
}

// row finds what a row of the tables in docs/dependencies.md is about.
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func TestEveryDependencyHasItsReason(t *testing.T) {
	ours, tools := readMod(t, "go.mod"), readMod(t, "hack/tools/go.mod")
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, imp := range slices.Concat(p.Imports, p.testImports()) {
			used[ours.provider(imp)] = true
		}
	}
	for _, r := range ours.Require {
		if used[r.Path] && r.Indirect {
			t.Errorf("go.mod says that %s is indirect, but we import it", r.Path)
		}
	}
	for _, tool := range ours.Tool {
		used[ours.provider(tool.Path)] = true
	}
	for _, tool := range tools.Tool {
		used[tools.provider(tool.Path)] = true
	}
	delete(used, "") // the standard library and our own

	const doc = "docs/dependencies.md"
	explained := map[string]bool{}
	for _, m := range row.FindAllSubmatch(read(t, doc), -1) {
		explained[string(m[1])] = true
	}
	for name := range used {
		if !explained[name] {
			t.Errorf("%s does not say why we use %s", doc, name)
		}
	}
	for name := range explained {
		if !used[name] {
			t.Errorf("%s explains %s, which nothing here uses", doc, name)
		}
	}
}

// named finds the packages of the proxy that the tables in docs/architecture.md
// name.
var named = regexp.MustCompile("`(proxy(?:/[a-z]+)*)`")

func TestEveryPackageIsOnTheMap(t *testing.T) {
	const doc = "docs/architecture.md"
	onMap := map[string]bool{}
	for _, m := range named.FindAllSubmatch(read(t, doc), -1) {
		onMap[string(m[1])] = true
	}
	for _, p := range packages(t) {
		if match([]string{"proxy/..."}, p.path) && !onMap[p.path] {
			t.Errorf("%s does not say what %s is", doc, p.path)
		}
		delete(onMap, p.path)
	}
	for name := range onMap {
		t.Errorf("%s names %s, which does not exist", doc, name)
	}
}

// differs are the documents that say where we differ from the reference, and what
// shows it.
var differs = []string{"docs/protocol.md", "docs/http.md"}

var (
	quoted = regexp.MustCompile("`([^`]*)`")
	proof  = regexp.MustCompile(`^(\w+\.\w+)/(\w+)$`) // one of the promises that a store is tested for
	tests  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

func TestWhatDiffersIsShownByTestsThatExist(t *testing.T) {
	const promises = "proxy/store/storetest/run.go"
	there := map[string]bool{}
	for _, p := range packages(t) {
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			for _, m := range tests.FindAllSubmatch(read(t, path.Join(p.path, file)), -1) {
				there[path.Base(p.path)+"."+string(m[1])] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`\{"(\w+)", test`).FindAllSubmatch(read(t, promises), -1) {
		there[string(m[1])] = true
	}
	for _, c := range cases.All() {
		there[c.Number] = true
	}
	for _, doc := range differs {
		table := false // whether it has such a column
		for i, line := range strings.Split(string(read(t, doc)), "\n") {
			cells := strings.Split(strings.TrimSuffix(line, " |"), " | ")
			switch last := cells[len(cells)-1]; {
			case last == "shown by":
				table = true
			case !strings.HasPrefix(line, "| "):
				table = false
			case table && last != "---":
				for _, name := range shown(last) {
					if m := proof.FindStringSubmatch(name); m != nil && there[m[1]] && there[m[2]] || there[name] {
						continue
					}
					t.Errorf("%s:%d: there is no %s", doc, i+1, name)
				}
			}
		}
	}
}

// shown returns what a cell names; something that does not exist if it names
// nothing, and does not say that nothing could show it.
func shown(cell string) []string {
	if cell == "—" {
		return nil
	}
	var names []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	if names == nil {
		return []string{"proof"}
	}
	return names
}

// files returns the paths, from the root, of the files that are or may come
// under version control.
func files(t *testing.T) []string {
	t.Helper()
	out, err := output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Compact(slices.Sorted(strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00")))
	return slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Lstat(filepath.Join(root, name))
		return errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() // deleted, or a link
	})
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// SPDX-License-Identifier: Apache-2.0

// Generate compiles every .proto file of this module and writes the Go code
// beside it. Run it from the root of the module: go run ./hack/generate. With
// -check it writes nothing, and fails if what it would write is not there.
//
// The imports google/api/* and google/protobuf/* are taken from the descriptors
// of the Go packages that the module depends on, so that no copies of them lie
// here and they can't differ from what is linked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	_ "google.golang.org/genproto/googleapis/api/annotations" // google/api/*.proto
	_ "google.golang.org/genproto/googleapis/api/httpbody"    // google/api/httpbody.proto
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/kairn-dev/kairn/hack/generate/plugin"
)

const module = "github.com/kairn-dev/kairn"

// roots are the folders that imports are relative to, first match wins.
var roots = []string{"proto", "."}

func main() {
	check := flag.Bool("check", false, "write nothing; fail if a generated file is not up to date")
	flag.Parse()
	if err := run(context.Background(), *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool) error {
	names, err := sources()
	if err != nil {
		return err
	}
	want, err := generated(ctx, names)
	if err != nil {
		return err
	}
	stale, err := compare(want)
	if err != nil {
		return err
	}
	if check {
		if len(stale) > 0 {
			return fmt.Errorf("not up to date, run make generate:\n\t%s", strings.Join(stale, "\n\t"))
		}
		return nil
	}
	return update(stale, want)
}

// generated returns the Go files that belong to the .proto files names, by
// their paths.
func generated(ctx context.Context, names []string) (map[string]string, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: roots},
			protocompile.ResolverFunc(linked),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	code, err := plugin.Generate(ctx, files, "module="+module)
	all := map[string]string{}
	for name, content := range code {
		all[filepath.FromSlash(name)] = content
	}
	return all, err
}

// compare returns the paths, sorted, of the files that are not as in want, and
// of those generated ones that have no source any more.
func compare(want map[string]string) ([]string, error) {
	var stale []string
	for path, content := range want {
		have, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || string(have) != content {
			stale = append(stale, path)
		}
	}
	err := walk(func(path string) {
		if _, ok := want[path]; !ok && strings.HasSuffix(path, ".pb.go") {
			stale = append(stale, path)
		}
	})
	slices.Sort(stale)
	return stale, err
}

// update makes the files at paths as in want, and removes those not in it.
func update(paths []string, want map[string]string) error {
	for _, path := range paths {
		fmt.Println(path)
		content, ok := want[path]
		if !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sources returns the .proto files of the module, each relative to its root.
func sources() ([]string, error) {
	var names []string
	err := walk(func(path string) {
		if filepath.Ext(path) == ".proto" {
			names = append(names, strings.TrimPrefix(filepath.ToSlash(path), "proto/"))
		}
	})
	return names, err
}

// walk calls visit for the files of the module that may be sources or
// generated.
func walk(visit func(path string)) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			visit(path)
		}
		return nil
	})
}

func linked(path string) (protocompile.SearchResult, error) {
	fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return protocompile.SearchResult{}, err
	}
	return protocompile.SearchResult{Desc: fd}, nil
}

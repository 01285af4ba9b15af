// SPDX-License-Identifier: Apache-2.0

package hack

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"
)

// The budgets. They are questions for a review, so each can be exceeded: by a
// line in allowed, which gives the answer.
const (
	maxFileLines     = 400
	maxFuncLines     = 60
	maxTestFuncLines = 200 // a table of cases is data
	maxFields        = 12
	maxMethods       = 3
)

// allowed says why a thing is over its budget. A file goes by its path, other
// things by their package and name: "proxy/serve.Server.Run".
var allowed = map[string]string{
	"hack/bench/load.Job":    "an order, of which each line is one thing to choose",
	"proxy/live.Stats":       "a list of counters has no parts",
	"proxy/entity.OutboxRow": "a row of a table has the columns that it has",
}

func TestBudgets(t *testing.T) {
	over := map[string]string{}
	for _, p := range packages(t) {
		for _, name := range p.files() {
			measure(t, p.path, path.Join(p.path, name), over)
		}
	}
	for name, what := range over {
		if allowed[name] == "" {
			t.Errorf("%s %s: make it smaller, or say in allowed why it should be so", name, what)
		}
	}
	for name := range allowed {
		if over[name] == "" {
			t.Errorf("%s keeps its budget now: take it out of allowed", name)
		}
	}
}

// measure notes in over what is too large in a file of the package pkg.
func measure(t *testing.T, pkg, file string, over map[string]string) {
	t.Helper()
	src := read(t, file)
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(f) {
		return
	}
	check := func(name, unit string, n, most int) {
		if n > most {
			over[name] = fmt.Sprintf("has %d %s, and %d is the budget", n, unit, most)
		}
	}
	check(file, "lines", bytes.Count(src, []byte("\n")), maxFileLines)
	mostLines := maxFuncLines
	if strings.HasSuffix(file, "_test.go") {
		mostLines = maxTestFuncLines
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			lines := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1
			check(pkg+"."+receiver(d)+d.Name.Name, "lines", lines, mostLines)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				measureType(s, func(name, unit string, n, most int) { check(pkg+"."+name, unit, n, most) })
			}
		}
	}
}

func measureType(s ast.Spec, check func(name, unit string, n, most int)) {
	typ, ok := s.(*ast.TypeSpec)
	if !ok {
		return
	}
	switch def := typ.Type.(type) {
	case *ast.StructType:
		check(typ.Name.Name, "fields", def.Fields.NumFields(), maxFields)
	case *ast.InterfaceType:
		check(typ.Name.Name, "methods", def.Methods.NumFields(), maxMethods)
	}
}

// receiver returns the type that f is a method of, with a dot; "" if none.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		said, generated := false, true
		for _, name := range p.files() {
			file := path.Join(p.path, name)
			f, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			said = said || f.Doc != nil
			generated = generated && ast.IsGenerated(f)
		}
		if !said && !generated {
			t.Errorf("%s has no package comment", p.path)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/outcome"
)

// wantCodes has every error of package entity by its name there.
var wantCodes = map[string]struct {
	err  error
	code codes.Code
}{
	"ErrUnavailable":    {entity.ErrUnavailable, codes.Unavailable},
	"ErrUnknownOutcome": {entity.ErrUnknownOutcome, codes.Unavailable},
	"ErrOverloaded":     {entity.ErrOverloaded, codes.ResourceExhausted},
	"ErrDeadline":       {entity.ErrDeadline, codes.DeadlineExceeded},
	"ErrCanceled":       {entity.ErrCanceled, codes.Canceled},
	"ErrInvalid":        {entity.ErrInvalid, codes.InvalidArgument},
	"ErrUnimplemented":  {entity.ErrUnimplemented, codes.Unimplemented},
	"ErrProtocol":       {entity.ErrProtocol, codes.Internal},
	"ErrLoop":           {entity.ErrLoop, codes.FailedPrecondition},
	"ErrLaneMoved":      {entity.ErrLaneMoved, codes.Unavailable},
	"ErrNoMember":       {entity.ErrNoMember, codes.Unavailable},
	"ErrFull":           {entity.ErrFull, codes.ResourceExhausted},
	"ErrRefused":        {entity.ErrRefused, codes.Internal},
	"ErrRepeated":       {entity.ErrRepeated, codes.Internal},
	"Refusal":           {&entity.Refusal{Description: "no"}, codes.Unknown},
	"Refusal with code": {&entity.Refusal{Description: "no", Code: 9}, codes.FailedPrecondition},
	"Status":            {&entity.Status{Code: 5, Description: "gone"}, codes.NotFound},
	"Invalid":           {&entity.Invalid{}, codes.InvalidArgument},
	"Crash":             {&entity.Crash{Description: "oh"}, codes.Internal},
}

// TestFunctionChoosesTheCode has failures with codes, and with what is none.
func TestFunctionChoosesTheCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want codes.Code
	}{
		{&entity.Refusal{Description: "no", Code: 5}, codes.NotFound},
		{&entity.Refusal{Description: "no", Code: 16}, codes.Unauthenticated},
		{&entity.Refusal{Description: "no", Code: 17}, codes.Unknown},
		{&entity.Crash{Description: "oh", Code: 2}, codes.Unknown},
		{&entity.Crash{Description: "oh", Code: 1 << 31}, codes.Internal},
	} {
		if got := status.Code(toStatus(tt.err)); got != tt.want {
			t.Errorf("%#v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestEveryErrorHasAStatus(t *testing.T) {
	names := errorNames(t)
	if len(names) < 10 {
		t.Fatalf("found only the errors %q", names)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		want, ok := wantCodes[name]
		if !ok {
			t.Errorf("entity.%s: say in package outcome, doc.go and here which status it is", name)
			continue
		}
		if !strings.Contains(string(doc), name) {
			t.Errorf("entity.%s isn't in the table of the package comment", name)
		}
		wrapped := fmt.Errorf("adding an item: %w", want.err)
		if _, _, known := outcome.Describe(wrapped); !known {
			t.Errorf("entity.%s isn't known", name)
		}
		if got := status.Code(toStatus(wrapped)); got != want.code {
			t.Errorf("entity.%s is %v, want %v", name, got, want.code)
		}
	}
}

// errorNames returns the names of all errors and types of errors that package
// entity exports.
func errorNames(t *testing.T) []string {
	t.Helper()
	const dir = "../entity"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for _, id := range n.Names {
					if strings.HasPrefix(id.Name, "Err") {
						names = append(names, id.Name)
					}
				}
			case *ast.FuncDecl:
				if n.Name.Name == "Error" && n.Recv != nil {
					names = append(names, receiver(n))
				}
				return false
			}
			return true
		})
	}
	return names
}

func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name
}

func TestStatusText(t *testing.T) {
	tests := map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"none":             {nil, codes.OK, ""},
		"the description":  {fmt.Errorf("forwarded: %w", &entity.Refusal{Description: "sold out"}), codes.Unknown, "sold out"},
		"of a crash too":   {fmt.Errorf("x: %w", &entity.Crash{Description: "no such event"}), codes.Internal, "no such event"},
		"the whole error":  {fmt.Errorf("%w: field user_id", entity.ErrInvalid), codes.InvalidArgument, "invalid request: field user_id"},
		"nothing":          {errSome, codes.Internal, "entity failed"},
		"context deadline": {context.DeadlineExceeded, codes.DeadlineExceeded, "context deadline exceeded"},
		"context canceled": {context.Canceled, codes.Canceled, "context canceled"},
		"the worse of two": {errors.Join(entity.ErrOverloaded, entity.ErrProtocol), codes.Internal, "too many calls wait\nuser function broke the protocol"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { wantStatus(t, toStatus(test.err), test.code, test.text) })
	}
	if toTrailer(fmt.Errorf("%w: %w", entity.ErrUnavailable, entity.ErrUnknownOutcome)) == nil {
		t.Error("an unknown outcome isn't marked")
	}
}

func TestLongDescriptionIsCutBetweenCharacters(t *testing.T) {
	for n := range 4 {
		long := strings.Repeat("x", n) + strings.Repeat("€", 3000)
		got := outcome.Shortened(long)
		if len(got) > outcome.MaxDescription || len(got) < outcome.MaxDescription-4 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid %t", len(got), utf8.ValidString(got))
		}
	}
	if whole := strings.Repeat("x", outcome.MaxDescription); outcome.Shortened(whole) != whole {
		t.Error("a description that fits was cut")
	}
}

func TestWhatIsWrongWithARequestIsADetail(t *testing.T) {
	err := fmt.Errorf("checking: %w", &entity.Invalid{Violations: []entity.Violation{
		{Field: "items[2].quantity", Rule: "int32.gt", Description: "must be greater than 0"},
		{Description: "needs an item"},
	}})
	s := status.Convert(toStatus(err))
	const text = "checking: invalid request: items[2].quantity: must be greater than 0; needs an item"
	if s.Code() != codes.InvalidArgument || s.Message() != text {
		t.Errorf("got %v %q", s.Code(), s.Message())
	}
	if len(s.Details()) != 1 {
		t.Fatalf("got details %v", s.Details())
	}
	detail, ok := s.Details()[0].(*errdetails.BadRequest)
	if !ok || len(detail.GetFieldViolations()) != 2 {
		t.Fatalf("got %v", s.Details())
	}
	v := detail.GetFieldViolations()[0]
	if v.GetField() != "items[2].quantity" || v.GetReason() != "int32.gt" || v.GetDescription() != "must be greater than 0" {
		t.Errorf("got %v", v)
	}
}

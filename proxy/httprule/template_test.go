// SPDX-License-Identifier: Apache-2.0

package httprule

import (
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	lit := func(s string) Segment { return Segment{Literal, s} }
	one, rest := Segment{Kind: One}, Segment{Kind: Rest}
	for text, want := range map[string]Template{
		"/":               {},
		"/v1":             {Segments: []Segment{lit("v1")}},
		"/v1/*/b/**":      {Segments: []Segment{lit("v1"), one, lit("b"), rest}},
		"/a%20b/é":        {Segments: []Segment{lit("a b"), lit("é")}},
		"/v1:cancel":      {Segments: []Segment{lit("v1")}, Verb: "cancel"},
		"/**:do%20it":     {Segments: []Segment{rest}, Verb: "do it"},
		"/{id}":           {Segments: []Segment{one}, Variables: []Variable{{"id", 3, 0, 1, false}}},
		"/é/{a.b_c}:x":    {Segments: []Segment{lit("é"), one}, Verb: "x", Variables: []Variable{{"a.b_c", 5, 1, 2, false}}},
		"/{id=*}/{x=y}":   {Segments: []Segment{one, lit("y")}, Variables: []Variable{{"id", 3, 0, 1, false}, {"x", 10, 1, 2, false}}},
		"/{n=a/*/b/*}/c":  {Segments: []Segment{lit("a"), one, lit("b"), one, lit("c")}, Variables: []Variable{{"n", 3, 0, 4, true}}},
		"/v1/{n=a/**}":    {Segments: []Segment{lit("v1"), lit("a"), rest}, Variables: []Variable{{"n", 6, 1, 3, true}}},
		"/v1/{n=**}:undo": {Segments: []Segment{lit("v1"), rest}, Verb: "undo", Variables: []Variable{{"n", 6, 1, 2, true}}},
	} {
		want.Text = text
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseSaysWhereATemplateIsWrong(t *testing.T) {
	for _, tt := range []struct {
		text   string
		column int
		says   string
	}{
		{"", 1, "'/' is missing at the end"},
		{"foo", 1, "'f' stands where '/' should"},
		{"/f*o", 3, "'*' stands where '/', ':' or the end should"},
		{"/*o", 3, "'o' stands where '/', ':' or the end should"},
		{"/foo/{bar", 10, "'}' is missing at the end"},
		{"/foo/{bar/baz}", 10, "'/' stands where '}' should"},
		{"/foo/", 6, "a segment is missing at the end"},
		{"/foo//bar", 6, "'/' stands where a segment should"},
		{"/foo:", 6, "a verb is missing at the end"},
		{"/foo:a:b", 7, "':' stands where '/', ':' or the end should"},
		{"/foo:a/b", 7, "'/' stands where '/', ':' or the end should"},
		{"/{}", 3, "'}' stands where the name of a field should"},
		{"/{1a}", 3, "'1' stands where the name of a field should"},
		{"/{a.}", 5, "'}' stands where the name of a field should"},
		{"/{a=}", 5, "'}' stands where a segment should"},
		{"/{a={b}}", 5, "a variable can't be within another one"},
		{"/{a=b:c}", 6, "':' stands where '}' should"},
		{"/{a}/{b}/{a}", 11, "variable a is there twice"},
		{"/**/foo", 2, "** must be the last segment"},
		{"/é/{a=**/b}", 7, "** must be the last segment"},
		{"/{a=**}/b", 5, "** must be the last segment"},
		{"/a}b", 3, "'}' stands where '/', ':' or the end should"},
		{"/a\n", 3, `'\n' stands where '/', ':' or the end should`},
		{"/é%2", 3, "% is not followed by two hexadecimal digits"},
		{"/%41%4g", 5, "% is not followed by two hexadecimal digits"},
	} {
		_, err := Parse(tt.text)
		wrong, ok := errors.AsType[*SyntaxError](err)
		if !ok || wrong.Column != tt.column || wrong.Text != tt.says {
			t.Errorf("Parse(%q) = %v, want column %d: %s", tt.text, err, tt.column, tt.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"/", "/v1/{a.b=x/**}:z", "/%zz", "/{a={b}}", "/*/**", "\xff/{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		template, err := Parse(text)
		if err != nil {
			wrong, ok := errors.AsType[*SyntaxError](err)
			if !ok || wrong.Column < 1 || wrong.Column > utf8.RuneCountInString(text)+1 {
				t.Fatalf("error %v is no place in %q", err, text)
			}
			return
		}
		for i, v := range template.Variables {
			if v.Start >= v.End || v.End > len(template.Segments) || i > 0 && v.Start < template.Variables[i-1].End {
				t.Fatalf("%q: variables %+v", text, template.Variables)
			}
		}
		for i, s := range template.Segments {
			if s.Kind == Rest && i < len(template.Segments)-1 {
				t.Fatalf("%q: ** at %d of %+v", text, i, template.Segments)
			}
		}
	})
}

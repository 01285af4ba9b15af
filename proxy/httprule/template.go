// SPDX-License-Identifier: Apache-2.0

package httprule

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// A Template is the path of a rule, parsed.
type Template struct {
	Text      string
	Segments  []Segment
	Variables []Variable // in the order of the text
	Verb      string     // what follows the colon; "" if there is none
}

// A Segment is one part of a path, between slashes.
type Segment struct {
	Kind Kind
	Text string // of a literal, decoded
}

// A Kind says what a segment takes.
type Kind int

// The kinds of segments.
const (
	Literal Kind = iota // its own text
	One                 // any one segment: *
	Rest                // any number of segments: **
)

// A Variable is a part of a path that becomes a field of the request.
type Variable struct {
	Path       string // "cart.user_id"
	Column     int    // where that stands in the template, from 1
	Start, End int    // which segments it takes; End is that of the template for **
	Several    bool   // whether it can take more or less than one segment
}

// A SyntaxError says where a template is wrong.
type SyntaxError struct {
	Column int // in characters, from 1
	Text   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Text) }

// Parse parses a template. An error is a [*SyntaxError].
func Parse(text string) (*Template, error) {
	p := &parser{text: text, t: &Template{Text: text}}
	if err := p.template(); err != nil {
		return nil, err
	}
	return p.t, nil
}

// A parser is at a place of the text.
type parser struct {
	text string
	at   int
	t    *Template
	rest int // place of the ** that was found; 0 if none
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &SyntaxError{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...)}
}

// unexpected says what stands where something else should.
func (p *parser) unexpected(want string) error {
	if p.at == len(p.text) {
		return p.fail(p.at, "%s is missing at the end", want)
	}
	c, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return p.fail(p.at, "%q stands where %s should", c, want)
}

// take goes on if c is next.
func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) template() error {
	if !p.take('/') {
		return p.unexpected("'/'")
	}
	if p.at == len(p.text) {
		return nil // the root
	}
	if err := p.segments(false); err != nil {
		return err
	}
	if p.take(':') {
		verb, err := p.literal("a verb")
		if err != nil {
			return err
		}
		p.t.Verb = verb
	}
	if p.at < len(p.text) {
		return p.unexpected("'/', ':' or the end")
	}
	return nil
}

// segments parses one segment after the other.
func (p *parser) segments(inside bool) error {
	for {
		if p.rest > 0 {
			return p.fail(p.rest, "** must be the last segment")
		}
		if err := p.segment(inside); err != nil {
			return err
		}
		if !p.take('/') {
			return nil
		}
	}
}

func (p *parser) segment(inside bool) error {
	start := p.at
	switch {
	case p.take('*'):
		if !p.take('*') {
			p.add(One, "")
			return nil
		}
		p.rest = start
		p.add(Rest, "")
		return nil
	case p.take('{'):
		if inside {
			return p.fail(start, "a variable can't be within another one")
		}
		return p.variable()
	}
	text, err := p.literal("a segment")
	if err != nil {
		return err
	}
	p.add(Literal, text)
	return nil
}

func (p *parser) add(kind Kind, text string) {
	p.t.Segments = append(p.t.Segments, Segment{kind, text})
}

// variable parses what follows the brace.
func (p *parser) variable() error {
	start := p.at
	for {
		if !p.identifier() {
			return p.unexpected("the name of a field")
		}
		if !p.take('.') {
			break
		}
	}
	v := Variable{Path: p.text[start:p.at], Start: len(p.t.Segments)}
	v.Column = utf8.RuneCountInString(p.text[:start]) + 1
	for _, other := range p.t.Variables {
		if other.Path == v.Path {
			return p.fail(start, "variable %s is there twice", v.Path)
		}
	}
	if p.take('=') {
		if err := p.segments(true); err != nil {
			return err
		}
	} else {
		p.add(One, "")
	}
	if !p.take('}') {
		return p.unexpected("'}'")
	}
	v.End = len(p.t.Segments)
	v.Several = v.End-v.Start > 1 || p.rest > 0
	p.t.Variables = append(p.t.Variables, v)
	return nil
}

// identifier goes past the name of a field.
func (p *parser) identifier() bool {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (p.at == start || c < '0' || c > '9') {
			break
		}
		p.at++
	}
	return p.at > start
}

// literal parses text that means itself, and returns it decoded.
func (p *parser) literal(what string) (string, error) {
	start := p.at
	if n := strings.IndexAny(p.text[start:], "*{}/:\r\n"); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.text)
	}
	text := p.text[start:p.at]
	if text == "" {
		return "", p.unexpected(what)
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", p.fail(start+badEscape(text), "%% is not followed by two hexadecimal digits")
	}
	return decoded, nil
}

// badEscape returns where the first percent sign of text is that escapes
// nothing.
func badEscape(text string) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
			return i
		}
	}
	return 0
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// SPDX-License-Identifier: Apache-2.0

package transcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// invalid returns an error about a field.
func invalid(field, format string, args ...any) error {
	return &entity.Invalid{Violations: []entity.Violation{{Field: field, Description: fmt.Sprintf(format, args...)}}}
}

// clean takes from the text of an error what the library puts before it. It
// uses spaces of two kinds, so that nobody compares its texts.
func clean(text string) string {
	text = strings.ReplaceAll(text, "\u00a0", " ")
	return strings.TrimPrefix(text, "proto: ")
}

// position finds what protojson says of the place of an error.
var position = regexp.MustCompile(`^(syntax error )?\(line (\d+):(\d+)\): `)

// located makes of an error of protojson one that says where in data it is. The
// first head bytes of data aren't the client's.
func located(data []byte, head int, err error) error {
	text := clean(err.Error())
	at := len(bytes.TrimRight(data, " \t\r\n"))
	if m := position.FindStringSubmatch(text); m != nil {
		at = offset(data, number(m[2]), number(m[3]))
		text = m[1] + text[len(m[0]):]
	} else if text != "unexpected EOF" {
		return invalid("", "%s", text)
	}
	path := pathAt(data, at)
	line, column := lineAndColumn(data[min(head, at):at])
	return invalid(path, "%s (line %d, column %d)", text, line, column)
}

// malformed makes an error that says where in data it is no JSON.
func malformed(field string, data []byte, err error) error {
	at := len(data)
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(int(wrong.Offset)-1, 0)
	}
	line, column := lineAndColumn(data[:min(at, len(data))])
	return invalid(field, "%s (line %d, column %d)", err.Error(), line, column)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0 // longer than any body
	}
	return n
}

// offset returns the place of a line and column.
func offset(data []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			break
		}
		at += n + 1
	}
	for ; column > 1 && at < len(data); column-- {
		_, n := utf8.DecodeRune(data[at:])
		at += n
	}
	return at
}

// lineAndColumn returns those of the place after before.
func lineAndColumn(before []byte) (line, column int) {
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

func isBlank(data []byte) bool { return len(bytes.TrimLeft(data, " \t\r\n")) == 0 }

// A level is an object or array that a place is in.
type level struct {
	object bool
	named  bool   // in an object: whether its key has come
	name   string // in an object: the last key
	index  int    // in an array
}

// pathAt returns the path of the value, or key, at a place of JSON that is right
// up to there.
func pathAt(data []byte, at int) string {
	var levels []level
	for i := 0; i < len(data); i++ {
		c := data[i]
		var in *level
		if len(levels) > 0 {
			in = &levels[len(levels)-1]
		}
		if c == '"' {
			text, end := stringAt(data, i)
			if in != nil && in.object && !in.named && i <= at {
				in.name = text
			}
			if i >= at {
				break
			}
			i = end
			continue
		}
		if i >= at {
			break
		}
		switch {
		case c == '{' || c == '[':
			levels = append(levels, level{object: c == '{'})
		case in == nil:
		case c == '}' || c == ']':
			levels = levels[:len(levels)-1]
		case c == ':':
			in.named = true
		case c == ',':
			in.named, in.name = false, ""
			in.index++
		}
	}
	return pathOfLevels(levels)
}

func pathOfLevels(levels []level) string {
	var b strings.Builder
	for _, l := range levels {
		switch {
		case !l.object:
			fmt.Fprintf(&b, "[%d]", l.index)
		case l.name == "":
		case b.Len() > 0:
			b.WriteString("." + l.name)
		default:
			b.WriteString(l.name)
		}
	}
	return b.String()
}

// stringAt returns the string that begins at i, and where it ends.
func stringAt(data []byte, i int) (text string, end int) {
	for end = i + 1; end < len(data) && data[end] != '"'; end++ {
		if data[end] == '\\' {
			end++
		}
	}
	if end >= len(data) || json.Unmarshal(data[i:end+1], &text) != nil {
		return "", end
	}
	return text, end
}

// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// An object is one of JSON whose members keep their order. Values are objects,
// []any, strings, numbers and booleans.
type object []member

type member struct {
	name  string
	value any
}

func (o object) has(name string) bool {
	return slices.ContainsFunc(o, func(m member) bool { return m.name == name })
}

// JSON returns the document as JSON.
func (d *Document) JSON() []byte {
	var b bytes.Buffer
	writeJSON(&b, d.root)
	var indented bytes.Buffer
	if err := json.Indent(&indented, b.Bytes(), "", "  "); err != nil {
		return b.Bytes()
	}
	indented.WriteByte('\n')
	return indented.Bytes()
}

func writeJSON(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(scalar(m.name) + ":")
			writeJSON(b, m.value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		b.WriteString(scalar(v))
	}
}

// YAML returns the document as YAML.
func (d *Document) YAML() []byte {
	var b bytes.Buffer
	writeYAML(&b, d.root, 0)
	return bytes.TrimPrefix(b.Bytes(), []byte("\n"))
}

// writeYAML writes a value that follows a name or a dash.
func writeYAML(b *bytes.Buffer, v any, depth int) {
	indent := "\n" + strings.Repeat("  ", depth)
	switch v := v.(type) {
	case object:
		if len(v) == 0 {
			b.WriteString(" {}")
		}
		for _, m := range v {
			b.WriteString(indent + scalar(m.name) + ":")
			writeYAML(b, m.value, depth+1)
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []")
		}
		for _, e := range v {
			b.WriteString(indent + "-")
			writeYAML(b, e, depth+1)
		}
	default:
		b.WriteString(" " + scalar(v))
	}
	if depth == 0 {
		b.WriteByte('\n')
	}
}

// scalar returns a string, number or boolean as JSON, which is YAML too.
func scalar(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case string:
		if text, err := json.Marshal(v); err == nil {
			return string(text)
		}
	}
	return `""`
}

// SPDX-License-Identifier: Apache-2.0

package httprule

import "strings"

// split adds the segments of a path to segments, still encoded. It returns false
// for what is no path. The root has no segments; any other path has one for
// each slash.
func split(segments []string, path string) ([]string, bool) {
	if path == "" || path[0] != '/' {
		return nil, false
	}
	if path == "/" {
		return segments, true
	}
	for rest, more := path[1:], true; more; {
		var s string
		s, rest, more = strings.Cut(rest, "/")
		segments = append(segments, s)
	}
	return segments, true
}

// cutVerb cuts a segment at its last colon.
func cutVerb(segment string) (head, verb string, ok bool) {
	i := strings.LastIndexByte(segment, ':')
	if i < 0 || i == len(segment)-1 {
		return segment, "", false
	}
	return segment[:i], decode(segment[i+1:]), true
}

// values returns the texts of the variables of b in a path that it takes.
func (b *Binding) values(encoded []string) []string {
	if len(b.Template.Variables) == 0 {
		return nil
	}
	values := make([]string, len(b.Template.Variables))
	for i, v := range b.Template.Variables {
		if !v.Several {
			values[i] = decode(encoded[v.Start])
			continue
		}
		end := v.End
		if v.End == len(b.Template.Segments) {
			end = len(encoded) // ** takes what is left
		}
		values[i] = decodeButSlash(strings.Join(encoded[v.Start:end], "/"))
	}
	return values
}

// decode decodes a segment. An escape that means nothing stays.
func decode(s string) string { return unescape(s, false) }

// decodeButSlash decodes several segments, but leaves encoded slashes.
func decodeButSlash(s string) string { return unescape(s, true) }

func unescape(s string, keepSlash bool) string {
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s
	}
	out := make([]byte, first, len(s))
	copy(out, s)
	for i := first; i < len(s); i++ {
		c := s[i]
		if c != '%' || i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			out = append(out, c)
			continue
		}
		c = fromHex(s[i+1])<<4 | fromHex(s[i+2])
		if c == '/' && keepSlash {
			out = append(out, s[i:i+3]...)
		} else {
			out = append(out, c)
		}
		i += 2
	}
	return string(out)
}

func fromHex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// most is how many bytes a message may have of which people want to see all.
const most = 256 << 10

// Text returns a message for people, what is packed into an Any and fields that
// nobody knows included; of one that is very large, only how large.
func Text(m proto.Message) string {
	if size := proto.Size(m); size > most {
		return fmt.Sprintf("(a %s of %d bytes)", m.ProtoReflect().Descriptor().FullName(), size)
	}
	text := prototext.MarshalOptions{Multiline: true, EmitUnknown: true}.Format(m)
	if text = strings.TrimRight(text, "\n"); text != "" {
		return text
	}
	return "(an empty " + string(m.ProtoReflect().Descriptor().FullName()) + ")"
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// Diff says how got differs from want, "" if it doesn't. Fields that are absent
// differ from fields that are empty, and unknown fields count.
func Diff(want, got proto.Message) string {
	if proto.Equal(want, got) {
		return ""
	}
	w, g := Text(want), Text(got)
	if w != g {
		return lines(strings.Split(w, "\n"), strings.Split(g, "\n"))
	}
	wb, _ := proto.MarshalOptions{Deterministic: true}.Marshal(want) // what can be printed can be encoded
	gb, _ := proto.MarshalOptions{Deterministic: true}.Marshal(got)
	if bytes.Equal(wb, gb) {
		return fmt.Sprintf("the messages print alike but differ:\n%s", indent(w))
	}
	return fmt.Sprintf("the messages print alike but are encoded differently:\n%s\n    want %x\n    got  %x", indent(w), wb, gb)
}

// lines returns both texts as one, with - before the lines that only want has
// and + before those that only got has.
func lines(want, got []string) string {
	// same[i][j] is how many lines want[i:] and got[j:] have in common at most.
	same := make([][]int, len(want)+1)
	for i := range same {
		same[i] = make([]int, len(got)+1)
	}
	for i, w := range slices.Backward(want) {
		for j, g := range slices.Backward(got) {
			if w == g {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	var b strings.Builder
	b.WriteString("    (- expected, + seen)")
	for i, j := 0, 0; i < len(want) || j < len(got); {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			fmt.Fprintf(&b, "\n      %s", want[i])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && same[i+1][j] >= same[i][j+1]:
			fmt.Fprintf(&b, "\n    - %s", want[i])
			i++
		default:
			fmt.Fprintf(&b, "\n    + %s", got[j])
			j++
		}
	}
	return b.String()
}

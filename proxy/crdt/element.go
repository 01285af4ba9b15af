// SPDX-License-Identifier: Apache-2.0

package crdt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"
)

// An element is a google.protobuf.Any that can be compared: two are equal if
// their type urls and bytes are.
type element struct{ typeURL, value string }

// elementOf returns the element that a is; an absent one is as an empty one.
func elementOf(a *anypb.Any) element { return element{a.GetTypeUrl(), string(a.GetValue())} }

func (e element) any() *anypb.Any {
	return &anypb.Any{TypeUrl: e.typeURL, Value: []byte(e.value)}
}

// String shows e to people, who may not want to see all of it.
func (e element) String() string {
	if len(e.value) > 40 {
		return fmt.Sprintf("%q... (%s)", e.value[:40], e.typeURL)
	}
	return fmt.Sprintf("%q (%s)", e.value, e.typeURL)
}

func compareElements(a, b element) int {
	return cmp.Or(cmp.Compare(a.typeURL, b.typeURL), cmp.Compare(a.value, b.value))
}

// sorted returns the keys of m in order.
func sorted[V any](m map[element]V) []element {
	return slices.SortedFunc(maps.Keys(m), compareElements)
}

// anys returns the elements in order.
func anys(elements []element) []*anypb.Any {
	slices.SortFunc(elements, compareElements)
	list := make([]*anypb.Any, len(elements))
	for i, e := range elements {
		list[i] = e.any()
	}
	return list
}

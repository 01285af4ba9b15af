// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"strings"
)

// KeyFields says which fields of a request make the entity key, for each method of
// the entities whose instances have one place: by their numbers, since names may
// change. Two processes that agree in what both have take each request for the same
// instance.
func (c *Catalogue) KeyFields() map[string]string {
	fields := map[string]string{}
	for _, m := range c.paths {
		if m.Entity.Type != EventSourced && m.Entity.Type != ValueEntity {
			continue
		}
		fields[m.Entity.Name+" "+m.Name] = m.keyFields()
	}
	return fields
}

func (m *Method) keyFields() string {
	if m.key == nil {
		return "none"
	}
	numbers := make([]string, len(m.key.parts))
	for i, p := range m.key.parts {
		numbers[i] = fmt.Sprint(p.field.num)
	}
	return strings.Join(numbers, ",")
}

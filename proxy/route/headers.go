// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"
	"strings"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// Headers are what commands carry of the metadata of their calls. A nil
// Headers is for none of it: that is how the reference does it, and its suite
// compares commands to the letter.
type Headers struct {
	All   bool
	Names []string // that are carried if not all are
}

// Of returns the entries of md that a command carries. They may share the memory
// of md.
func (h *Headers) Of(md entity.Metadata) entity.Metadata {
	switch {
	case h == nil || len(md) == 0:
		return nil
	case h.All:
		return md
	}
	return slices.DeleteFunc(slices.Clone(md), func(e entity.MetadataEntry) bool {
		return !slices.ContainsFunc(h.Names, func(name string) bool { return strings.EqualFold(name, e.Name) })
	})
}

// PassHeaders lets the commands of the entities that on is true for, by their
// services, carry all metadata. It is for whoever has made the catalogue, before
// others have it.
func (c *Catalogue) PassHeaders(on func(service string) bool) {
	for _, e := range c.entities {
		if on(e.Service) {
			e.Headers = &Headers{All: true}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"errors"

	"github.com/kairn-dev/kairn/proxy/dialect"
	"github.com/kairn-dev/kairn/proxy/route"
)

// check makes a catalogue of what the function answered. The warning is about
// its version, and may be there without an error.
func (f *follower) check(spec *dialect.Spec) (c *route.Catalogue, warning string, err error) {
	warning, err = spec.Dialect.CheckVersion(spec.Service, f.AnyVersion)
	if err != nil {
		return nil, "", err
	}
	c, err = route.ParseDialect(spec, f.Supported)
	if err == nil && f.Headers != nil {
		c.PassHeaders(f.Headers)
	}
	return c, warning, err
}

// problems takes a joined error apart.
func problems(err error) []string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		texts = append(texts, e.Error())
	}
	return texts
}

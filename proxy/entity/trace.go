// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"slices"
	"strings"
)

// traced are the names of metadata that go with every call that a call leads
// to: https://www.w3.org/TR/trace-context.
var traced = []string{"traceparent", "tracestate"}

// WithTrace returns md and the trace context of from, unless md has one of its
// own.
func (md Metadata) WithTrace(from Metadata) Metadata {
	if slices.ContainsFunc(md, func(e MetadataEntry) bool { return strings.EqualFold(e.Name, traced[0]) }) {
		return md
	}
	for _, e := range from {
		if slices.Contains(traced, strings.ToLower(e.Name)) {
			md = append(slices.Clip(md), e)
		}
	}
	return md
}

// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// fromMetadata turns the protocol's metadata into gRPC's.
func fromMetadata(m *cloudstate.Metadata) metadata.MD {
	md := metadata.MD{}
	for _, e := range m.GetEntries() {
		switch v := e.GetValue().(type) {
		case *cloudstate.MetadataEntry_StringValue:
			md.Append(e.GetKey(), v.StringValue)
		case *cloudstate.MetadataEntry_BytesValue:
			md.Append(e.GetKey(), string(v.BytesValue))
		}
	}
	return md
}

// toMetadata turns gRPC's metadata into the protocol's, in a stable order. In
// gRPC the values of names that end in -bin are bytes.
func toMetadata(md metadata.MD) *cloudstate.Metadata {
	if len(md) == 0 {
		return nil
	}
	m := &cloudstate.Metadata{}
	for _, key := range slices.Sorted(maps.Keys(md)) {
		for _, v := range md[key] {
			e := &cloudstate.MetadataEntry{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: v}}
			if strings.HasSuffix(key, "-bin") {
				e.Value = &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(v)}
			}
			m.Entries = append(m.Entries, e)
		}
	}
	return m
}

// A replyHeader lets grpc.SetHeader set the metadata of the reply to the
// command that is being handled, and not that of the stream which all of the
// instance's commands share.
type replyHeader struct{ *activation }

func (h replyHeader) Method() string {
	if h.current == nil {
		return ""
	}
	return h.current.fullMethod()
}

func (h replyHeader) SetHeader(md metadata.MD) error {
	if h.current == nil {
		return errors.New("there is no command to answer")
	}
	return h.current.setHeader(md)
}

func (h replyHeader) SendHeader(md metadata.MD) error { return h.SetHeader(md) }

func (h replyHeader) SetTrailer(metadata.MD) error { return errNoTrailers }

var errNoTrailers = errors.New("the protocol has no trailers")

func (c *command) fullMethod() string { return "/" + c.service + "/" + c.method.name }

func (c *command) setHeader(md metadata.MD) error {
	c.header = metadata.Join(c.header, md)
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/serve/header"
)

// A request is what the edge has to know of the headers of a call. Most calls
// have nothing of interest in theirs, and no request.
type request struct {
	metadata entity.Metadata
	codec    string // set if the payload isn't protobuf: its content type
}

type requestKey struct{}

// tapped looks at the headers of each call before it is handled, because here
// they can be read without the copy that the metadata package makes. It runs on
// the connection's reader, so it has to be short.
func tapped(ctx context.Context, info *tap.Info) (context.Context, error) {
	if r := requestFrom(info.Header); r != nil {
		return context.WithValue(ctx, requestKey{}, r), nil
	}
	return ctx, nil
}

// requestFrom returns nil if there's nothing to know.
func requestFrom(from metadata.MD) *request {
	passed := 0
	codec := ""
	for name, values := range from {
		switch {
		case name == "content-type":
			codec = foreignCodec(values)
		case header.PassedIn(name):
			passed += len(values)
		}
	}
	if passed == 0 && codec == "" {
		return nil
	}
	return &request{metadata: fromHeader(from, passed), codec: codec}
}

// fromHeader returns the entries of from that are passed on, by name; the
// values of one name keep their order.
func fromHeader(from metadata.MD, n int) entity.Metadata {
	if n == 0 {
		return nil
	}
	md := make(entity.Metadata, 0, n)
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if !header.PassedIn(name) {
			continue
		}
		for _, value := range from[name] {
			md = append(md, entity.MetadataEntry{Name: name, Value: value})
		}
	}
	return md
}

// foreignCodec returns the content type if it says that the payload is
// something else than protobuf.
func foreignCodec(values []string) string {
	for _, v := range values {
		media, _, _ := strings.Cut(v, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/grpc", "application/grpc+proto":
		default:
			return v
		}
	}
	return ""
}

// toHeader returns the metadata of a reply as response headers. It leaves out
// what gRPC sets itself and what can't be sent, and names those.
func toHeader(md entity.Metadata) (to metadata.MD, left []string) {
	to = make(metadata.MD, len(md))
	for _, e := range md {
		name := strings.ToLower(e.Name)
		if !header.Passed(name) || !header.Sendable(name, e.Value) {
			left = append(left, e.Name)
			continue
		}
		to[name] = append(to[name], e.Value)
	}
	return to, left
}

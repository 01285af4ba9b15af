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
func requestFrom(header metadata.MD) *request {
	passed := 0
	codec := ""
	for name, values := range header {
		switch {
		case name == "content-type":
			codec = foreignCodec(values)
		case isPassedIn(name):
			passed += len(values)
		}
	}
	if passed == 0 && codec == "" {
		return nil
	}
	return &request{metadata: fromHeader(header, passed), codec: codec}
}

// fromHeader returns the entries of header that are passed on, by name; the
// values of one name keep their order.
func fromHeader(header metadata.MD, n int) entity.Metadata {
	if n == 0 {
		return nil
	}
	md := make(entity.Metadata, 0, n)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !isPassedIn(name) {
			continue
		}
		for _, value := range header[name] {
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

// isPassedIn reports whether a request header of this name, which is in lower
// case, goes to the user function.
func isPassedIn(name string) bool {
	switch name {
	case "user-agent", "grpc-accept-encoding":
		return false // the two that almost every call has
	}
	return isPassed(name)
}

// toHeader returns the metadata of a reply as response headers. It leaves out
// what gRPC sets itself and what can't be sent, and names those.
func toHeader(md entity.Metadata) (header metadata.MD, left []string) {
	header = make(metadata.MD, len(md))
	for _, e := range md {
		name := strings.ToLower(e.Name)
		if !isPassed(name) || !isSendable(name, e.Value) {
			left = append(left, e.Name)
			continue
		}
		header[name] = append(header[name], e.Value)
	}
	return header, left
}

// isPassed reports whether metadata of this name is the application's own: not
// of HTTP, of gRPC or of the proxy.
func isPassed(name string) bool {
	switch name {
	case "grpc-trace-bin": // trace context, the application's after all
		return true
	case "", "content-type", "content-length", "te", "host",
		"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return false
	}
	return name[0] != ':' && !strings.HasPrefix(name, "grpc-") && !strings.HasPrefix(name, "kairn-")
}

// isSendable reports whether gRPC can send this header. Bytes can always be
// sent, text must be printable ASCII.
func isSendable(name, value string) bool {
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	if strings.HasSuffix(name, "-bin") {
		return true
	}
	for _, c := range []byte(value) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// SPDX-License-Identifier: Apache-2.0

package header

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// FromHTTP returns what of the headers of an HTTP request is the metadata of the
// call, in the order of their names. Besides what [Passed] leaves out, what says
// how the body is encoded is. An error wraps [entity.ErrInvalid].
func FromHTTP(header http.Header) (entity.Metadata, error) {
	var names []string
	n := 0
	for name, values := range header {
		if isPassedHTTP(name) {
			names = append(names, name)
			n += len(values)
		}
	}
	if n == 0 {
		return nil, nil
	}
	slices.Sort(names)
	md := make(entity.Metadata, 0, n)
	for _, name := range names {
		values := header[name]
		name = strings.ToLower(name)
		for _, value := range values {
			if !strings.HasSuffix(name, "-bin") {
				md = append(md, entity.MetadataEntry{Name: name, Value: value})
				continue
			}
			for part := range strings.SplitSeq(value, ",") { // as gRPC may join them
				decoded, err := decodeBin(part)
				if err != nil {
					return nil, fmt.Errorf("%w: header %s: %w", entity.ErrInvalid, name, err)
				}
				md = append(md, entity.MetadataEntry{Name: name, Value: decoded})
			}
		}
	}
	return md, nil
}

// isPassedHTTP reports whether a request header goes to the user function. Its
// name is as package http has it.
func isPassedHTTP(name string) bool {
	switch name {
	case "Content-Type", "User-Agent", "Te", "Accept-Encoding", "Content-Encoding", "Expect", "Trailer",
		"Grpc-Accept-Encoding", "X-Grpc-Web": // before all those that almost every request has
		return false
	}
	if strings.HasPrefix(name, "Connect-") || strings.HasPrefix(name, "Sec-Websocket-") {
		return false
	}
	return Passed(strings.ToLower(name))
}

// decodeBin decodes base64 with padding or without it.
func decodeBin(s string) (string, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(s), "="))
	return string(b), err
}

// ToHTTP adds the metadata of a reply to the headers of a response. It returns
// the names of what can't be sent.
func ToHTTP(header http.Header, md entity.Metadata) (left []string) {
	for _, e := range md {
		name := strings.ToLower(e.Name)
		if !Passed(name) || !Sendable(name, e.Value) {
			left = append(left, e.Name)
			continue
		}
		Add(header, name, e.Value)
	}
	return left
}

// Add adds one entry of metadata, as base64 if it is bytes.
func Add(header http.Header, name, value string) {
	if strings.HasSuffix(name, "-bin") {
		value = base64.RawStdEncoding.EncodeToString([]byte(value))
	}
	header.Add(name, value)
}

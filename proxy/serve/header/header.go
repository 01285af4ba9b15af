// SPDX-License-Identifier: Apache-2.0

// Package header says which headers of a request are metadata of the call, and
// which metadata of an answer can be headers. All protocols of the edge keep to
// it.
package header

import "strings"

// PassedIn reports whether a request header of this name, which is in lower
// case, goes to the user function.
func PassedIn(name string) bool {
	switch name {
	case "user-agent", "grpc-accept-encoding":
		return false // the two that almost every call has
	}
	return Passed(name)
}

// Passed reports whether metadata of this name is the application's own: not
// of HTTP, of gRPC or of the proxy.
func Passed(name string) bool {
	switch name {
	case "grpc-trace-bin": // trace context, the application's after all
		return true
	case "", "content-type", "content-length", "te", "host",
		"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return false
	}
	return name[0] != ':' && !strings.HasPrefix(name, "grpc-") && !strings.HasPrefix(name, "kairn-")
}

// Sendable reports whether HTTP/2 can send this header. Bytes can always be
// sent, text must be printable ASCII.
func Sendable(name, value string) bool {
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

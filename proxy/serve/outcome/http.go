// SPDX-License-Identifier: Apache-2.0

package outcome

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxRest is how much of a body is read that nobody wants: as much as package http
// reads of one over HTTP/1.
const maxRest = 256 << 10

// TakeRest reads what is left of the body of a request that is refused, some of it
// at least. Over HTTP/2 a client that still sends is told to stop once the handler
// returns, and some then don't look at the answer. Whoever calls it has set a
// deadline.
func TakeRest(r *http.Request) {
	if r.ProtoMajor == 2 {
		io.CopyN(io.Discard, r.Body, maxRest) //nolint:errcheck // the answer doesn't depend on it
	}
}

// HTTP returns the HTTP status for a code, by the table of google.rpc.Code.
func HTTP(c codes.Code) int {
	switch c {
	case codes.OK:
		return http.StatusOK
	case codes.Canceled:
		return 499 // client closed request: no name in the standard
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// JSON returns an error as REST has it, in Google's form:
//
//	{"error":{"code":400,"message":"…","status":"INVALID_ARGUMENT","details":[…]}}
func JSON(httpStatus int, c codes.Code, text string, details ...proto.Message) []byte {
	type inner struct {
		Code    int               `json:"code"`
		Message string            `json:"message"`
		Status  string            `json:"status"`
		Details []json.RawMessage `json:"details,omitempty"`
	}
	e := inner{Code: httpStatus, Message: text, Status: code.Code(c).String()}
	for _, d := range details {
		if packed, err := anypb.New(d); err == nil {
			if detail, err := protojson.Marshal(packed); err == nil {
				e.Details = append(e.Details, detail)
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)                                         // it isn't shown in a page
	if err := enc.Encode(map[string]inner{"error": e}); err != nil { // only a detail that is no JSON could be wrong
		return []byte(`{"error":{"code":500,"message":"","status":"INTERNAL"}}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// SPDX-License-Identifier: Apache-2.0

package port

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kairn-dev/kairn/proxy/serve/outcome"
	"github.com/kairn-dev/kairn/proxy/serve/rpc"
)

// perField is what HTTP/2 adds to the size of a field for its overhead.
const perField = 32

// tooMuch reports whether a request has too many headers or too long ones.
func tooMuch(r *http.Request) bool {
	fields, size := 0, len(r.Host)+len(r.RequestURI)
	for name, values := range r.Header {
		fields += len(values)
		for _, v := range values {
			size += len(name) + len(v) + perField
		}
	}
	return fields > maxHeaderFields || size > maxHeaderBytes
}

// refuse says that the headers are too much, in the words of the protocol.
func refuse(w http.ResponseWriter, r *http.Request, protocol rpc.Protocol) {
	text := fmt.Sprintf("headers may have %d bytes and %d fields", maxHeaderBytes, maxHeaderFields)
	if protocol != rpc.None {
		rpc.Refuse(w, r, status.New(codes.ResourceExhausted, text))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
	w.Write(outcome.JSON(http.StatusRequestHeaderFieldsTooLarge, codes.ResourceExhausted, text)) //nolint:errcheck // the client has gone away
}

// impatient is a listener whose connections don't wait for ever for a client to
// take what is written.
type impatient struct{ net.Listener }

func (l impatient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return impatientConn{c}, nil
}

type impatientConn struct{ net.Conn }

func (c impatientConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

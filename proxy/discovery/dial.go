// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"cmp"
	"math"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// maxMessage is how much the function may send at once, unless it is said
// otherwise, as in the reference.
const maxMessage = 12 << 20

// How many bytes the function may send before they are read, in one stream and
// before they have arrived in all.
const (
	streamWindow = 64 << 10
	connWindow   = 1 << 20
)

// Dial makes a connection to the user function at target, "127.0.0.1:8080" or
// "unix:///path". Messages from the function may have limit bytes, 12 MiB if it
// is 0. Nothing is connected before the first use or [Run]. The options come
// after those of Dial.
func Dial(target string, limit int, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(scheme(target), append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), // loopback only
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // a stream is not repeated behind the instance's back
		grpc.WithIdleTimeout(0), // an idle function is no reason to ask it again
		// Windows that grow would let a function send megabytes ahead of a
		// client that reads slowly, for each call. They do widen for a message
		// that is waited for.
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A cold start waits for this: no more than about 30 % longer than
			// the function needs.
			Backoff: backoff.Config{
				BaseDelay:  10 * time.Millisecond,
				Multiplier: 1.3,
				Jitter:     0.2,
				MaxDelay:   time.Second,
			},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(cmp.Or(limit, maxMessage)),
			grpc.MaxCallSendMsgSize(math.MaxInt32),
		),
	}, opts...)...)
}

// passthrough leaves finding the target to the dialer.
const passthrough = "passthrough:///"

// scheme says how grpc finds target: by the dialer alone, which tries all
// addresses of a name each time, if target doesn't say otherwise.
func scheme(target string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return target
	}
	return passthrough + target
}

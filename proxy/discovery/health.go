// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/kairn-dev/kairn/proxy/dialect"
	"github.com/kairn-dev/kairn/proxy/route"
)

const (
	// healthPause is the time between two health checks.
	healthPause = 10 * time.Second

	// maxSick is how many in a row may fail: a function with one thread can't
	// answer while it is busy with one command.
	maxSick = 3

	// farewellTime is how long a function may take to hear that the proxy ends.
	farewellTime = time.Second
)

// checkHealth calls HealthCheck now and then until conn is done. A function that
// doesn't answer any more is lost until it does.
func (f *follower) checkHealth(conn context.Context, c *route.Catalogue) {
	for sick := 0; ; {
		wait(conn, healthPause)
		err := f.call(conn, f.Timeout, c.Dialect().Methods.HealthCheck)
		switch {
		case conn.Err() != nil, status.Code(err) == codes.Unimplemented:
			return
		case err == nil && sick >= maxSick:
			f.log.Info("user function is healthy again", "target", f.target())
			f.reason = ""
			f.Found(c)
		}
		if err == nil {
			sick = 0
			continue
		}
		if sick++; sick >= maxSick && f.lost("health check: "+reasonOf(err)) {
			f.log.Warn("user function is not healthy", "err", err, "checks", sick)
		}
	}
}

// farewell tells the function, if there is a way to, that the proxy ends: until
// then it doesn't end itself.
func (f *follower) farewell(ctx context.Context, d *dialect.Dialect) {
	if ctx.Err() == nil || d.Methods.ProxyTerminated == "" {
		return // it is the function that went away, or one that doesn't wait
	}
	if err := f.call(context.WithoutCancel(ctx), farewellTime, d.Methods.ProxyTerminated); err != nil {
		f.log.Debug("user function did not hear that the proxy ends", "err", err)
	}
}

// call calls a method that takes nothing and answers nothing.
func (f *follower) call(ctx context.Context, limit time.Duration, method string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f.Conn.Invoke(ctx, method, new(emptypb.Empty), new(emptypb.Empty))
}

// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/spanner"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// The network is tried again within seconds, however long it was away. The
// library's own pause grows to two minutes.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: readLimit,
}

// renewPause is how long the client is kept at least.
const renewPause = time.Second

// A connection is a client that Spanner knows. The library makes a session and
// keeps it for a week, whatever becomes of it: when Spanner doesn't know it any
// more, since the database was made anew or restored, only another client helps.
type connection struct {
	log     *slog.Logger
	name    string // of the database
	options []option.ClientOption
	current atomic.Pointer[spanner.Client]

	mu     sync.Mutex // protects what follows; held while a client is made
	since  time.Time  // of current
	closed bool
}

func (c *connection) open(ctx context.Context) error {
	client, err := connect(ctx, c.name, c.options)
	if err == nil {
		c.current.Store(client)
		c.since = time.Now()
	}
	return err
}

// close gives the client up, and lets no other come after it.
func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.current.Load().Close()
}

// heard takes the error of a call of client. If Spanner doesn't know what the
// client is for, then there is another one after it.
func (c *connection) heard(ctx context.Context, client *spanner.Client, err error) {
	if err == nil || gone(err) == nil || !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.closed || c.current.Load() != client || time.Since(c.since) < renewPause {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readLimit)
	defer cancel()
	c.log.Warn("Spanner does not know the session or the database any more, connecting anew", "database", c.name, "err", err)
	if err := c.open(ctx); err != nil {
		c.log.Warn("can't connect", "err", err)
		return
	}
	client.Close()
}

func connect(ctx context.Context, name string, options []option.ClientOption) (*spanner.Client, error) {
	options = append([]option.ClientOption{option.WithGRPCDialOption(grpc.WithConnectParams(reconnect))}, options...)
	// The native metrics go to Google's own monitoring; ours say the same.
	client, err := spanner.NewClientWithConfig(ctx, name, spanner.ClientConfig{DisableNativeMetrics: true}, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	return client, nil
}

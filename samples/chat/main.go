// SPDX-License-Identifier: Apache-2.0

// Chat is a user function with chat rooms: a CRDT, so that a room is open
// wherever a proxy is, and those who are in it see what happens as it happens.
// README.md says how to run it.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/kairn-dev/kairn/sdk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := sdk.Serve(ctx, rooms()); err != nil {
		slog.Error("chat", "error", err)
		os.Exit(1)
	}
}

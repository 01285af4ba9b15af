// SPDX-License-Identifier: Apache-2.0

// Greeter is a user function without state: an action with a method for each
// shape that a call can have. README.md says how to run it.
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
	if err := sdk.Serve(ctx, greeter()); err != nil {
		slog.Error("greeter", "error", err)
		os.Exit(1)
	}
}

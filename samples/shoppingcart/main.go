// SPDX-License-Identifier: Apache-2.0

// Shoppingcart is a user function: one cart for each user, durable without a
// line of database code. README.md says how to run it.
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
	if err := sdk.Serve(ctx, carts()); err != nil {
		slog.Error("shoppingcart", "error", err)
		os.Exit(1)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Account is a user function: bank accounts as a value entity, durable without a
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
	if err := sdk.Serve(ctx, accounts()); err != nil {
		slog.Error("account", "error", err)
		os.Exit(1)
	}
}

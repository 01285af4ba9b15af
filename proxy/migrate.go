// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kairn-dev/kairn/proxy/store/spannerstore"
)

const migrateHelp = `kairn-proxy migrate makes or completes the tables of the Spanner store.

  kairn-proxy migrate --spanner-database=projects/p/instances/i/databases/d

The database has to be there. What is there already is left alone, so this may
be run at any time: again, after it was broken off, beside proxies that work.

  --spanner-database=   the database   [SPANNER_DATABASE]
  --dry-run             print the statements, and change nothing
`

// migrate brings a Spanner database to the newest schema.
func migrate(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	at := places{service: "any"}
	flags.StringVar(&at.database, "spanner-database", getenv(variable("spanner-database")), "")
	dry := flags.Bool("dry-run", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, migrateHelp)
		return nil
	case err != nil:
		return fmt.Errorf("%w; see --help", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	if err := at.checkSpanner(); err != nil {
		return err
	}
	return spannerstore.Migrate(ctx, at.database, *dry, out)
}

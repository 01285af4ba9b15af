// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"cloud.google.com/go/spanner"
	database "cloud.google.com/go/spanner/admin/database/apiv1"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
)

// files are the schema: file n makes version n out of version n-1. Each only
// adds, so that a proxy of the version before goes on beside it, and each of its
// statements does nothing if it was carried out before.
//
//go:embed schema/*.sql
var files embed.FS

// oldest is the lowest version of the schema that a program has to know so that
// it may work with the one here. It grows only when a file takes something away
// or changes what rows mean.
const oldest = 1

// schemaName is the name of the one row of SchemaVersion.
const schemaName = "kairn"

// ErrSchema reports that the database doesn't have the schema that this program
// works with. The text says what to do.
var ErrSchema = errors.New("schema of the database")

// A migration is one file of the schema.
type migration struct {
	name       string
	statements []string
}

// migrations returns all files, in order.
func migrations() ([]migration, error) {
	entries, err := files.ReadDir("schema")
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(entries))
	for i, e := range entries {
		if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(e.Name(), want) {
			return nil, fmt.Errorf("schema file %s: its name must begin with %s", e.Name(), want)
		}
		text, err := files.ReadFile(path.Join("schema", e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, migration{e.Name(), statements(text)})
	}
	return all, nil
}

var comment = regexp.MustCompile(`(?m)^\s*--.*\n`)

// statements splits a file. Comments have lines of their own, and nothing else
// has a semicolon in it.
func statements(text []byte) []string {
	var all []string
	for s := range strings.SplitSeq(string(comment.ReplaceAll(text, nil)), ";") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

// check returns an error unless this program can work with the schema that is
// in the database.
func check(ctx context.Context, client *spanner.Client, name string) error {
	found, needs, err := schemaVersion(ctx, client)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return judge(found, needs, name)
}

// judge says whether this program can work with version found of the schema,
// which wants programs that know version needs.
func judge(found, needs int64, name string) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	known := int64(len(all))
	switch {
	case found < known:
		return fmt.Errorf("%w: it has version %d, and version %d is needed; run: kairn-proxy migrate --spanner-database=%s", ErrSchema, found, known, name)
	case needs > known:
		return fmt.Errorf("%w: it has version %d, which wants a newer kairn-proxy than this one, that knows version %d", ErrSchema, found, known)
	}
	return nil
}

// schemaVersion returns the version of the schema in the database, 0 if there
// is none.
func schemaVersion(ctx context.Context, client *spanner.Client) (version, needs int64, err error) {
	row, err := client.Single().ReadRow(ctx, "SchemaVersion", spanner.Key{schemaName}, []string{"Version", "Oldest"})
	if err != nil {
		if missingTable(err) || spanner.ErrCode(err) == codes.NotFound && gone(err) == nil {
			return 0, 0, nil
		}
		return 0, 0, err
	}
	return version, needs, row.Columns(&version, &needs)
}

// missingTable reports whether err says that there is no such table.
func missingTable(err error) bool {
	return strings.Contains(strings.ToLower(err.Error()), "table not found")
}

// Migrate brings the database to the newest schema, and says on out what it
// does; with dry it only says what it would do. It may be run again whenever it
// has failed, and beside proxies that work.
func Migrate(ctx context.Context, name string, dry bool, out io.Writer, options ...option.ClientOption) error {
	client, err := connect(ctx, name, options)
	if err != nil {
		return err
	}
	defer client.Close()
	version, needs, err := schemaVersion(ctx, client)
	if err != nil {
		return fmt.Errorf("read the version of the schema of %s: %w", name, err)
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	if needs > int64(len(all)) {
		return judge(version, needs, name)
	}
	if version >= int64(len(all)) {
		fmt.Fprintf(out, "%s has version %d of the schema: nothing to do\n", name, version)
		return nil
	}
	for i, m := range all[version:] {
		n := version + int64(i) + 1
		if dry {
			fmt.Fprintf(out, "-- version %d: %s\n%s;\n\n", n, m.name, strings.Join(m.statements, ";\n\n"))
			continue
		}
		if err := apply(ctx, client, name, n, m.statements, options); err != nil {
			return fmt.Errorf("version %d of the schema (%s): %w; it is safe to run this again", n, m.name, err)
		}
		fmt.Fprintf(out, "%s has version %d of the schema now (%s)\n", name, n, m.name)
	}
	return nil
}

// apply carries out the statements of one file and notes that they were.
func apply(ctx context.Context, client *spanner.Client, name string, version int64, ddl []string, options []option.ClientOption) error {
	if err := change(ctx, name, ddl, options); err != nil {
		return err
	}
	_, err := client.ReadWriteTransaction(ctx, func(_ context.Context, txn *spanner.ReadWriteTransaction) error {
		return txn.BufferWrite([]*spanner.Mutation{spanner.InsertOrUpdate("SchemaVersion",
			[]string{"Name", "Version", "Oldest"}, []any{schemaName, version, min(version, oldest)})})
	})
	return err
}

// change changes the schema, and returns when that is done.
func change(ctx context.Context, name string, ddl []string, options []option.ClientOption) error {
	admin, err := database.NewDatabaseAdminClient(ctx, options...)
	if err != nil {
		return err
	}
	defer admin.Close()
	op, err := admin.UpdateDatabaseDdl(ctx, &databasepb.UpdateDatabaseDdlRequest{Database: name, Statements: ddl})
	if err != nil {
		return err
	}
	return op.Wait(ctx)
}

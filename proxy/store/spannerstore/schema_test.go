// SPDX-License-Identifier: Apache-2.0

package spannerstore

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cloudspannerecosystem/memefish"
	"github.com/cloudspannerecosystem/memefish/ast"
)

// tables reads the definitions of all tables. What it can't read, or what isn't
// the definition of a table, is an error: a test must not overlook an index.
func tables(t *testing.T) map[string]*ast.CreateTable {
	t.Helper()
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*ast.CreateTable{}
	for _, m := range all {
		for _, s := range m.statements {
			ddl, err := memefish.ParseDDL(m.name, s)
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			table, ok := ddl.(*ast.CreateTable)
			if !ok {
				t.Fatalf("%s has a %T: say here whether that is led by time or a number", m.name, ddl)
			}
			if !table.IfNotExists {
				t.Errorf("%s: table %s can't be made again: say IF NOT EXISTS", m.name, table.Name.SQL())
			}
			tables[strings.Trim(table.Name.SQL(), "`")] = table
		}
	}
	return tables
}

func keyOf(table *ast.CreateTable) []string {
	var key []string
	for _, part := range table.PrimaryKeys {
		key = append(key, part.Name.Name)
	}
	return key
}

// TestNoKeyGrowsAtItsFront checks that no table is led by what grows with time:
// all its writes would go to one place.
func TestNoKeyGrowsAtItsFront(t *testing.T) {
	for name, table := range tables(t) {
		key := keyOf(table)
		if name == "SchemaVersion" { // one row
			continue
		}
		if len(key) < 2 || key[0] != "Bucket" || key[1] != "Service" {
			t.Errorf("key of %s is %v, must begin with Bucket, Service", name, key)
		}
	}
}

// TestRowsOfAnInstanceAreNeighbours checks that all that belongs to an instance
// lies in its parent.
func TestRowsOfAnInstanceAreNeighbours(t *testing.T) {
	for name, table := range tables(t) {
		if !slices.Contains(keyOf(table), "Key") || name == "Instances" || name == "Outbox" {
			continue
		}
		if table.Cluster == nil || table.Cluster.TableName.SQL() != "Instances" {
			t.Errorf("%s is not interleaved in Instances", name)
		}
		if got := keyOf(table)[:5]; !slices.Equal(got, instanceKey) {
			t.Errorf("key of %s begins with %v, want %v", name, got, instanceKey)
		}
	}
}

// TestWhatExpiresIsDeletedBySpanner checks that each column Expires has a policy.
func TestWhatExpiresIsDeletedBySpanner(t *testing.T) {
	for name, table := range tables(t) {
		expires := slices.ContainsFunc(table.Columns, func(c *ast.ColumnDef) bool { return c.Name.Name == "Expires" })
		if expires != (table.RowDeletionPolicy != nil) {
			t.Errorf("%s: has Expires %v, and a row deletion policy %v", name, expires, table.RowDeletionPolicy)
		}
	}
}

func TestMigrate(t *testing.T) {
	theDatabase(t)
	name, err := shared.Database(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), logTo(t), Config{Database: name, Service: "s"}); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "kairn-proxy migrate --spanner-database="+name) {
		t.Fatalf("database without schema: %v", err)
	}
	var out bytes.Buffer
	if err := Migrate(t.Context(), name, true, &out); err != nil || !strings.Contains(out.String(), "CREATE TABLE IF NOT EXISTS Events") {
		t.Fatalf("dry run: %v, printed %q", err, out.String())
	}
	if _, err := Open(t.Context(), logTo(t), Config{Database: name, Service: "s"}); !errors.Is(err, ErrSchema) {
		t.Fatalf("a dry run made a schema: %v", err)
	}
	half, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	if err := change(t.Context(), name, half[0].statements[:4], nil); err != nil { // as one that was broken off
		t.Fatal(err)
	}
	for range 2 {
		if err := Migrate(t.Context(), name, false, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), logTo(t), Config{Database: name, Service: "s"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestJudge(t *testing.T) {
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	known := int64(len(all))
	for _, tt := range []struct {
		name         string
		found, needs int64
		want         string
	}{
		{"the same", known, oldest, ""},
		{"none", 0, 0, "kairn-proxy migrate"},
		{"older", known - 1, oldest, "kairn-proxy migrate"},
		{"newer, by additions", known + 3, oldest, ""},
		{"newer, and changed", known + 3, known + 2, "a newer kairn-proxy"},
	} {
		err := judge(tt.found, tt.needs, "projects/p/instances/i/databases/d")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestBucketsNeverChange(t *testing.T) {
	for service, want := range map[string][2]int64{
		"shop": {-7381195824814561818, -5781370898778052774},
	} {
		if got := [2]int64{bucket(service, -1), bucket(service, 7)}; got != want {
			t.Errorf("buckets of %s are %d, want %d", service, got, want)
		}
	}
}

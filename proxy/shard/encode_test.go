// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// large returns a table with n members.
func large(t testing.TB, n int) *Table {
	t.Helper()
	table := New("incarnation")
	for i := range n {
		next, _, err := table.Join(Process{
			UID: fmt.Sprintf("0e1c2d3f-aaaa-bbbb-cccc-%012d", i), Nonce: fmt.Sprintf("%016x", i), Addr: fmt.Sprintf("10.0.0.%d:9009", i), Revision: "cart-00007",
		}, NewLayout(map[string]string{"shop.Cart": "AddItem=1"}), nil)
		if err != nil {
			t.Fatal(err)
		}
		table = next
	}
	table, _ = settle(table)
	table.Shards[3].Dirty, table.Shards[900].Dirty = true, true
	return table.Weigh(Weights{Generation: 3, Percent: []Weight{{"a", 30}, {"cart-00007", 70}}})
}

func TestEncode(t *testing.T) {
	for _, table := range []*Table{New("i"), large(t, 1), large(t, 50)} {
		p, err := table.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if n, most := len(p.Table), 4200+130*len(table.Members); n > most {
			t.Errorf("%d members take %d bytes, want at most %d", len(table.Members), n, most)
		}
		got, err := Decode(p)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, table) {
			t.Errorf("decoded another table, of %d members", len(got.Members))
		}
	}
}

func TestDecodeOfNothing(t *testing.T) {
	table, err := Decode(entity.Placement{})
	if err != nil || table.NextMember != 1 || table.Version != 0 || len(table.Members) != 0 {
		t.Errorf("no row reads as %v, %v", table, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, n := range []int{1, 3} {
		p, err := large(f, n).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Table, int64(n+1))
	}
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, next int64) {
		table, err := Decode(entity.Placement{Version: 7, NextMember: entity.Member(next), Table: b})
		if err != nil {
			return
		}
		table.Want()
		table.Neighbour(1)
		p, err := table.Encode()
		if err != nil {
			return // text that is not UTF-8 can't come out of Decode, so anything else
		}
		again, err := Decode(p)
		if err != nil {
			t.Fatalf("what was accepted once is refused: %v", err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(p.Table, twice.Table) {
			t.Fatalf("it has two encodings, %v", err)
		}
	})
}

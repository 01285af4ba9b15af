// SPDX-License-Identifier: Apache-2.0

package shard

import (
	"fmt"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// TestOfNeverChanges holds what rows on disk depend on.
func TestOfNeverChanges(t *testing.T) {
	for _, tt := range []struct {
		key  entity.Key
		want ID
	}{
		{entity.Key{}, 507},
		{entity.Key{Entity: "shop.ShoppingCart/shopping-cart"}, 598},
		{entity.Key{Entity: "shop.ShoppingCart/shopping-cart", ID: "user-1"}, 111},
		{entity.Key{Entity: "shop.ShoppingCart/shopping-cart", ID: "user-2"}, 539},
		{entity.Key{Entity: "a", ID: "b\x00c"}, 338},
		{entity.Key{Entity: "a\x00b", ID: "c"}, 338},
		{entity.Key{Entity: "bank", ID: "日本"}, 838},
		{entity.Key{Entity: "bank", ID: "\xff\xfe"}, 1005},
	} {
		if got := Of(tt.key); got != tt.want {
			t.Errorf("Of(%v) = %d, want %d", tt.key, got, tt.want)
		}
	}
}

// TestOfSpreads checks that ids that differ little spread well: with 100 keys
// per shard the fullest and the emptiest are not far off.
func TestOfSpreads(t *testing.T) {
	for _, pattern := range []string{"%d", "user-%d", "%012d", "%d-suffix", "%d000"} {
		var n [Count]int
		for i := range 100 * Count {
			n[Of(entity.Key{Entity: "shop.ShoppingCart/shopping-cart", ID: fmt.Sprintf(pattern, i)})]++
		}
		for id, got := range n {
			if got < 50 || got > 155 {
				t.Errorf("ids like %q: %d in shard %d, 100 expected", pattern, got, id)
			}
		}
	}
}

func BenchmarkOf(b *testing.B) {
	key := entity.Key{Entity: "shop.ShoppingCart/shopping-cart", ID: "user-12345"}
	for b.Loop() {
		Of(key)
	}
}

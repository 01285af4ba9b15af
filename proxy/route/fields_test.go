// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"maps"
	"testing"

	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/route/routetest"
)

// TestKeyFields has an entity of each type, a key of two fields, and one whose field
// has another name than in an older version.
func TestKeyFields(t *testing.T) {
	const text = `
		syntax = "proto3";
		package shop;
		import "cloudstate/entity_key.proto";
		message One { string other = 1; string renamed = 2 [(cloudstate.entity_key) = true]; }
		message Two { string a = 4 [(cloudstate.entity_key) = true]; int64 b = 3 [(cloudstate.entity_key) = true]; }
		service Carts { rpc Get(One) returns (One); rpc Add(Two) returns (One); }
		service Names { rpc Get(One) returns (One); }
		service Votes { rpc Get(One) returns (One); }
		service Hello { rpc Get(One) returns (One); }
	`
	c := routetest.Catalogue(t, text, map[string]string{
		"shop.Carts": route.EventSourced, "shop.Names": route.ValueEntity, "shop.Votes": route.CRDT,
	})
	want := map[string]string{"shop.Carts/p Get": "2", "shop.Carts/p Add": "4,3", "shop.Names/p Get": "2"}
	if got := c.KeyFields(); !maps.Equal(got, want) {
		t.Errorf("KeyFields() = %v, want %v", got, want)
	}
}

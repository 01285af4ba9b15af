// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"slices"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/route"
)

func TestHeaders(t *testing.T) {
	md := entity.Metadata{{Name: "a", Value: "1"}, {Name: "b-bin", Value: "\x00"}, {Name: "a", Value: "2"}, {Name: "C", Value: "3"}}
	for name, tt := range map[string]struct {
		headers *route.Headers
		want    entity.Metadata
	}{
		"none":          {nil, nil},
		"all":           {&route.Headers{All: true}, md},
		"some":          {&route.Headers{Names: []string{"A"}}, entity.Metadata{md[0], md[2]}},
		"in whose case": {&route.Headers{Names: []string{"c", "b-bin"}}, entity.Metadata{md[1], md[3]}},
		"others":        {&route.Headers{Names: []string{"d"}}, entity.Metadata{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(md)
			if got := tt.headers.Of(md); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !slices.Equal(md, before) {
				t.Errorf("the call's metadata has become %q", md)
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"maps"
	"reflect"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/kairn-dev/kairn/proxy/entity"
)

func TestRequestFromHeader(t *testing.T) {
	usual := metadata.MD{
		":authority": {"localhost"}, "content-type": {"application/grpc"},
		"user-agent": {"grpc-go"}, "grpc-accept-encoding": {"gzip"},
	}
	tests := map[string]struct {
		more metadata.MD
		want *request
	}{
		"nothing of interest":        {nil, nil},
		"other spelling of the type": {metadata.MD{"content-type": {"application/grpc+proto; charset=utf-8"}}, nil},
		"another type":               {metadata.MD{"content-type": {"application/grpc+json"}}, &request{codec: "application/grpc+json"}},
		"connection and ours":        {metadata.MD{"host": {"x"}, "te": {"trailers"}, "kairn-hop": {"1"}, "grpc-tags-bin": {"1"}}, nil},
		"trace context":              {metadata.MD{"grpc-trace-bin": {"\x00"}}, &request{metadata: entity.Metadata{{Name: "grpc-trace-bin", Value: "\x00"}}}},
		"sorted by name": {metadata.MD{"b": {"2", "1"}, "a": {"3"}}, &request{metadata: entity.Metadata{
			{Name: "a", Value: "3"}, {Name: "b", Value: "2"}, {Name: "b", Value: "1"}}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			header := usual.Copy()
			maps.Copy(header, test.more)
			if got := requestFrom(header); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestUsualHeadersCostNoMemory(t *testing.T) {
	header := metadata.MD{
		":authority": {"localhost"}, "content-type": {"application/grpc"},
		"user-agent": {"grpc-go"}, "grpc-accept-encoding": {"gzip"},
	}
	if n := testing.AllocsPerRun(100, func() { requestFrom(header) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

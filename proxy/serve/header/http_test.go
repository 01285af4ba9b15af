// SPDX-License-Identifier: Apache-2.0

package header

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

func TestMetadataOfAnHTTPRequest(t *testing.T) {
	header := http.Header{}
	for _, h := range [][2]string{
		{"Content-Type", "application/json"}, {"Content-Length", "2"}, {"Accept-Encoding", "gzip"}, {"User-Agent", "x"},
		{"Connect-Timeout-Ms", "5"}, {"Connection", "x"}, {"Te", "trailers"}, {"Grpc-Timeout", "1S"}, {"Kairn-Outcome", "x"},
		{"Sec-Websocket-Key", "x"}, {"X-Grpc-Web", "1"}, {"Upgrade", "x"},
		{"Zone", "b"}, {"Zone", "a"}, {"Idempotency-Key", "k"}, {"Digest-Bin", "Af4"}, {"Digest-Bin", "Af4=, AA=="}, {"Grpc-Trace-Bin", "AQ"},
	} {
		header.Add(h[0], h[1])
	}
	got, err := FromHTTP(header)
	want := entity.Metadata{
		{Name: "digest-bin", Value: "\x01\xfe"}, {Name: "digest-bin", Value: "\x01\xfe"}, {Name: "digest-bin", Value: "\x00"},
		{Name: "grpc-trace-bin", Value: "\x01"}, {Name: "idempotency-key", Value: "k"}, {Name: "zone", Value: "b"}, {Name: "zone", Value: "a"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := FromHTTP(http.Header{"User-Agent": {"x"}}); got != nil || err != nil {
		t.Errorf("of nothing: %q, %v", got, err)
	}
	if _, err := FromHTTP(http.Header{"X-Bin": {"?"}}); !errors.Is(err, entity.ErrInvalid) {
		t.Errorf("a value that is no base64: %v", err)
	}
}

func TestMetadataOfAReplyAsHTTPHeaders(t *testing.T) {
	header := http.Header{"Part": {"0"}}
	left := ToHTTP(header, entity.Metadata{
		{Name: "ETag", Value: "7"}, {Name: "part", Value: "1"}, {Name: "hash-bin", Value: "\x00\xff"},
		{Name: "grpc-status", Value: "5"}, {Name: "bad name", Value: "x"},
	})
	want := http.Header{"Etag": {"7"}, "Part": {"0", "1"}, "Hash-Bin": {"AP8"}}
	if !reflect.DeepEqual(header, want) || !reflect.DeepEqual(left, []string{"grpc-status", "bad name"}) {
		t.Errorf("got %q, left out %q", header, left)
	}
}

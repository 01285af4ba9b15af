// SPDX-License-Identifier: Apache-2.0

package raw

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/kairn-dev/kairn/hack/bench/benchpb"
)

func TestFieldReadsWhatProtobufWrote(t *testing.T) {
	b, err := proto.Marshal(&benchpb.Request{Id: "k", Payload: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	for num, want := range map[protowire.Number]string{1: "k", 2: "p", 3: ""} {
		if got := Field(b, num); string(got) != want {
			t.Errorf("Field(%d) = %q, want %q", num, got, want)
		}
	}
	if got := Field(AppendBytes(b, 2, "later"), 2); string(got) != "later" {
		t.Errorf("Field(2) = %q, want the last one", got)
	}
	if got := Field(b[:2], 1); got != nil {
		t.Errorf("Field of a torn message = %q, want none", got)
	}
}

func TestAppendBytesWritesWhatProtobufReads(t *testing.T) {
	b := AppendBytes(AppendBytes(nil, 1, "key"), 2, []byte("load"))
	if want := SizeOf(1, 3) + SizeOf(2, 4); len(b) != want {
		t.Errorf("SizeOf says %d, is %d", want, len(b))
	}
	var m benchpb.Request
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m.Id != "key" || !bytes.Equal(m.Payload, []byte("load")) {
		t.Errorf("read back %v", &m)
	}
}

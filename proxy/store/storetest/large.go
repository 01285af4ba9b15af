// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// large returns n bytes that are different for every seed.
func large(n int, seed string) []byte {
	sum := sha256.Sum256([]byte(seed))
	return bytes.Repeat(sum[:], n/len(sum)+1)[:n]
}

func testLarge(t *testing.T, s Store) {
	w := newWriter(t, s)
	sizes := []int{0, 1, 64<<10 - 1, 64 << 10, 1 << 20, 8 << 20, 10}
	for i, size := range sizes {
		e := entity.Event{Seq: entity.Seq(i + 1), Payload: entity.Payload{TypeURL: "t", Value: large(size, fmt.Sprint(i))}}
		snap := entity.Snapshot{Seq: e.Seq, Payload: entity.Payload{TypeURL: "s", Value: large(size, fmt.Sprint("s", i))}}
		w.must(t, entity.Write{Key: cart, Events: []entity.Event{e}, Snapshot: &snap})
		got, err := s.Snapshot(t.Context(), cart)
		if err != nil || !same(got.Payload, snap.Payload) {
			t.Fatalf("snapshot of %d bytes: got %d, %v", size, len(got.Value), err)
		}
	}
	all, err := events(t.Context(), s, cart, 0)
	if err != nil || len(all) != len(sizes) {
		t.Fatalf("read %d events, %v; want %d", len(all), err, len(sizes))
	}
	for i, e := range all {
		if !bytes.Equal(e.Value, large(sizes[i], fmt.Sprint(i))) {
			t.Errorf("event %d of %d bytes came back as other %d bytes", e.Seq, sizes[i], len(e.Value))
		}
	}
}

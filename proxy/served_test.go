// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"testing"
	"time"

	"github.com/kairn-dev/kairn/proxy/route"
)

// TestOtherReasonsAreNoNewLoss has a function that is away for reasons that change:
// its member gives its shards away all the same.
func TestOtherReasonsAreNoNewLoss(t *testing.T) {
	began := time.Now()
	found := &served{catalogue: new(route.Catalogue), since: began.Add(-time.Hour)}
	first := found.lost(errors.New("refused"), began)
	if first.catalogue != nil || !first.since.Equal(began) {
		t.Errorf("lost is %+v, want without a catalogue since %v", first, began)
	}
	if next := first.lost(errors.New("reset"), began.Add(time.Minute)); !next.since.Equal(began) || next.err.Error() != "reset" {
		t.Errorf("lost for another reason: %+v, want since %v", next, began)
	}
}

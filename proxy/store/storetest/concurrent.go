// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

func testConcurrentLanes(t *testing.T, s Store) {
	const lanes, commits = 16, 30
	m := join(t, s, lanes)
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			w := writer{s: s, at: entity.Position{Member: m, Lane: lane}}
			for n := range entity.Seq(commits) {
				a, b := laneKey("a", lane), laneKey("b", lane)
				if err := w.commit(t.Context(), added(a, n+1, n+1), snapshotted(added(b, 2*n+1, 2*n+2), n+1)); err != nil {
					t.Errorf("lane %d: %v", lane, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for lane := range lanes {
		wantPosition(t, s, entity.Position{Member: m, Lane: lane, N: commits})
		wantEvents(t, s, laneKey("a", lane), 1, commits)
		wantEvents(t, s, laneKey("b", lane), 1, 2*commits)
		wantSnapshot(t, s, laneKey("b", lane), commits)
	}
}

func laneKey(name string, lane int) entity.Key {
	return entity.Key{Entity: name, ID: fmt.Sprint(lane)}
}

// testWholeCommits commits three events of a key and their snapshot at a time
// while others read.
func testWholeCommits(t *testing.T, s Store) {
	const commits = 150
	w := newWriter(t, s)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := readWhole(t.Context(), s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range entity.Seq(commits) {
		w.must(t, snapshotted(added(cart, 3*n+1, 3*n+3), 3*n+3))
	}
	close(done)
	wg.Wait()
}

// readWhole returns an error unless the journal ends with a whole commit and
// is at least as new as the snapshot read before it.
func readWhole(ctx context.Context, s Store) error {
	snap, err := s.Snapshot(ctx, cart)
	if err != nil {
		return err
	}
	all, err := events(ctx, s, cart, 0)
	if err != nil {
		return err
	}
	if len(all)%3 != 0 || entity.Seq(len(all)) < snap.Seq || snap.Seq%3 != 0 {
		return fmt.Errorf("read a snapshot at %d, then %d events; commits have 3", snap.Seq, len(all))
	}
	for i, e := range all {
		if e.Seq != entity.Seq(i+1) || !same(e.Payload, payload(cart, e.Seq)) {
			return fmt.Errorf("event %d came as %v", i+1, e)
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kairn-dev/kairn/proxy/entity"
)

// account is the key of most tests of values.
var account = entity.Key{Entity: "bank.Account/account", ID: "a"}

func testValue(t *testing.T, s Store) {
	w := newWriter(t, s)
	wantValue(t, s, entity.Write{Key: account})
	for _, write := range []entity.Write{
		valued(account, 1), valued(account, 2), deleted(account, 3), deleted(account, 4), valued(account, 5), deleted(account, 6), valued(account, 7),
	} {
		w.must(t, write)
		wantValue(t, s, write)
	}
	empty := entity.Write{Key: account, Value: &entity.Value{Version: 8, Exists: true}}
	w.must(t, empty) // which isn't to delete it
	wantValue(t, s, empty)
	w.must(t, entity.Write{Key: account}, added(account, 1, 2)) // leaves it alone
	wantValue(t, s, empty)
}

func testVersions(t *testing.T, s Store) {
	w := newWriter(t, s)
	for _, write := range []func(entity.Key, entity.Seq) entity.Write{valued, deleted} {
		for _, version := range []entity.Seq{-1, 0, 2, 1 << 40} {
			w.refused(t, entity.ErrRefused, write(account, version))
		}
	}
	wantValue(t, s, entity.Write{Key: account})
	w.must(t, valued(account, 1))
	w.must(t, deleted(account, 2))
	for _, version := range []entity.Seq{-1, 0, 1, 2, 4} { // what was deleted is no news
		w.refused(t, entity.ErrRefused, valued(account, version))
		w.refused(t, entity.ErrRefused, deleted(account, version))
	}
	wantValue(t, s, deleted(account, 2))
	w.refused(t, entity.ErrRefused, valued(account, 3), valued(account, 3))
	w.must(t, valued(account, 3), valued(account, 4), deleted(account, 5), valued(account, 6))
	wantValue(t, s, valued(account, 6))
}

// testValueAllOrNothing has values among events of the same keys and of others.
func testValueAllOrNothing(t *testing.T, s Store) {
	w := newWriter(t, s)
	both := added(account, 1, 3)
	both.Value = valued(account, 1).Value
	all := []entity.Write{valued(entity.Key{Entity: "e", ID: "1"}, 1), snapshotted(added(cart, 1, 2), 2), both}
	w.refused(t, entity.ErrRefused, append(slices.Clip(all), added(cart, 4, 4))...)
	w.refused(t, entity.ErrRefused, append(slices.Clip(all), deleted(account, 3))...)
	for _, write := range all {
		wantValue(t, s, entity.Write{Key: write.Key})
		wantEvents(t, s, write.Key, 1, 0)
	}
	w.must(t, all...)
	for _, write := range all {
		wantValue(t, s, write)
		wantEvents(t, s, write.Key, 1, entity.Seq(len(write.Events)))
	}
	w.must(t, added(account, 4, 4)) // the two have positions of their own
	w.must(t, valued(account, 2))
}

func testValueKeys(t *testing.T, s Store) {
	w := newWriter(t, s)
	keys := awkward(s)
	write := func(i int) entity.Write {
		switch i % 4 {
		case 0:
			return valued(keys[i], 1)
		case 1:
			return deleted(keys[i], 1)
		case 2:
			return snapshotted(added(keys[i], 1, 2), 1)
		}
		return entity.Write{Key: keys[i]}
	}
	var writes []entity.Write
	for i := range keys {
		writes = append(writes, write(i))
	}
	w.mustAll(t, 7, writes)
	for i, key := range keys {
		wantValue(t, s, write(i))
		wantEvents(t, s, key, 1, entity.Seq(len(write(i).Events)))
		w.refused(t, entity.ErrRefused, valued(key, 3))
	}
}

func testValueKeepsNothing(t *testing.T, s Store) {
	w := newWriter(t, s)
	write := valued(account, 1)
	w.must(t, write)
	clear(write.Value.Value)
	*write.Value = entity.Value{Version: 1000}
	wantValue(t, s, valued(account, 1))
}

func testLargeValues(t *testing.T, s Store) {
	w := newWriter(t, s)
	for i, size := range []int{0, 1, 64 << 10, 8 << 20, 10} {
		p := entity.Payload{TypeURL: "t", Value: large(size, fmt.Sprint(i))}
		write := entity.Write{Key: account, Value: &entity.Value{Version: entity.Seq(i + 1), Exists: true, Payload: p}}
		w.must(t, write)
		if got, err := s.Value(t.Context(), account); err != nil || !sameValue(got, *write.Value) {
			t.Fatalf("value of %d bytes: got %d, %v", size, len(got.Value), err)
		}
	}
}

// testWholeValues updates two values at a time while others read, who must never
// see an old one after a new one.
func testWholeValues(t *testing.T, s Store) {
	const commits = 300
	other := entity.Key{Entity: account.Entity, ID: strings.Repeat("b", 10)}
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
				if err := readInOrder(t.Context(), s, account, other); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range entity.Seq(commits) {
		w.must(t, valued(account, n+1), valued(other, n+1))
	}
	close(done)
	wg.Wait()
}

// readInOrder returns an error if the value of b, read later, is older than that
// of a, or if it is not what was written.
func readInOrder(ctx context.Context, s Store, a, b entity.Key) error {
	first, err := s.Value(ctx, a)
	if err != nil {
		return err
	}
	second, err := s.Value(ctx, b)
	switch {
	case err != nil:
		return err
	case second.Version < first.Version:
		return fmt.Errorf("read version %d after version %d of the same commits", second.Version, first.Version)
	case second.Version > 0 && !same(second.Payload, payload(b, second.Version)):
		return fmt.Errorf("version %d came as %v", second.Version, second)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// maxTries is how often a call is tried that says nothing.
const maxTries = 1000

// A persistent store is another one as a proxy uses it: a commit is sent again
// until its outcome is known, and reads are until they bring something.
type persistent struct {
	Store

	mu     sync.Mutex       // protects stands
	stands map[laneID]int64 // as far as the caller was told
}

// Unwrap returns the store that is used.
func (p *persistent) Unwrap() Store { return p.Store }

// definite reports whether err says what has become of a commit.
func definite(err error) bool {
	return err == nil || errors.Is(err, entity.ErrRefused) || errors.Is(err, entity.ErrLaneMoved)
}

func (p *persistent) Commit(ctx context.Context, at entity.Position, writes []entity.Write) error {
	err := p.Store.Commit(ctx, at, writes)
	for tries := 0; !definite(err) && ctx.Err() == nil && tries < maxTries; tries++ {
		err = p.Store.Commit(ctx, at, writes)
	}
	p.mu.Lock()
	old := at.N < p.stands[laneOf(at)]
	p.mu.Unlock()
	if errors.Is(err, entity.ErrLaneMoved) && !old {
		if n, ok, _ := p.Position(ctx, at.Member, at.Lane); ok && n == at.N+1 {
			err = nil // it was this very commit
		}
	}
	if err == nil {
		p.mu.Lock()
		p.stands[laneOf(at)] = at.N + 1
		p.mu.Unlock()
	}
	return err
}

// again calls do until it succeeds.
func again(ctx context.Context, do func() error) error {
	err := do()
	for tries := 0; err != nil && ctx.Err() == nil && tries < maxTries; tries++ {
		err = do()
	}
	return err
}

func (p *persistent) Position(ctx context.Context, m entity.Member, lane int) (n int64, ok bool, err error) {
	err = again(ctx, func() error {
		n, ok, err = p.Store.Position(ctx, m, lane)
		return err
	})
	return n, ok, err
}

func (p *persistent) Snapshot(ctx context.Context, key entity.Key) (snap entity.Snapshot, err error) {
	err = again(ctx, func() error {
		snap, err = p.Store.Snapshot(ctx, key)
		return err
	})
	return snap, err
}

func (p *persistent) Value(ctx context.Context, key entity.Key) (v entity.Value, err error) {
	err = again(ctx, func() error {
		v, err = p.Store.Value(ctx, key)
		return err
	})
	return v, err
}

func (p *persistent) Reply(ctx context.Context, key entity.Key, idem entity.IdemKey) (r entity.Reply, ok bool, err error) {
	err = again(ctx, func() error {
		r, ok, err = p.Store.Reply(ctx, key, idem)
		return err
	})
	return r, ok, err
}

// Events goes on after the last event that came.
func (p *persistent) Events(ctx context.Context, key entity.Key, after entity.Seq) iter.Seq2[entity.Event, error] {
	return func(yield func(entity.Event, error) bool) {
		err := again(ctx, func() error {
			for e, err := range p.Store.Events(ctx, key, after) {
				if err != nil {
					return err
				}
				after = e.Seq
				if !yield(e, nil) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(entity.Event{}, err)
		}
	}
}

// Outbox begins anew when it was broken off: it is small in these tests.
func (p *persistent) Outbox(ctx context.Context, first, last shard.ID) iter.Seq2[entity.OutboxRow, error] {
	return func(yield func(entity.OutboxRow, error) bool) {
		var rows []entity.OutboxRow
		err := again(ctx, func() error {
			rows = rows[:0]
			for r, err := range p.Store.Outbox(ctx, first, last) {
				if err != nil {
					return err
				}
				rows = append(rows, r)
			}
			return nil
		})
		if err != nil {
			yield(entity.OutboxRow{}, err)
			return
		}
		for r := range slices.Values(rows) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

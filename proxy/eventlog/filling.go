// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/outbox"
	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/shard"
)

// A filling is one try for shards that are held.
type filling struct {
	*Backfill
	shards [shard.Count]*filled // nil where there is nothing to do

	mu  sync.Mutex // protects what follows, and the errors of shards
	n   int        // instances that have got notices
	err error      // the first one of a shard that failed
}

// A filled shard is one that is to be released.
type filled struct {
	outbox.Held
	fresh []follow          // that it has no marks of
	gone  []entity.OutboxID // of marks of consumers that are no more
	size  int               // instances that are to be given notices of
	err   error
}

// add finds out what there is to do for a shard.
func (f *filling) add(h outbox.Held, c *route.Catalogue) {
	s := &filled{Held: h}
	f.shards[h.At] = s
	left := slices.Clone(h.Marks)
	for _, e := range c.Entities() {
		for _, consumer := range e.Consumers {
			is := follow{consumer, e}
			i := slices.IndexFunc(left, func(m entity.OutboxRow) bool { return is.isOf(&m) })
			if i < 0 {
				s.fresh = append(s.fresh, is)
				continue
			}
			left = slices.Delete(left, i, i+1)
		}
	}
	for i := range left {
		s.gone = append(s.gone, left[i].ID)
	}
}

// entities returns those that have a fresh consumer in some shard.
func (f *filling) entities() (names []string) {
	for _, s := range f.shards {
		if s == nil {
			continue
		}
		for _, is := range s.fresh {
			if !slices.Contains(names, is.entity.Name) {
				names = append(names, is.entity.Name)
			}
		}
	}
	return names
}

// to returns the consumers in a shard that events of the entity are new to.
func (s *filled) to(name string) (all []*route.Consumer) {
	if s == nil {
		return nil
	}
	for _, is := range s.fresh {
		if is.entity.Name == name {
			all = append(all, is.consumer)
		}
	}
	return all
}

// instances calls do with each instance that has fresh consumers.
func (f *filling) instances(ctx context.Context, do func(*filled, entity.Key, []*route.Consumer)) error {
	for _, name := range f.entities() {
		for id, err := range f.States.Instances(ctx, name, nil) {
			if err != nil {
				return fmt.Errorf("instances of %s: %w", name, err)
			}
			key := entity.Key{Entity: name, ID: id}
			s := f.shards[shard.Of(key)]
			if to := s.to(name); len(to) > 0 {
				do(s, key, to)
			}
		}
	}
	return nil
}

// choose leaves shards for the next time, if there is more to be given than what
// should wait in memory for its turn. It reports whether it has left some.
func (f *filling) choose(ctx context.Context) (more bool, err error) {
	room := batch - int(f.Rows())
	if full := room < batch/2; !full {
		err = f.instances(ctx, func(s *filled, _ entity.Key, to []*route.Consumer) { s.size += len(to) })
	}
	total := 0
	for at, s := range f.shards {
		switch {
		case s == nil:
		case room < batch/2 && len(s.fresh) > 0, total > 0 && s.size > 0 && total+s.size > room:
			f.shards[at] = nil
			more = true
		default:
			total += s.size
		}
	}
	return more, err
}

// fill stores notices of all events of all instances for their new consumers.
func (f *filling) fill(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	free := make(chan struct{}, atOnce)
	return f.instances(ctx, func(s *filled, key entity.Key, to []*route.Consumer) {
		free <- struct{}{}
		work.Go(func() {
			defer func() { <-free }()
			rows, err := f.notices(ctx, key, to)
			if err == nil && len(rows) > 0 {
				err = f.store(ctx, s, entity.Write{Key: key, Outbox: rows})
			}
			f.did(s, len(rows), err)
		})
	})
}

// did notes what came of an instance of a shard, or of the shard itself.
func (f *filling) did(s *filled, rows int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if rows > 0 && err == nil {
		f.n++
	}
	if err == nil {
		return
	}
	s.err = err
	if f.err == nil && !errors.Is(err, entity.ErrUnknownOutcome) { // else it is another member's, or it will be held again
		f.err = err
	}
}

// notices returns a row for each consumer of all events of key.
func (f *filling) notices(ctx context.Context, key entity.Key, to []*route.Consumer) ([]entity.OutboxRow, error) {
	snapshot, err := f.States.Snapshot(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("last event of %v: %w", key, err)
	}
	last := snapshot.Seq
	for e, err := range f.States.Events(ctx, key, last) {
		if err != nil {
			return nil, fmt.Errorf("last event of %v: %w", key, err)
		}
		last = e.Seq
	}
	if last == 0 {
		return nil, nil
	}
	var rows []entity.OutboxRow
	for _, c := range to {
		rows = append(rows, entity.OutboxRow{
			Source: key, Kind: entity.EventNotice, Depth: 1, Seq: last, Target: entity.Target{Service: c.Service, Command: c.Group},
		})
	}
	return rows, nil
}

// store stores w and waits for that.
func (f *filling) store(ctx context.Context, s *filled, w entity.Write) error {
	verdict := make(chan error, 1) // nobody may take it
	f.Outbox.Store(s.Held, w, func(err error) { verdict <- err })
	select {
	case err := <-verdict:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release marks what has been done and lets the notices of the shards go that are
// filled.
func (f *filling) release(ctx context.Context) error {
	var work sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for at, s := range f.shards {
		if s == nil || s.err != nil {
			continue
		}
		if len(s.fresh) == 0 && len(s.gone) == 0 {
			f.Outbox.Release(s.Held)
			continue
		}
		free <- struct{}{}
		work.Go(func() {
			defer func() { <-free }()
			w := entity.Write{Key: markKey(shard.ID(at)), Sent: s.gone}
			for i := range s.fresh {
				w.Outbox = append(w.Outbox, s.fresh[i].mark(s.At))
			}
			err := f.store(ctx, s, w)
			if err == nil {
				f.Outbox.Release(s.Held)
			}
			f.did(s, 0, err)
		})
	}
	work.Wait()
	return f.err
}

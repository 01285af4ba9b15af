// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/kairn-dev/kairn/proxy/entity"
	"github.com/kairn-dev/kairn/proxy/lane"
	"github.com/kairn-dev/kairn/proxy/route"
)

// marks is the entity whose values say which consumers have been given what was
// stored before they came.
const marks = "kairn.eventlog/consumers"

// window is how many writes are under way at once.
const window = 64

// States are what is stored.
type States interface {
	Journal
	Snapshot(ctx context.Context, key entity.Key) (entity.Snapshot, error)

	// Instances returns the ids of the instances of the entity name.
	Instances(ctx context.Context, name string, after *string) iter.Seq2[string, error]
}

// Values are where marks are read from.
type Values interface {
	Value(ctx context.Context, key entity.Key) (entity.Value, error)
}

// Outbox is where notices go.
type Outbox interface {
	// Next returns an id that was never given out before.
	Next() entity.OutboxID

	// Send has a row carried out, which is stored.
	Send(row entity.OutboxRow, first func(entity.Answer))
}

// A Backfill gives new consumers what was stored before.
type Backfill struct {
	Log    *slog.Logger
	States States
	Values Values
	Outbox Outbox
	Lane   func(entity.Key) *lane.Lane // that an instance writes to; nil if the process is no member
	Pause  time.Duration               // before it is tried again
}

// Run stores notices for the consumers of c that are new, and forgets those that
// are not in c. It tries until it is done, or ctx ends.
func (b *Backfill) Run(ctx context.Context, c *route.Catalogue) error {
	for {
		err := b.try(ctx, c)
		if err == nil || ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b.Log.Error("consumers of events were not made ready, trying again", "err", err)
		select {
		case <-time.After(b.Pause):
		case <-ctx.Done():
		}
	}
}

// A follow is one consumer of the events of one entity.
type follow struct {
	consumer *route.Consumer
	entity   *route.Entity
}

// id is that of its mark.
func (f *follow) id() string {
	return f.consumer.Service + "\x00" + f.consumer.Group + "\x00" + f.entity.Name
}

func (b *Backfill) try(ctx context.Context, c *route.Catalogue) error {
	fresh := map[string]follow{} // by the id of the mark
	for _, e := range c.Entities() {
		for _, consumer := range e.Consumers {
			f := follow{consumer, e}
			fresh[f.id()] = f
		}
	}
	var gone []string
	for id, err := range b.States.Instances(ctx, marks, nil) {
		if err != nil {
			return fmt.Errorf("consumers that are known: %w", err)
		}
		v, err := b.Values.Value(ctx, entity.Key{Entity: marks, ID: id})
		_, has := fresh[id]
		switch {
		case err != nil:
			return fmt.Errorf("consumers that are known: %w", err)
		case v.Exists && has:
			delete(fresh, id)
		case v.Exists:
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		if err := b.mark(ctx, id, false); err != nil {
			return err
		}
	}
	for _, e := range c.Entities() {
		if err := b.entity(ctx, e, fresh); err != nil {
			return err
		}
	}
	return nil
}

// entity stores notices of all events of e for those of its consumers that are
// fresh, and marks these.
func (b *Backfill) entity(ctx context.Context, e *route.Entity, fresh map[string]follow) error {
	var to []*route.Consumer
	for _, f := range fresh {
		if f.entity == e {
			to = append(to, f.consumer)
		}
	}
	if len(to) == 0 {
		return nil
	}
	began, n := time.Now(), 0
	w := writes{verdicts: make(chan error, window)}
	for id, err := range b.States.Instances(ctx, e.Name, nil) {
		if err != nil {
			return fmt.Errorf("instances of %s: %w", e.Name, err)
		}
		rows, err := b.notices(ctx, entity.Key{Entity: e.Name, ID: id}, to)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			continue
		}
		n++
		if err := w.add(ctx, b, entity.Write{Key: rows[0].Source, Outbox: rows}); err != nil {
			return err
		}
	}
	if err := w.wait(ctx); err != nil {
		return err
	}
	for _, c := range to {
		f := follow{c, e}
		if err := b.mark(ctx, f.id(), true); err != nil {
			return err
		}
		b.Log.Info("events have a new consumer", "entity", e.Name, "consumer", c.Service, "group", c.Group,
			"instances", n, "took", time.Since(began))
	}
	return nil
}

// notices returns a row for each consumer of all events of key.
func (b *Backfill) notices(ctx context.Context, key entity.Key, to []*route.Consumer) ([]entity.OutboxRow, error) {
	snapshot, err := b.States.Snapshot(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("last event of %v: %w", key, err)
	}
	last := snapshot.Seq
	for e, err := range b.States.Events(ctx, key, last) {
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
			ID: b.Outbox.Next(), Source: key, Kind: entity.EventNotice, Depth: 1, Seq: last, Since: time.UnixMilli(time.Now().UnixMilli()),
			Target: entity.Target{Service: c.Service, Command: c.Group},
		})
	}
	return rows, nil
}

// mark stores whether the consumer id has been given what was stored before.
func (b *Backfill) mark(ctx context.Context, id string, is bool) error {
	key := entity.Key{Entity: marks, ID: id}
	v, err := b.Values.Value(ctx, key)
	if err != nil {
		return fmt.Errorf("mark of a consumer: %w", err)
	}
	w := writes{verdicts: make(chan error, window)}
	next := entity.Value{Version: v.Version + 1, Exists: is}
	if err := w.add(ctx, b, entity.Write{Key: key, Value: &next}); err != nil {
		return err
	}
	return w.wait(ctx)
}

// writes are under way.
type writes struct {
	verdicts chan error
	underway int
}

// add gives a write to its lane, and sends the rows of it when it is stored.
func (w *writes) add(ctx context.Context, b *Backfill, write entity.Write) error {
	if w.underway == window {
		if err := w.one(ctx); err != nil {
			return err
		}
	}
	l := b.Lane(write.Key)
	if l == nil {
		return fmt.Errorf("the process is not a member of its service: %w", entity.ErrUnavailable)
	}
	w.underway++
	l.Join(&lane.Chain{Verdict: func(err error) {
		if err == nil {
			for _, row := range write.Outbox {
				b.Outbox.Send(row, nil)
			}
		}
		w.verdicts <- err
	}}, write)
	return nil
}

// one waits for one write.
func (w *writes) one(ctx context.Context) error {
	w.underway--
	select {
	case err := <-w.verdicts:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wait waits for all writes.
func (w *writes) wait(ctx context.Context) error {
	for w.underway > 0 {
		if err := w.one(ctx); err != nil {
			return err
		}
	}
	return nil
}
